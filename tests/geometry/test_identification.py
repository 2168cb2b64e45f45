from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.identification import (
    first_image_gallery,
    match_ranks,
    rank_k,
)
from facegeom_lit.geometry.points import normalized


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_ranks_agree_with_a_loop(distance) -> None:
    g = torch.Generator().manual_seed(0)
    gallery_labels = torch.tensor([5, 5, 9, 2, 2, 2, 7])  # several images of some identities
    probe_labels = torch.tensor([2, 5, 5, 7, 9, 9, 2])
    gallery, probes = torch.randn(7, 4, generator=g), torch.randn(7, 4, generator=g)
    ranks = match_ranks(gallery, gallery_labels, probes, probe_labels, distance=distance)
    if distance == "cosine":
        scores = normalized(probes.double()) @ normalized(gallery.double()).T
    else:
        scores = -torch.cdist(probes.double(), gallery.double())
    for probe in range(7):
        best = {int(i): float(scores[probe][gallery_labels == i].max()) for i in gallery_labels}
        order = sorted(best, key=best.__getitem__, reverse=True)
        assert int(ranks[probe]) == order.index(int(probe_labels[probe])) + 1
    expected = {k: float((ranks <= k).double().mean()) for k in (1, 2)}
    found = rank_k(gallery, gallery_labels, probes, probe_labels, (1, 2), distance=distance)
    assert found == expected


def test_a_collapsed_model_identifies_nobody() -> None:
    labels = torch.arange(10)
    assert rank_k(torch.ones(10, 4), labels, torch.ones(10, 4), labels) == {1: 0.0, 5: 0.0}


def test_first_image_gallery() -> None:
    gallery, probes = first_image_gallery(torch.tensor([3, 1, 3, 1, 8]))
    assert gallery.tolist() == [0, 1, 4]
    assert probes.tolist() == [2, 3]


def test_bad_input_is_named() -> None:
    points, labels = torch.eye(4), torch.arange(4)
    with pytest.raises(FaceGeomError, match="1 of 4 probes"):
        rank_k(points, labels, points, torch.tensor([0, 1, 2, 9]))
    with pytest.raises(FaceGeomError, match="one dimension"):
        rank_k(points, labels, points[:, :3], labels)
    bad = points.clone()
    bad[0, 0] = torch.nan
    with pytest.raises(FaceGeomError, match="1 of 4 rows"):
        rank_k(points, labels, bad, labels)
