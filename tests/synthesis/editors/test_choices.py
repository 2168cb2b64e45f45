from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from facegeom_lit.attributes import AttributeSpec, attribute
from facegeom_lit.resources import resource

CONF = resource("conf")
CHOICES = ["img2img", "sdxl_img2img", "instruct", "flux_kontext", "ledits", "ip_adapter"]
CHOICES += ["ip_adapter_faceid", "arc2face"]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_is_an_editor(choice: str, pipelines: Callable[[str], Path]) -> None:
    face = [f"synthesis.editor.face_model={pipelines('face_model')}"]
    needed = face if choice in ("ip_adapter_faceid", "arc2face") else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("generate", [f"synthesis={choice}", "synthesis.editor.device=cpu", *needed])
    assert cfg.synthesis.name == choice
    assert (cfg.synthesis.format, cfg.synthesis.quality) == ("webp", 95)
    editor = instantiate(cfg.synthesis.editor)
    assert choice.endswith("faceid") or editor.name in {choice, "image_to_image"}


def test_words_come_with_the_composed_attribute() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("generate", ["attribute=pose", "attribute.editing.strength=[0.2,0.4]"])
    spec = AttributeSpec.from_mapping(OmegaConf.to_container(cfg.attribute))  # type: ignore[arg-type]
    assert spec.editing is not None
    assert spec.editing.strength == (0.2, 0.4)
    assert spec.to_dict() == attribute("pose").to_dict()
