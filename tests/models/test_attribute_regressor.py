from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.models.attribute_regressor import AttributeRegressor, measure

RANGES = {"age": (18.0, 80.0), "pose": (-60.0, 60.0)}


def small() -> AttributeRegressor:
    torch.manual_seed(0)
    return AttributeRegressor(RANGES, arguments={"width": 0.25}, training={"seed": 0}).eval()


def crops(count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, 112, 112), dtype=torch.uint8, generator=generator)


def test_values_are_scaled_over_the_range() -> None:
    regressor = small()
    assert regressor.scale(torch.tensor([[18.0, 60.0], [49.0, 0.0]])).tolist() == [
        [-1.0, 1.0],
        [0.0, 0.0],
    ]
    scaled, values = regressor.scaled(crops()), regressor(crops())
    torch.testing.assert_close(regressor.scale(values), scaled)


def test_saved_and_loaded(tmp_path: Path) -> None:
    regressor = small()
    regressor.save(tmp_path / "kept")
    loaded = AttributeRegressor.load(tmp_path / "kept")
    assert loaded.ranges == RANGES
    assert loaded.training_facts == {"seed": 0}
    assert loaded.hash == regressor.hash
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    torch.testing.assert_close(loaded(crops()), regressor(crops()), atol=0.2, rtol=0.01)
    loaded.save(tmp_path / "again")  # what was rounded once is not rounded any more
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (
        tmp_path / "kept" / "model.safetensors"
    ).read_bytes()


def test_face_sets_and_tensors_measure_alike(tmp_path: Path) -> None:
    images = crops(5)
    for number, image in enumerate(images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / f"{number}.png")
    rows = [{"identity": "ada", "path": f"{number}.png"} for number in range(5)]
    faces = FaceSet.from_rows(rows, folder=tmp_path)
    regressor = small().train()
    measured = measure(regressor, faces, batch_size=2)
    assert regressor.training
    torch.testing.assert_close(measured, measure(regressor, images))
    assert measure(regressor, images[:0]).shape == (0, 2)


def test_damage_is_named(tmp_path: Path) -> None:
    small().save(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    for change, message in (
        ({"hash": "0" * 64}, "contradicts"),
        ({"ranges": {"age": [1, 1]}}, r"card\.json: Range of attribute 'age' is empty"),
        ({"ranges": {"age": [0, 1]}}, "does not fit"),
        ({"architecture": "none"}, "Unknown backbone"),
        ({"surplus": 1}, "is no card of an attribute regressor"),
    ):
        (tmp_path / "card.json").write_text(json.dumps({**card, **change}))
        with pytest.raises(FaceGeomError, match=message):
            AttributeRegressor.load(tmp_path)
    (tmp_path / "card.json").unlink()
    with pytest.raises(FaceGeomError, match=r"card\.json is missing.*experiment=regressor"):
        AttributeRegressor.load(tmp_path)


def test_bad_input_is_named() -> None:
    with pytest.raises(FaceGeomError, match="at least one attribute"):
        AttributeRegressor({})
    with pytest.raises(FaceGeomError, match=r"got \(1, 3, 64, 64\)"):
        small()(torch.from_numpy(np.zeros((1, 3, 64, 64), np.uint8)))
