"""Measures against fields whose answer is known by construction."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from torch import Generator, Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.controlled import (
    constant_field,
    fields_at_angles,
    flat_cloud,
    gaussian_cloud,
    leaking_field,
    mixed_field,
    opposed_field,
    random_energy_variance,
    random_field,
    ring,
    rotating_field,
    smooth_field,
    sphere_cloud,
)
from facegeom_lit.geometry.correlation import bin_centres, correlation_length
from facegeom_lit.geometry.interaction import interaction_matrix
from facegeom_lit.geometry.leakage import identity_leakage
from facegeom_lit.geometry.microscale import FieldGeometry, field_geometries
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.null import null_energy
from facegeom_lit.geometry.points import normalized

RULES = (
    Neighborhood("ball", radius=0.6),
    Neighborhood("ball", radius=1.0),
    Neighborhood("knn", k=10),
    Neighborhood("inverse_distance"),
)
EVERYBODY = Neighborhood("ball", radius=1e3)
CURVES, DIMENSION = 300, 16
both_distances = pytest.mark.parametrize("distance", ["cosine", "euclidean"])


def chance(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def clouds(curves: int = CURVES) -> dict[str, Tensor]:
    g = chance(7)
    return {
        "gaussian": gaussian_cloud(curves, DIMENSION, g),
        "sphere": sphere_cloud(curves, DIMENSION, g),
        "segment": flat_cloud(curves, DIMENSION, 1, g)[0],
        "square": flat_cloud(curves, DIMENSION, 2, g)[0],
        "ring": ring(curves, DIMENSION, g)[0],
    }


every_cloud = pytest.mark.parametrize("cloud", list(clouds(4)))


def measure(base: Tensor, field: Tensor, *rules: Neighborhood, **options) -> FieldGeometry:
    return field_geometries(base, {"field": field}, rules or RULES, **options)["field"]


def energies(geometry: FieldGeometry) -> Tensor:
    """Energies of the rules, in their order; NaN where undefined."""
    found = [energy.energy for energy in geometry.energies.values()]
    return torch.tensor([torch.nan if x is None else x for x in found], dtype=torch.float64)


def neighbors(base: Tensor, distance: str) -> list[Tensor]:
    """The weights of each point's neighbours, (C, C), written out densely for each of RULES."""
    x = normalized(base) if distance == "cosine" else base
    d = 1 - x @ x.T if distance == "cosine" else torch.cdist(x, x)
    others = ~torch.eye(len(d), dtype=torch.bool)
    mean = d[others].mean() * (1 + 1e-6)
    balls = [(d <= radius * mean).double() * others for radius in (0.6, 1.0)]
    d[~others] = torch.inf
    nearest = torch.zeros_like(d).scatter_(1, d.topk(10, largest=False).indices, 1.0)
    return [*balls, nearest, 1 / d]


def random_errors(base: Tensor, distance: str, dimension: int) -> Tensor:
    """Standard deviation of the energy of random directions for each of RULES."""
    variances = [random_energy_variance(w, dimension) for w in neighbors(base, distance)]
    return torch.tensor(variances, dtype=torch.float64).sqrt()


@both_distances
@every_cloud
def test_one_direction_costs_nothing(cloud, distance) -> None:
    field = constant_field(CURVES, DIMENSION, chance())
    stretched = (torch.rand(CURVES, 1, generator=chance(1)) + 0.1) * field
    found = measure(clouds()[cloud], stretched, distance=distance)
    assert energies(found).abs().max() < 1e-6
    assert found.order_parameter == pytest.approx(1)
    known = found.correlation[found.correlation_pairs > 0]
    assert torch.allclose(known, torch.ones_like(known), atol=1e-6)


@both_distances
@every_cloud
def test_mixing_one_direction_with_random_ones(cloud, distance) -> None:
    base = clouds()[cloud]
    angles = torch.linspace(0, math.pi / 2, 7).tolist()
    fields = {str(a): mixed_field(CURVES, DIMENSION, a, chance(2)) for a in angles}
    fields["random"] = random_field(CURVES, DIMENSION, chance(3))
    found = field_geometries(base, fields, RULES, distance=distance)
    errors = random_errors(base, distance, DIMENSION - 1)
    for angle in angles:
        square = math.sin(angle) ** 2
        gap = (energies(found[str(angle)]) - square).abs()
        assert (gap < 4 * square * errors + 1e-6).all()
        order = math.sqrt(1 - square + square / CURVES)
        assert found[str(angle)].order_parameter == pytest.approx(order, abs=0.1 * square + 1e-6)
    rising = torch.stack([energies(found[str(angle)]) for angle in angles])
    assert (rising.diff(dim=0) > 0).all()
    gap = (energies(found["random"]) - 1).abs()
    assert (gap < 4 * random_errors(base, distance, DIMENSION)).all()


