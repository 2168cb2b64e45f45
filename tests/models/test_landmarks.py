from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.alignment_check import check_alignment
from facegeom_lit.models.landmarks import FivePointRegressor
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.renderer import FaceRenderer


@pytest.fixture
def faces() -> tuple[torch.Tensor, torch.Tensor]:
    """Rendered people whom the embedded network has not seen, and where their points are."""
    renderer = FaceRenderer()
    people = renderer.identity(range(40))
    poses = {"pose": torch.linspace(-20, 20, 40)}
    return renderer(people, poses, range(40)), renderer.landmarks(people, poses)


@pytest.fixture(scope="module")
def embedded() -> FivePointRegressor:
    return FivePointRegressor.load(resource("data") / "models" / "five_points")


def test_points_of_unseen_faces_are_found(
    embedded: FivePointRegressor, faces: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, known = faces
    with torch.inference_mode():
        found = embedded(images)
    assert (found - known).norm(dim=-1).mean() < 3
    assert check_alignment(found.double().numpy(), (112, 112)).verdict == "aligned"


def test_what_is_no_face_is_not_located(embedded: FivePointRegressor) -> None:
    noise = torch.randint(0, 256, (30, 3, 112, 112), dtype=torch.uint8)
    assert embedded.locate(noise).isnan().all((1, 2)).float().mean() > 0.5


def test_colour_order_and_brightness_make_no_difference(
    embedded: FivePointRegressor, faces: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images = faces[0][:8]
    with torch.inference_mode():
        found = embedded(images)
        assert torch.allclose(embedded(images.flip(1)), found, atol=1e-3)
        assert torch.allclose(embedded(images.float() * 0.8 + 20), found, atol=0.5)


def test_the_size_of_the_crop_makes_little_difference(
    embedded: FivePointRegressor, faces: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images = faces[0][:8].float()
    large = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    with torch.inference_mode():
        difference = (embedded(large) + 0.5) / 2 - 0.5 - embedded(images)
    assert difference.abs().max() < 1.5


def test_it_reads_back_what_it_wrote(tmp_path: Path) -> None:
    torch.manual_seed(0)
    regressor = FivePointRegressor(4, {"seed": 0})
    regressor.save(tmp_path)
    again = FivePointRegressor.load(tmp_path)
    images = torch.randint(0, 256, (2, 3, 112, 112), dtype=torch.uint8)
    assert not again.training
    assert again.hash == regressor.hash
    assert again.training_facts == {"seed": 0}
    assert torch.allclose(again(images), regressor.eval()(images), atol=0.3)  # float16


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="is missing"):
        FivePointRegressor.load(tmp_path)
    FivePointRegressor(4).save(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    for changed, match in (
        ({"hash": "0" * 64}, "contradicts"),
        ({"width": 5}, "five points, width 5"),
        ({"width": "wide"}, "no sensible number"),
        ({"extra": 1}, "is no card"),
    ):
        (tmp_path / "card.json").write_text(json.dumps({**card, **changed}))
        with pytest.raises(FaceGeomError, match=match):
            FivePointRegressor.load(tmp_path)
    with pytest.raises(FaceGeomError, match="square RGB crops"):
        FivePointRegressor(4)(torch.zeros(1, 3, 112, 96))


def test_misaligned_real_faces_are_measured(embedded: FivePointRegressor, real_data: Path) -> None:
    from facegeom_lit.faces.codec import decode
    from facegeom_lit.faces.crop import align

    table = np.load(real_data / "embeddings" / "att.npz")
    rows = range(0, 400, 10)
    crops = []
    for row in rows:
        photo = (real_data / "faces" / "att" / table["image"][row]).read_bytes()
        crops.append(align(decode(photo, "photo"), table["landmarks"][row], border="replicate"))
    images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    right = embedded.locate(images).double().numpy()
    left = embedded.locate(images.roll(-8, 3)).double().numpy()
    lying = embedded.locate(images.rot90(1, (2, 3))).double().numpy()
    assert check_alignment(right, (112, 112)).verdict == "aligned"
    check = check_alignment(left, (112, 112))
    assert check.verdict == "not aligned"
    assert check.offset[0] == pytest.approx(-8, abs=2.5)
    assert check_alignment(lying, (112, 112)).verdict == "cannot tell"
