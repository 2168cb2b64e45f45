from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.energy import Energy, attribute_energies, attribute_energy
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.spread import mean_distance
from tests.reference import energy as reference

DISTANCES = ("cosine", "euclidean")
NEIGHBORHOODS = ("ball", "knn", "inverse_distance")


def cloud(curves: int, dimension: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Base points that vary in few directions, and a field that turns slowly over them."""
    g = torch.Generator().manual_seed(seed)
    latent = torch.randn(curves, 3, generator=g)
    base = latent @ torch.randn(3, dimension, generator=g) + 0.5
    base = base + 0.1 * torch.randn(curves, dimension, generator=g)
    field = latent @ torch.randn(3, dimension, generator=g)
    field = field + torch.randn(dimension, generator=g)
    return base, field + 0.5 * torch.randn(curves, dimension, generator=g)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("include_self", [False, True])
@pytest.mark.parametrize("radius", [0.2, 0.6, 1.0])
def test_agrees_with_the_slow_reference(distance, neighborhood, include_self, radius) -> None:
    base, field = cloud(60)
    options = {"distance": distance, "neighborhood": neighborhood, "include_self": include_self}
    options |= {"radius": radius, "k": 5}
    measured = attribute_energy(base, field, **options)
    expected, isolated = reference.energy(base.double().numpy(), field.double().numpy(), **options)
    assert measured.energy == pytest.approx(expected, abs=1e-5)
    assert measured.isolated == isolated
    assert measured.alignment == pytest.approx(1 - expected, abs=1e-5)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
def test_blocks_do_not_show(distance, neighborhood) -> None:
    """More curves than one block holds, against one dense computation in float64."""
    base, field = cloud(700)
    measured = attribute_energy(base, field, distance=distance, neighborhood=neighborhood)
    x = base.double()
    x = torch.nn.functional.normalize(x, dim=1) if distance == "cosine" else x
    d = 1 - x @ x.T if distance == "cosine" else torch.cdist(x, x)
    d.fill_diagonal_(torch.inf)
    if neighborhood == "ball":
        weights = (d <= 0.6 * d[~d.isinf()].mean()).double()
    elif neighborhood == "knn":
        weights = torch.zeros_like(d).scatter_(1, d.topk(10, largest=False).indices, 1.0)
    else:
        weights = 1 / d
    u = torch.nn.functional.normalize(field.double(), dim=1)
    rows = weights.sum(1) > 0
    expected = 1 - ((weights * (u @ u.T)).sum(1)[rows] / weights.sum(1)[rows]).mean()
    assert measured.energy == pytest.approx(float(expected), abs=1e-5)
    assert measured.isolated == int((~rows).sum())


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
def test_known_answers(distance, neighborhood) -> None:
    base, _ = cloud(400)
    g = torch.Generator().manual_seed(1)

    def measure(field: Tensor) -> float:
        energy = attribute_energy(base, field, distance=distance, neighborhood=neighborhood).energy
        assert energy is not None
        return energy

    lengths = torch.rand(400, 1, generator=g) + 0.1
    assert measure(lengths * torch.randn(16, generator=g)) == pytest.approx(0, abs=1e-6)
    assert measure(torch.randn(400, 16, generator=g)) == pytest.approx(1, abs=0.05)


def test_opposed_directions_cost_two() -> None:
    base = torch.tensor([[0.0, 1.0], [0.0, 1.1], [9.0, 0.0], [9.0, 0.1]])
    field = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    energy = attribute_energy(base, field, distance="euclidean", neighborhood="knn", k=1)
    assert energy == Energy(2.0, curves=4, dropped=0, isolated=0)
    assert energy.alignment == -1.0


def test_a_disordered_field_has_more_energy_than_an_ordered_one() -> None:
    base, field = cloud(200)
    noise = torch.randn(200, 16, generator=torch.Generator().manual_seed(2))
    noises = (0.0, 1.0, 4.0)
    energies = [attribute_energy(base, field + size * noise).energy for size in noises]
    assert energies == sorted(energies)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    distance=st.sampled_from(DISTANCES),
    neighborhood=st.sampled_from(NEIGHBORHOODS),
    include_self=st.booleans(),
    scale=st.floats(1e-2, 1e2),
)
def test_rotation_permutation_and_scale_change_nothing(
    seed, distance: Distance, neighborhood, include_self, scale
) -> None:
    base, field = cloud(40, seed=seed)
    base, field = base.double(), field.double()
    g = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(16, 16, generator=g, dtype=torch.float64)).Q
    order = torch.randperm(40, generator=g)
    stretch = torch.rand(40, 1, generator=g, dtype=torch.float64) + 0.5
    options = {
        "distance": distance,
        "neighborhood": neighborhood,
        "include_self": include_self,
        "k": 5,
    }
    measured = attribute_energy(base, field, **options)
    for moved in (
        attribute_energy(base @ rotation, field @ rotation, **options),
        attribute_energy(base[order], field[order], **options),
        attribute_energy(scale * base, scale * stretch * field, **options),
    ):
        assert moved.energy == pytest.approx(measured.energy, abs=1e-6)
        assert moved.isolated == measured.isolated
    if distance == "euclidean":
        moved = attribute_energy(base + 100, field, **options)
        assert moved.energy == pytest.approx(measured.energy, abs=1e-6)


def test_include_self_in_a_ball_is_the_number_of_the_published_scripts() -> None:
    """With the point itself among n + 1 neighbours, each mean shrinks by n / (n + 1)."""
    base, field = torch.eye(5), torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    alone = attribute_energy(base, field, radius=1.0)
    together = attribute_energy(base, field, radius=1.0, include_self=True)
    assert together.energy == pytest.approx(alone.energy * 4 / 5)


def test_a_point_at_the_radius_is_inside() -> None:
    # All distances equal their mean: rounding must not decide.
    for dimension in range(2, 40):
        g = torch.Generator().manual_seed(dimension)
        base = torch.linalg.qr(torch.randn(dimension, dimension, generator=g)).Q
        field = torch.ones(dimension, dimension)
        assert attribute_energy(base, field, radius=1.0).isolated == 0
    two = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    for distance in DISTANCES:
        assert attribute_energy(two, two, radius=1.0, distance=distance).isolated == 0


@pytest.mark.parametrize("distance", DISTANCES)
def test_duplicates(distance) -> None:
    base, field = cloud(30)
    base = torch.cat([base, 1.0 * base])
    field = torch.cat([field, -field])
    # No weight where d = 0: the opposed twin is not seen, and all others cancel.
    inverse = attribute_energy(base, field, distance=distance, neighborhood="inverse_distance")
    assert inverse.energy == pytest.approx(1.0, abs=1e-4)
    # The twin is the nearest point, and a point never stands in for itself.
    knn = attribute_energy(base, field, distance=distance, neighborhood="knn", k=1)
    assert knn.energy == pytest.approx(2.0, abs=1e-6)
    ball = attribute_energy(base, field, distance=distance, radius=1e-3)
    assert ball.energy == pytest.approx(2.0, abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_all_base_points_equal(distance) -> None:
    base = torch.randn(1, 8, generator=torch.Generator().manual_seed(0)).expand(5, 8)
    field = torch.ones(5, 8)
    assert attribute_energy(base, field, distance=distance).energy == pytest.approx(0, abs=1e-6)
    inverse = attribute_energy(base, field, distance=distance, neighborhood="inverse_distance")
    assert inverse == Energy(None, curves=5, dropped=0, isolated=5)
    assert inverse.alignment is None


def test_a_large_common_mean_costs_no_accuracy() -> None:
    base, field = cloud(60)
    shifted = base.double() + 1000
    options = {"distance": "euclidean", "neighborhood": "inverse_distance"}
    expected, _ = reference.energy(shifted.numpy(), field.double().numpy(), **options)
    assert attribute_energy(shifted, field, **options).energy == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("spread", [1e-1, 1e-3, 1e-5])
def test_tight_clusters_far_apart(distance, neighborhood, spread) -> None:
    """Distances that float32 products round away, among much larger ones."""
    base, field = cloud(60)
    centres = torch.randn(3, 16, generator=torch.Generator().manual_seed(5)).double()
    base = centres.repeat_interleave(20, dim=0) + spread * base.double()
    options = {"distance": distance, "neighborhood": neighborhood, "radius": 0.3, "k": 5}
    expected, isolated = reference.energy(base.numpy(), field.double().numpy(), **options)
    measured = attribute_energy(base, field, **options)
    assert measured.energy == pytest.approx(expected, abs=1e-5)
    assert measured.isolated == isolated


def test_short_displacements_are_dropped_and_counted() -> None:
    base, field = cloud(50)
    still = field.clone()
    still[:20] = 0
    still[20] *= 1e-9
    measured = attribute_energy(base, still, mean_distance=0.5)
    left = attribute_energy(base[21:], field[21:], mean_distance=0.5)
    assert measured == Energy(left.energy, curves=50, dropped=21, isolated=left.isolated)


def test_undefined_energies() -> None:
    base, field = cloud(10)
    assert attribute_energy(base[:0], field[:0]) == Energy(None, 0, 0, 0)
    assert attribute_energy(base[:1], field[:1]) == Energy(None, 1, 0, 0)
    assert attribute_energy(base, 0 * field) == Energy(None, 10, 10, 0)
    assert attribute_energy(torch.eye(10), field[:, :10], radius=0.5) == Energy(None, 10, 0, 10)
    # The first two are neighbours, the other eight have none.
    pair = torch.eye(10)
    pair[1, 0] = 3.0
    measured = attribute_energy(pair, torch.ones(10, 10), radius=0.5)
    assert measured.isolated == 8
    assert measured.energy == pytest.approx(0, abs=1e-6)


def test_fewer_others_than_k() -> None:
    base, field = cloud(4)
    few = attribute_energy(base, field, neighborhood="knn", k=10)
    assert few.energy == attribute_energy(base, field, neighborhood="knn", k=3).energy


@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
def test_shared_base_products_change_nothing(neighborhood) -> None:
    base, field = cloud(300)
    other = torch.roll(field, 1, dims=0)
    other[3] = 0  # other usable curves than the first: measured apart
    together = attribute_energies(base, {"a": field, "b": other}, neighborhood=neighborhood)
    for name, alone in (("a", field), ("b", other)):
        assert together[name] == attribute_energy(base, alone, neighborhood=neighborhood)
    assert list(together) == ["a", "b"]
    assert together["b"].dropped == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype) -> None:
    base, field = (x.to(dtype) for x in cloud(80))
    expected, _ = reference.energy(
        base.double().numpy(), field.double().numpy(), distance="cosine", neighborhood="ball"
    )
    measured = attribute_energy(base, field).energy
    assert measured == pytest.approx(expected, abs=1e-9 if dtype == torch.float64 else 1e-5)


def test_mixed_precision_around_it_does_not_round() -> None:
    base, field = cloud(80)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = attribute_energy(base, field)
    assert inside == attribute_energy(base, field)


def test_the_mean_distance_of_the_identity_sets_the_ball() -> None:
    base, field = cloud(50)
    own = mean_distance(base)
    assert attribute_energy(base, field, mean_distance=own) == attribute_energy(base, field)
    wider = attribute_energy(base, field, mean_distance=2 * own, radius=0.3)
    assert wider == attribute_energy(base, field)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance": "manhattan"}, "`distance` must be one of"),
        ({"neighborhood": "cube"}, "`neighborhood` must be one of"),
        ({"radius": 0.0}, "`radius`"),
        ({"radius": math.nan}, "`radius`"),
        ({"k": 0}, "`k`"),
        ({"mean_distance": math.nan}, "`mean_distance`"),
        ({"mean_distance": -1.0}, "`mean_distance`"),
        ({"field": torch.ones(5, 3)}, "same shape"),
        ({"field": torch.ones(5)}, "`field` must be"),
        ({"field": torch.tensor([[1.0, math.nan]] * 5)}, r"`field` .* 5 of 5 rows"),
        ({"base": torch.tensor([[1.0, math.inf]] + [[1.0, 1.0]] * 4)}, r"`base` .* 1 of 5 rows"),
        ({"base": torch.zeros(5, 2)}, r"`base` holds 5 of 5 rows of length zero"),
        ({"base": torch.ones(5, 2, dtype=torch.int64)}, "`base` must be"),
    ],
)
def test_bad_input_is_named(change, message) -> None:
    arguments = {"base": torch.rand(5, 2) + 0.1, "field": torch.rand(5, 2) + 0.1} | change
    with pytest.raises(FaceGeomError, match=message):
        attribute_energy(arguments.pop("base"), arguments.pop("field"), **arguments)