@both_distances
def test_the_variance_of_the_energy_of_random_directions(distance) -> None:
    """Half of this square's points are packed into a corner: some have many neighbours."""
    base, draws = clouds(60)["square"], 400
    base[:30] = 0.1 * base[:30] + 0.9 * base[:1]
    g = chance(5)
    fields = {str(draw): random_field(60, DIMENSION, g) for draw in range(draws)}
    found = field_geometries(base, fields, RULES, distance=distance)
    sample = torch.stack([energies(geometry) for geometry in found.values()])
    errors = random_errors(base, distance, DIMENSION)
    assert ((sample.mean(dim=0) - 1).abs() < 4 * errors / math.sqrt(draws)).all()
    # The relative standard error of a variance is √(2 / draws) = 7 %.
    assert torch.allclose(sample.var(dim=0), errors.square(), rtol=0.3)
    everybody = 1 - torch.eye(60)
    known = 2 / (60 * 59 * DIMENSION)
    assert random_energy_variance(everybody, DIMENSION) == pytest.approx(known)


@both_distances
@pytest.mark.parametrize("winding", [1, 2, 7])
def test_a_field_that_winds_around_a_ring(winding, distance) -> None:
    base, angles = ring(CURVES, DIMENSION, chance())
    field = rotating_field(winding * angles, DIMENSION, chance(1))
    step = 2 * math.pi / CURVES

    def far(angle: float) -> float:
        return 1 - math.cos(angle) if distance == "cosine" else 2 * math.sin(angle / 2)

    def within(m: int) -> float:
        return 1 - sum(math.cos(winding * j * step) for j in range(1, m + 1)) / m

    sizes = (1, 5, 40)
    nearest = [Neighborhood("knn", k=2 * m) for m in sizes]
    balls = [Neighborhood("ball", radius=far((m + 0.5) * step)) for m in sizes]
    rules = (*nearest, *balls, Neighborhood("inverse_distance"))
    found = measure(base, field, *rules, distance=distance, mean_distance=1.0)
    others = [j * step for j in range(1, CURVES)]
    mean = sum(math.cos(winding * a) / far(a) for a in others) / sum(1 / far(a) for a in others)
    known = torch.tensor([*map(within, sizes), *map(within, sizes), 1 - mean])
    assert torch.allclose(energies(found), known.double(), atol=1e-6)
    assert found.order_parameter == pytest.approx(0, abs=1e-6)
    # In a small ball: the sinus cardinalis of winding number × radius.
    x = winding * 40.5 * step
    assert within(40) == pytest.approx(1 - math.sin(x) / x, abs=0.03)


def test_cosines_on_a_ring_are_chebyshev_polynomials_of_the_distance() -> None:
    base, angles = ring(600, 8, chance())
    for winding in (1, 2, 5):
        field = rotating_field(winding * angles, 8, chance(1))
        found = measure(base, field, EVERYBODY, mean_distance=1.0, bins=100)
        middle = 1 - bin_centres(100, 2.0)
        known = torch.as_tensor(special.eval_chebyt(winding, middle.numpy()))
        # The polynomial is not straight within a bin, least of all at both ends.
        assert torch.allclose(found.correlation[2:-2], known[2:-2], atol=0.05)


@pytest.mark.parametrize("rank", [1, 2])
def test_a_wave_on_a_segment_and_in_a_square(rank) -> None:
    """C(r) = cos(kr) and J₀(kr); the ball: sin(kR)/(kR) and 2 J₁(kR)/(kR) away from the rim."""
    base, place = flat_cloud(1000, DIMENSION, rank, chance())
    radius = 0.1
    small = Neighborhood("ball", radius=radius)
    options = {"distance": "euclidean", "mean_distance": 1.0, "bins": 30, "reach": 0.6}
    last = 0.0
    for wavelength in (2.0, 1.0, 0.5, 0.25):
        k = 2 * math.pi / wavelength
        field = rotating_field(k * place[:, 0], DIMENSION, chance(1))
        found = measure(base, field, small, **options)
        x = k * radius
        known = 1 - (math.sin(x) / x if rank == 1 else 2 * special.j1(x) / x)
        # 2 R of the segment, 4 R of the square are near the rim.
        assert float(energies(found)) == pytest.approx(known, rel=0.1)
        assert last < float(energies(found))
        last = float(energies(found))
        r = k * bin_centres(30, 0.6)
        curve = r.cos() if rank == 1 else torch.special.bessel_j0(r)
        # Not all directions reach equally far in a square: to half of its side.
        assert torch.allclose(found.correlation[:25], curve[:25], atol=0.05 if rank == 1 else 0.15)


