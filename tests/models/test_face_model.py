from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel, ModelCard, build_backbone, preprocess

ARGUMENTS = {"width": 0.25, "dimension": 32}
CARD = ModelCard("m", "mobilefacenet", 32, ARGUMENTS, mean=(10, 20, 30), std=(2, 4, 5))


def images(*size: int) -> torch.Tensor:
    return torch.randint(256, size, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_preprocess_normalises_uint8_and_float_alike() -> None:
    x = images(2, 3, 112, 112)
    out = preprocess(x, CARD)
    assert out.dtype == torch.float32
    assert torch.equal(out[:, 1], (x[:, 1].float() - 20) / 4)
    assert torch.equal(out, preprocess(x.double(), CARD))


def test_preprocess_swaps_channels_before_normalising() -> None:
    x = images(2, 3, 112, 112)
    out = preprocess(x, replace(CARD, color_order="BGR"))
    assert torch.equal(out[:, 0], (x[:, 2].float() - 10) / 2)


def test_preprocess_crops_the_centre_columns() -> None:
    x = images(1, 3, 112, 112)
    out = preprocess(x, replace(CARD, size=(112, 96), mean=(0, 0, 0), std=(1, 1, 1)))
    assert torch.equal(out, x[..., 8:104].float())


def test_preprocess_resizes() -> None:
    card = replace(CARD, size=(64, 64), fit="resize", mean=(0, 0, 0), std=(1, 1, 1))
    flat = torch.full((1, 3, 112, 112), 77.0)
    torch.testing.assert_close(preprocess(flat, card), torch.full((1, 3, 64, 64), 77.0))
    assert preprocess(images(1, 3, 80, 90), card).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("size", [(3, 112, 112), (1, 1, 112, 112), (1, 3, 100, 112)])
def test_preprocess_names_the_shape(size: tuple[int, ...]) -> None:
    with pytest.raises(FaceGeomError, match=r"got \("):
        preprocess(torch.zeros(size), CARD)


def test_card_must_agree_with_the_network() -> None:
    backbone = build_backbone("mobilefacenet", **ARGUMENTS)
    with pytest.raises(FaceGeomError, match=r"`dimension` is 64 on the card, 32 in"):
        FaceModel(backbone, replace(CARD, dimension=64))
    with pytest.raises(FaceGeomError, match=r"`size` is \(112, 96\) on the card, \(112, 112\)"):
        FaceModel(backbone, replace(CARD, size=(112, 96)))
    wide = build_backbone("mobilefacenet", window=[8, 8], **ARGUMENTS)
    with pytest.raises(FaceGeomError, match="'resize'"):
        FaceModel(wide, replace(CARD, size=(128, 128)))


def test_forward_compare_and_stages() -> None:
    model = FaceModel(build_backbone("mobilefacenet", **ARGUMENTS), CARD).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        embeddings = model(images(3, 3, 112, 112))
    assert embeddings.dtype == torch.float32
    assert embeddings.shape == (3, 32)
    torch.testing.assert_close(model.compare(embeddings).norm(dim=1), torch.ones(3))
    model.card = replace(CARD, distance="euclidean")
    assert model.compare(embeddings) is embeddings
    assert next(name for name, _ in model.stages()) == "stem"


def test_one_image_gives_the_same_embedding_alone_and_in_a_batch() -> None:
    model = FaceModel(build_backbone("mobilefacenet", **ARGUMENTS), CARD).eval()
    x = images(4, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(model(x)[2:3], model(x[2:3]), atol=1e-5, rtol=1e-4)
