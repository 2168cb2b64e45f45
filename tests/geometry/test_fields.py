from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.fields import central_field, field, response_size


def test_central_field() -> None:
    curves = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(0))
    base, moved = central_field(curves, "euclidean")
    assert torch.equal(base, curves[:, 1])
    assert torch.equal(moved, curves[:, 2] - curves[:, 0])
    base, moved = central_field(curves, "cosine")
    assert torch.allclose(base.norm(dim=1), torch.ones(5))
    longer = central_field(curves * torch.rand(5, 3, 1).add(0.5), "cosine")
    assert torch.allclose(longer[1], moved, atol=1e-6)


def test_half_precision_embeddings_give_a_float32_field() -> None:
    curves = torch.randn(5, 3, 8).half()
    assert central_field(curves)[1].dtype == torch.float32
    assert field(curves[:, 0], curves[:, 2]).dtype == torch.float32


def test_response_size() -> None:
    moved = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert response_size(moved, 2.0) == 1.5
    assert response_size(moved, 0.0) is None
    assert response_size(moved[:0], 1.0) is None


def test_bad_shapes() -> None:
    with pytest.raises(FaceGeomError, match=r"\(C, 3, D\)"):
        central_field(torch.ones(5, 2, 8))
    with pytest.raises(FaceGeomError, match="same shape"):
        field(torch.ones(5, 2), torch.ones(4, 2))