def test_a_wave_in_a_gaussian_cloud() -> None:
    last = 0.0
    for k in (0.1, 0.3, 1.0, 3.0):
        sample = []
        for seed in range(8):
            base = gaussian_cloud(200, DIMENSION, chance(seed))
            field = rotating_field(k * base[:, 0], DIMENSION, chance(seed))
            sample.append(energies(measure(base, field, EVERYBODY, distance="euclidean")))
        drawn = torch.cat(sample)
        error = float(drawn.std()) / math.sqrt(len(drawn))
        assert abs(float(drawn.mean()) - (1 - math.exp(-k * k))) < 5 * error
        assert last < float(drawn.mean())
        last = float(drawn.mean())


def smooth_cosine(rho: Tensor, dimension: int) -> Tensor:
    """Mean of `u·u'` of two normal vectors whose components have the correlation `rho`."""
    log = special.gammaln((dimension + 1) / 2) - special.gammaln(dimension / 2)
    series = special.hyp2f1(0.5, 0.5, dimension / 2 + 1, rho.square().numpy())
    return rho * (2 / dimension) * math.exp(2 * log) * torch.as_tensor(series)


@pytest.mark.parametrize("dimension", [2, 3, 64])
def test_the_mean_cosine_of_correlated_normal_vectors(dimension) -> None:
    first, other = torch.randn(2, 20000, dimension, generator=chance(), dtype=torch.float64)
    for rho in (0.2, 0.9):
        second = rho * first + math.sqrt(1 - rho**2) * other
        found = torch.nn.functional.cosine_similarity(first, second)
        error = float(found.std()) / math.sqrt(len(found))
        known = smooth_cosine(torch.tensor(rho, dtype=torch.float64), dimension)
        assert abs(float(found.mean() - known)) < 4 * error


@both_distances
def test_a_smooth_field_has_the_energy_of_its_covariance(distance) -> None:
    base = sphere_cloud(CURVES, 3, chance())
    shares = [w / w.sum(dim=1, keepdim=True) for w in neighbors(base, distance)]
    means = []
    for length in (0.1, 0.3, 1.0):
        cosines = smooth_cosine((-torch.cdist(base, base).square() / (2 * length**2)).exp(), 3)
        known = torch.stack([1 - (share * cosines).sum() / CURVES for share in shares])
        fields = {str(s): smooth_field(base, length, 3, chance(s)) for s in range(16)}
        found = field_geometries(base, fields, RULES, distance=distance)
        sample = torch.stack([energies(geometry) for geometry in found.values()])
        assert ((sample.mean(dim=0) - known).abs() < sample.std(dim=0)).all()  # 4 / √16
        means.append(sample.mean(dim=0))
    assert (torch.stack(means).diff(dim=0) < 0).all(), "smoother is less"


@both_distances
@pytest.mark.parametrize("length", [0.2, 0.4])
def test_the_correlation_length_of_a_smooth_field(length, distance) -> None:
    """1/e at the Euclidean distance ℓ√2, and at the cosine distance ℓ²."""
    base = torch.nn.functional.pad(sphere_cloud(500, 3, chance()), (0, 509))
    field = smooth_field(base, length, 512, chance(1))
    expected = length**2 if distance == "cosine" else length * math.sqrt(2)
    reach = 3 * expected
    options = {"distance": distance, "mean_distance": 1.0, "bins": 60, "reach": reach}
    found = measure(base, field, EVERYBODY, **options)
    r = bin_centres(60, reach)
    known = (-r / length**2 if distance == "cosine" else -r.square() / (2 * length**2)).exp()
    assert torch.allclose(found.correlation, known, atol=0.05)
    # The first bin is not at 0, and the length is counted from its value.
    first = float(r[0]) if distance == "cosine" else 0.0
    assert correlation_length(found.correlation, reach) == pytest.approx(expected + first, rel=0.06)


