from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from faces.pictures import picture
from hydra import compose, initialize_config_dir
from PIL import Image
from torch import nn

from facegeom_lit.commands.assemble import fine_tune_module
from facegeom_lit.faces.opening import open_faces
from facegeom_lit.models import FaceModel, build_face_model
from facegeom_lit.models.embed import model_hash
from facegeom_lit.resources import resource
from facegeom_lit.training.objectives.invariance import Invariance
from facegeom_lit.training.sources import RunData


def unfolded() -> FaceModel:
    """A small model whose batch norms are as an export with folded ones leaves them."""
    model = build_face_model("m", "mobilefacenet", {"width": 0.25}).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            cast(torch.Tensor, module.running_var).fill_(1 - module.eps)
    return model


def test_a_run_is_known_by_the_weights_that_it_began_with(tmp_path: Path) -> None:
    """Not by what this machine made of them: another one, that rounds otherwise, may go on."""
    for row in range(32):
        file = tmp_path / f"p{row // 4}" / f"{row % 4}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(picture(row, 112)).save(file)
    with initialize_config_dir(str(resource("conf").resolve()), version_base="1.3"):
        cfg = compose("config", ["tuning=lora", "training.freeze_batch_norm=false"])
    faces, model = open_faces(tmp_path), unfolded()
    unread: Any = None
    data = RunData(faces, {}, unread, lattice_set="", verification_set="")
    began = model_hash(model)
    module = fine_tune_module(cfg, model, Invariance(), data, None)
    assert module.provenance == {"weights or card": began, "training faces": faces.hash}
    assert model_hash(module.model) != began
