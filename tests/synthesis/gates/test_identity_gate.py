from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from synthesis.gates.candidates import candidate, flat

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.verification import pair_scores, tar_at_far
from facegeom_lit.models import FaceModel, ModelCard, save_face_model
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.gates.identity_gate import IdentityGate, threshold_at_far
from facegeom_lit.synthesis.maker import RendererMaker
from facegeom_lit.synthesis.recipe import Recipe

MODEL = resource("data") / "models" / "mobilefacenet"


class Colours(torch.nn.Module):
    """Embeds a picture as its mean colour."""

    def __init__(self, distance: str = "cosine") -> None:
        super().__init__()
        self.card = ModelCard("colours", "vit", 3, distance=distance)
        self.compare = FaceModel.compare.__get__(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean((2, 3))


def gate(threshold: float, distance: str = "cosine") -> IdentityGate:
    made = IdentityGate("unused", threshold=threshold)
    made.__dict__["model"] = Colours(distance)
    return made


def test_known_cosines() -> None:
    reference = flat(100, 0, 0)
    candidates = [
        candidate(flat(200, 0, 0), reference),
        candidate(flat(100, 100, 0), reference),  # cosine 0.7071
        candidate(flat(0, 100, 0), reference),
        candidate(flat(0, 100, 0), None),
    ]
    assert gate(0.70).judge(candidates) == ["", "", "identity", ""]
    assert gate(0.71).judge(candidates) == ["", "identity", "identity", ""]
    assert gate(-90.0, "euclidean").judge(candidates) == ["identity", "identity", "identity", ""]
    assert gate(-100.0, "euclidean").judge(candidates) == ["", "", "identity", ""]
    assert gate(0.5).judge([]) == []


def test_threshold_agrees_with_tar_at_far() -> None:
    g = torch.Generator().manual_seed(0)
    same = torch.rand(3000, generator=g) < 0.2
    scores = (torch.randn(3000, generator=g) + 2 * same).mul(20).round() / 20  # with ties
    for far in (0.3, 0.05, 0.01, 1.01 / int((~same).sum())):
        point = threshold_at_far(scores, same, far)
        impostor = scores[~same]
        assert float((impostor >= point.threshold).double().mean()) <= far
        assert point.tar == pytest.approx(tar_at_far(scores, same, [far])[far])
        # a threshold one distinct impostor score lower would admit too many
        below = impostor[impostor < point.threshold].max()
        assert float((impostor >= below).double().mean()) > far
    with pytest.raises(FaceGeomError, match=r"impostor pairs cannot tell.*larger FAR"):
        threshold_at_far(scores, same, 0.99 / int((~same).sum()))


def test_calibrated_on_faces(tmp_path: Path) -> None:
    recipe = Recipe("training", 6, first_identity=600000, images_per_identity=3, split="few")
    faces = prepare_face_set(recipe, RendererMaker(), tmp_path / "made", progress=False)
    folder = next((tmp_path / "made").glob("few-*"))
    made = IdentityGate(MODEL, far=0.02, faces=folder, cache=tmp_path)
    point = made.operating_point
    assert point is not None
    assert (point.genuine, point.impostor) == (18, 18 * 17 // 2 - 18)
    assert made.summary["threshold"] == made.threshold
    assert made.summary["calibration"] == faces.hash
    embeddings = made._embed(
        torch.stack([torch.from_numpy(faces.image(n)).permute(2, 0, 1) for n in range(18)])
    )
    scores, same = pair_scores(embeddings, faces.labels)
    accepted = scores >= made.threshold
    assert float(accepted[~same].double().mean()) <= 0.02
    assert float(accepted[same].double().mean()) == pytest.approx(point.tar)
    pair = [candidate(faces.image(1), faces.image(0)), candidate(faces.image(3), faces.image(0))]
    cosines = (embeddings[[1, 3]] * embeddings[0]).sum(1)
    expected = ["" if c >= made.threshold else "identity" for c in cosines]
    assert made.judge(pair) == expected
    assert expected[1] == "identity"
    with pytest.raises(FaceGeomError, match="is below 1/135"):
        _ = IdentityGate(MODEL, far=1e-3, faces=folder, cache=tmp_path).operating_point


def test_version_follows_what_decides(tmp_path: Path) -> None:
    torch.manual_seed(0)
    card = ModelCard("tiny", "mobilefacenet", 16, {"width": 0.25, "dimension": 16})
    save_face_model(FaceModel(build_backbone(card.architecture, **card.arguments), card), tmp_path)
    versions = [IdentityGate(tmp_path, threshold=t).version for t in (0.2, 0.2, 0.3)]
    assert versions[0] == versions[1] != versions[2]
    assert IdentityGate(MODEL, threshold=0.2).version != versions[0]


def test_bad_arguments() -> None:
    for far in (0.0, 1.0, math.nan):
        with pytest.raises(FaceGeomError, match="far must lie"):
            IdentityGate(MODEL, far=far)