@both_distances
@every_cloud
def test_two_opposed_domains(cloud, distance) -> None:
    base = clouds()[cloud]
    second = torch.arange(CURVES) >= CURVES // 2
    field = opposed_field(second, DIMENSION, chance())
    sizes = (1, 4, 20)
    near = [Neighborhood("knn", k=2 * m) for m in sizes]
    found = measure(base, field, EVERYBODY, *near, distance=distance)
    everybody, *nearest = energies(found).tolist()
    assert everybody == pytest.approx(CURVES / (CURVES - 1), abs=1e-6)
    assert found.order_parameter == pytest.approx(0, abs=1e-6)
    if cloud == "ring":
        assert nearest == pytest.approx([2 * (m + 1) / CURVES for m in sizes], abs=1e-6)
    alone = measure(base[second], field[second], distance=distance)
    assert energies(alone).abs().max() < 1e-6


@pytest.mark.parametrize("coherent", [False, True])
def test_the_angle_between_attributes_is_no_matter_of_their_energy(coherent) -> None:
    cosines = torch.tensor([[1, 0.5, -0.8], [0.5, 1, 0], [-0.8, 0, 1]], dtype=torch.float64)
    fields = fields_at_angles(cosines, CURVES, DIMENSION, chance(), coherent=coherent)
    assert torch.allclose(interaction_matrix(fields), 1 - cosines, atol=1e-9)
    for field in fields:
        found = measure(clouds()["gaussian"], field, EVERYBODY)
        assert float(energies(found)) == pytest.approx(0 if coherent else 1, abs=0.01)


@both_distances
@pytest.mark.parametrize("leakage", [0.0, 0.3, 1.0])
def test_leakage_without_alignment(leakage, distance) -> None:
    centre, other, *further = 5 * torch.eye(DIMENSION, dtype=torch.float64)
    other = 0.9 * centre + 0.1 * other
    field = leaking_field(other - centre, CURVES, leakage, chance())
    found = identity_leakage(field, centre, torch.stack([*further, other]), distance)
    assert found == pytest.approx(leakage, abs=1e-9)
    geometry = measure(clouds()["gaussian"], field, EVERYBODY)
    assert float(energies(geometry)) == pytest.approx(1, abs=0.02)


def test_the_null_knows_random_from_smooth() -> None:
    base = sphere_cloud(CURVES, 3, chance())
    options = {"neighborhood": "knn", "permutations": 20}
    scores = [
        null_energy(base, random_field(CURVES, 3, chance(1 + s)), **options).z for s in range(16)
    ]
    z = torch.tensor(scores)
    assert abs(float(z.mean())) < 4 / math.sqrt(16)
    assert 0.6 < float(z.std()) < 1.5
    smooth = null_energy(base, smooth_field(base, 0.5, 3, chance()), **options)
    assert smooth.z is not None
    assert smooth.z < -20


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 999),
    distance=st.sampled_from(["cosine", "euclidean"]),
    scale=st.floats(0.01, 100),
)
def test_what_changes_nothing(seed, distance, scale) -> None:
    """Points and directions may turn, each by itself; either may be mirrored, lengths do not
    count, nor does the unit of distance."""
    base = gaussian_cloud(80, 6, chance(seed))
    field = smooth_field(base, 1.5, 6, chance(seed + 1))
    turns = torch.linalg.qr(gaussian_cloud(12, 6, chance(seed + 2)).view(2, 6, 6)).Q
    lengths = torch.rand(80, 1, generator=chance(seed), dtype=torch.float64) + 0.5
    expected = energies(measure(base, field, distance=distance))
    for points, moved in (
        (scale * base @ turns[0], field),
        (base, lengths * field @ turns[1]),
        (-base, -field),
    ):
        found = energies(measure(points, moved, distance=distance))
        assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: flat_cloud(5, 2, 2, g), "3 directions .* 2 dimensions"),
        (lambda g: ring(5, 1, g), "2 directions .* 1 dimensions"),
        (lambda g: mixed_field(5, 1, 0.1, g), "at least 2 dimensions"),
        (lambda g: smooth_field(torch.rand(5, 2), 0.0, 2, g), "`length` must be > 0"),
        (lambda g: fields_at_angles(torch.ones(2, 2), 5, 4, g), "`cosines` must be positive"),
        (lambda g: fields_at_angles(2 * torch.eye(2), 5, 4, g), "ones on its diagonal"),
        (lambda g: fields_at_angles(torch.eye(3), 5, 2, g), "3 directions .* 2 dimensions"),
        (lambda g: leaking_field(torch.ones(3), 5, 1.5, g), "`leakage` must be from 0 to 1"),
    ],
)
def test_bad_input_is_named(call, message) -> None:
    with pytest.raises(FaceGeomError, match=message):
        call(chance())
