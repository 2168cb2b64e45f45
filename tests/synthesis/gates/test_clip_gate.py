from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch
from synthesis.gates.candidates import candidate, flat

from facegeom_lit.attributes import attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.gates import clip_gate
from facegeom_lit.synthesis.gates.clip_gate import ClipGate

WORDS = {"age": ("an old face", "a young face")}
CHARACTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP with random weights, saved as a user would have one."""
    from transformers import (
        CLIPConfig,
        CLIPImageProcessorPil,
        CLIPModel,
        CLIPTextConfig,
        CLIPTokenizer,
        CLIPVisionConfig,
    )

    place = tmp_path_factory.mktemp("clip")
    tokens = [*CHARACTERS, *(f"{c}</w>" for c in CHARACTERS), "ol"]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (place / "vocab.json").write_text(json.dumps({t: n for n, t in enumerate(tokens)}))
    (place / "merges.txt").write_text("#version: 0.2\no l\n")
    CLIPTokenizer(str(place / "vocab.json"), str(place / "merges.txt")).save_pretrained(place)
    size = {"crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 32}}
    CLIPImageProcessorPil(**size).save_pretrained(place)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2}
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1}
    text = CLIPTextConfig(vocab_size=len(tokens), **shape, **heads, **ends)
    vision = CLIPVisionConfig(image_size=32, patch_size=16, **shape, **heads)
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8
    )
    CLIPModel(config).save_pretrained(place)
    return place


@pytest.fixture(autouse=True)
def _wording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_gate, "_wording", WORDS.get)


def direction_cosine(folder: Path, image: np.ndarray, reference: np.ndarray) -> float:
    """The cosine, computed from CLIPModel's joint forward pass and a whole-batch processor."""
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    pixels = CLIPImageProcessorPil.from_pretrained(folder)(
        images=[image, reference], return_tensors="pt"
    )
    tokens = CLIPTokenizer.from_pretrained(folder)(
        list(WORDS["age"]), padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        out = CLIPModel.from_pretrained(folder).eval()(**tokens, **pixels)
    seen, said = (x.double().numpy() for x in (out.image_embeds, out.text_embeds))
    change, asked = seen[0] - seen[1], said[0] - said[1]
    return float(change @ asked / np.linalg.norm(change) / np.linalg.norm(asked))


def test_agrees_with_the_definition(folder: Path) -> None:
    image, reference = flat(200, 50, 20), flat(30, 90, 160)
    cosine = direction_cosine(folder, image, reference)
    up, down = candidate(image, reference), candidate(image, reference, asked=-12.0)
    assert ClipGate(str(folder), cosine - 1e-4).judge([up]) == [""]
    assert ClipGate(str(folder), cosine + 1e-4).judge([up]) == ["age did not move"]
    assert ClipGate(str(folder), -cosine - 1e-4).judge([down]) == [""]
    assert ClipGate(str(folder), -cosine + 1e-4).judge([down]) == ["age did not move"]


def test_what_cannot_be_judged_is_kept(folder: Path) -> None:
    image = flat(200, 50, 20)
    unjudged = [
        candidate(image, None),
        candidate(image, image, "brightness"),
        candidate(image, image, ""),
        candidate(image, flat(30, 90, 160), asked=0.0),
    ]
    assert ClipGate(str(folder), 1.0).judge(unjudged) == [""] * 4
    assert ClipGate(str(folder), 0.01).judge([candidate(image, image)]) == ["age did not move"]


def test_version_follows_what_decides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = ClipGate(str(folder), 0.1)
    version = gate.version
    assert json.loads(json.dumps(gate.summary))["min_cosine"] == 0.1
    assert ClipGate(str(folder), 0.1).version == version
    assert ClipGate(str(folder), 0.2).version != version
    monkeypatch.setattr(clip_gate, "_wording", {"age": ("old", "young")}.get)
    assert ClipGate(str(folder), 0.1).version != version


def test_the_wording_is_the_attribute_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    editing = attribute("age").editing
    assert editing is not None
    photo = "a photo of "
    assert clip_gate._wording("age") == (photo + editing.positive, photo + editing.negative)
    monkeypatch.setattr(clip_gate, "attribute", lambda _: SimpleNamespace(editing=None))
    assert clip_gate._wording("age") is None


@pytest.mark.parametrize("name", ["openai/clip-vit-base-patch32", "/nowhere/clip"])
def test_without_the_model(name: str) -> None:
    image = flat(1, 2, 3)
    message = rf"gates\.clip\.model={name} cannot be loaded.*[Dd]ownload.*that folder"
    with pytest.raises(FaceGeomError, match=message):
        ClipGate(name).judge([candidate(image, image)])


def test_bad_argument() -> None:
    with pytest.raises(FaceGeomError, match="min_cosine must lie"):
        ClipGate(min_cosine=2)
