from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.shape.spanning_tree import spanning_tree_edges
from facegeom_lit.geometry.shape.topology import persistence_diagrams

LIBRARY = "needs GUDHI: pip install 'facegeom-lit[topology]'"


def circle(count: int, width: int = 128) -> Tensor:
    """Equally spaced points of the unit circle in a random plane of R^width."""
    turns = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    generator = torch.Generator().manual_seed(0)
    plane = torch.linalg.qr(torch.randn(width, 2, generator=generator, dtype=torch.float64)).Q
    return torch.stack([turns.cos(), turns.sin()], dim=1) @ plane.T


@pytest.mark.parametrize("count", [1, 2, 50, 300])
def test_the_tree_is_scipy_s(count: int) -> None:
    points = np.random.default_rng(count).standard_normal((count, 7))
    tree = minimum_spanning_tree(squareform(pdist(points))).data
    np.testing.assert_allclose(spanning_tree_edges(points), np.sort(tree) ** 2, atol=1e-12)


def test_equal_points_are_joined_at_zero() -> None:
    points = np.array([[0.0, 1.0], [0.0, 1.0], [3.0, 5.0], [0.0, 1.0]])
    np.testing.assert_allclose(spanning_tree_edges(points), [0.0, 0.0, 25.0], atol=1e-12)


def test_components_die_along_the_tree_in_the_model_s_distance() -> None:
    points = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    (euclidean,) = persistence_diagrams(points, distance="euclidean", homology=0)
    assert euclidean.tolist()[1:] == [[0.0, pytest.approx(math.sqrt(10))], [0.0, math.inf]]
    (cosine,) = persistence_diagrams(points, homology=0)
    assert cosine[:, 1].tolist() == [pytest.approx(0.0), pytest.approx(1.0), math.inf]


@pytest.mark.parametrize(
    ("distance", "birth", "death"),
    [
        ("euclidean", 2 * math.sin(math.pi / 60), math.sqrt(3)),
        ("cosine", 1 - math.cos(2 * math.pi / 60), 1.5),
    ],
)
def test_a_circle_is_one_loop_that_lives_long(distance, birth: float, death: float) -> None:
    pytest.importorskip("gudhi", reason=LIBRARY)
    components, loops = persistence_diagrams(circle(60), distance=distance)
    assert len(components) == 60
    assert loops.tolist() == [[pytest.approx(birth, rel=1e-5), pytest.approx(death, rel=1e-5)]]


def test_a_sphere_is_one_void_and_has_no_loop_that_lives_as_long() -> None:
    pytest.importorskip("gudhi", reason=LIBRARY)
    points = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    _, loops, voids = persistence_diagrams(points, homology=2)
    assert (voids[:, 1] - voids[:, 0]).max() > 0.3
    assert (loops[:, 1] - loops[:, 0]).max() < 0.3


def test_noise_has_many_loops_and_deaths_are_sorted() -> None:
    pytest.importorskip("gudhi", reason=LIBRARY)
    points = torch.randn(120, 8, generator=torch.Generator().manual_seed(0))
    components, loops = persistence_diagrams(points, most=100)
    assert len(components) == 120
    assert len(loops) > 30
    assert (loops[:, 1] > loops[:, 0]).all()
    assert (loops[:, 1].diff() >= 0).all()


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gudhi", "gudhi.sklearn", "gudhi.sklearn.rips_persistence"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(FaceGeomError, match=r"pip install 'facegeom-lit\[topology\]'"):
        persistence_diagrams(circle(9))
    assert len(persistence_diagrams(circle(9), homology=0)) == 1


@pytest.mark.parametrize(
    ("points", "homology", "words"),
    [
        (torch.ones(1, 4), 1, "at least 2 points"),
        (torch.ones(5, 4), 3, "`homology` must be 0 to 2"),
        (torch.full((5, 4), torch.nan), 0, "NaN"),
        (torch.zeros(5, 4), 0, "no cosine"),
    ],
)
def test_bad_clouds_are_refused(points: Tensor, homology: int, words: str) -> None:
    with pytest.raises(FaceGeomError, match=words):
        persistence_diagrams(points, homology=homology)
