from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import macroscale as reference

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.outliers import find_inliers
from facegeom_lit.geometry.points import Distance


def crowd(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    identity = torch.randint(30, (300,), generator=g) * 3
    centres = 2 * torch.randn(100, 16, generator=g)
    noise = torch.randn(300, 16, generator=g) * torch.rand(300, 1, generator=g)
    return centres[identity] + noise, identity


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize(("k", "fewest"), [(1, 2), (3, 8)])
def test_the_same_images_are_kept_as_one_person_at_a_time(
    distance: Distance, k: int, fewest: int
) -> None:
    embeddings, identity = crowd()
    found = find_inliers(embeddings, identity, distance=distance, k=k, fewest=fewest)
    expected = reference.inliers(
        embeddings.double().numpy(), identity.numpy(), distance, k=k, fewest=fewest
    )
    assert np.array_equal(found.mask.numpy(), expected)
    assert found.outliers + found.small + int(found.mask.sum()) == len(embeddings)
    assert found.people_kept == len(identity[found.mask].unique())
    assert found.people == len(identity.unique())


def test_a_planted_outlier_is_found() -> None:
    g = torch.Generator().manual_seed(0)
    embeddings = torch.randn(1, 16, generator=g) + 0.1 * torch.randn(20, 16, generator=g)
    embeddings[7] = -embeddings[7]
    found = find_inliers(embeddings, torch.zeros(20, dtype=torch.int64))
    assert found.mask.logical_not().nonzero().flatten().tolist() == [7]


def test_bad_arguments_are_named() -> None:
    embeddings, identity = crowd()
    with pytest.raises(FaceGeomError, match="`k` must be at least 1"):
        find_inliers(embeddings, identity, k=0)
    with pytest.raises(FaceGeomError, match="`identity` must name one"):
        find_inliers(embeddings, identity[1:])
