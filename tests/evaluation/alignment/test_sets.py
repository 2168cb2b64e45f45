from __future__ import annotations

import pytest
import torch
from evaluation.alignment.made_models import FAST, made_set

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.sets import AlignmentSet, unmapped


def split(
    labels: torch.Tensor, people: tuple[str, ...], share: float = 0.5, seed: int = 0
) -> AlignmentSet:
    settings = FAST.judge
    return AlignmentSet("s", labels, people, fit_share=share, settings=settings, seed=seed)


def test_nobody_fits_and_judges_whatever_the_order_of_the_rows() -> None:
    labels, people = torch.arange(20).repeat(3), tuple(f"p{i}" for i in range(20))
    data = split(labels, people)
    assert len(data.fitting_people) == 10
    assert set(labels[data.fit].tolist()).isdisjoint(labels[data.judging.rows].tolist())
    assert len(data.fit) + len(data.judging.rows) == 60
    assert data.facts["probes"] == 20
    assert torch.equal(data.groups.unique(), torch.arange(10))
    turned = split(19 - labels, people[::-1])
    assert turned.fitting_people == data.fitting_people
    assert split(labels, people, seed=1).fitting_people != data.fitting_people
    assert len(split(labels, people, share=0.25).fitting_people) == 5


def test_a_person_of_two_sets_is_on_one_side_in_both() -> None:
    names = tuple(f"p{i}" for i in range(40))
    whole = split(torch.arange(40).repeat(2), names)
    half = split(torch.arange(20).repeat(2), names[:20])
    # Both are ordered by the same draw; only the border differs.
    assert len(half.shared_with(whole)) + len(whole.shared_with(half)) <= 4


def test_too_few_people_or_images_are_refused() -> None:
    names = tuple("abcdef")
    with pytest.raises(
        FaceGeomError, match="s has 3 people, too few: 2 would fit maps and 1 judge"
    ):
        split(torch.arange(3).repeat(4), names)
    with pytest.raises(FaceGeomError, match="the 3 people who judge have 3 images"):
        split(torch.arange(6), names)


def test_the_mean_is_of_fitting_people_alone() -> None:
    data = made_set(models=())
    points = torch.randn(96, 5, generator=torch.Generator().manual_seed(0)) + 9
    data.add("m", points, "euclidean", centre=True)
    assert torch.allclose(data.spaces["m"].points, points - points[data.fit].mean(0), atol=1e-5)
    data.add("c", points, "cosine")
    assert torch.allclose(data.spaces["c"].points.norm(dim=1), torch.ones(96))
    assert data.spaces["m"].hash != data.spaces["c"].hash
    points[3] = 0
    with pytest.raises(FaceGeomError, match="dead on made: 1 of 96 embeddings have length zero"):
        data.add("dead", points, "cosine")
    points[3, 0] = torch.nan
    with pytest.raises(FaceGeomError, match="broken on made"):
        data.add("broken", points, "cosine")


def test_unmapped_points_are_cut_or_filled_up() -> None:
    points = torch.tensor([[1.0, 2.0]])
    assert unmapped(points, 3).tolist() == [[1.0, 2.0, 0.0]]
    assert unmapped(points, 1).tolist() == [[1.0]]
