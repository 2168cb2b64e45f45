from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from sklearn.neighbors import NearestNeighbors

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry import microscale
from facegeom_lit.geometry.microscale import FieldGeometry, field_geometries
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.pairs.pair_keys import pair_keys
from facegeom_lit.geometry.spread import mean_distance
from tests.geometry.test_energy import DISTANCES, cloud
from tests.reference import energy as reference

RULES = (
    Neighborhood("ball", radius=0.4),
    Neighborhood("ball", radius=0.6),
    Neighborhood("ball", radius=0.8),
    Neighborhood("ball", radius=1.0),
    Neighborhood("ball", radius=0.6, include_self=True),
    Neighborhood("ball", radius=0.8, max_neighbors=5, seed=3),
    Neighborhood("ball", radius=0.8, max_neighbors=5, include_self=True),
    Neighborhood("knn", k=10),
    Neighborhood("knn", k=5),
    Neighborhood("knn", k=5, include_self=True),
    Neighborhood("inverse_distance"),
)


@pytest.fixture(params=["matrices", "blocks"])
def way(request, monkeypatch) -> str:
    """Both ways to the sums over pairs, each for a number of curves that would get the other."""
    monkeypatch.setattr(microscale, "DENSE", 10**6 if request.param == "matrices" else 1)
    return request.param


def same(one: FieldGeometry, other: FieldGeometry, tolerance: float) -> None:
    """The same but for rounding."""
    assert one.energies.keys() == other.energies.keys()
    for label, energy in one.energies.items():
        assert energy.energy == pytest.approx(other.energies[label].energy, abs=tolerance), label
        assert energy.isolated == other.energies[label].isolated, label
    assert one.order_parameter == pytest.approx(other.order_parameter, abs=tolerance)
    assert torch.equal(one.correlation_pairs, other.correlation_pairs)
    assert torch.allclose(
        one.correlation, other.correlation, rtol=0, atol=tolerance, equal_nan=True
    )
    assert (one.curves, one.dropped) == (other.curves, other.dropped)


@pytest.mark.parametrize("distance", DISTANCES)
def test_all_of_one_pass_agrees_with_the_slow_reference(way, distance) -> None:
    base, field = cloud(75)
    measured = field_geometries(base, {"a": field}, RULES, distance=distance, tile=32)["a"]
    x, v = base.double().numpy(), field.double().numpy()
    mean = reference.mean_distance(x, distance)
    assert list(measured.energies) == [rule.label for rule in RULES]
    every = torch.arange(75)
    for rule in RULES:
        keys = pair_keys(every, every, rule.seed).double().numpy() if rule.max_neighbors else None
        expected, isolated = reference.energy(
            x,
            v,
            distance=distance,
            neighborhood=rule.name,
            radius=rule.radius,
            k=rule.k,
            include_self=rule.include_self,
            keys=keys,
            max_neighbors=rule.max_neighbors or 0,
        )
        energy = measured.energies[rule.label]
        assert energy.energy == pytest.approx(expected, abs=1e-6), rule
        assert energy.isolated == isolated, rule
    values, pairs = reference.correlation(x, v, distance=distance, mean=mean, bins=20, reach=2.0)
    assert measured.correlation_pairs.tolist() == pairs.tolist()
    assert np.allclose(measured.correlation, values, rtol=0, atol=1e-6, equal_nan=True)
    assert measured.order_parameter == pytest.approx(reference.order_parameter(v), abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_blocks_do_not_show(monkeypatch, distance) -> None:
    base, field = cloud(301)
    fields = {"a": field, "b": torch.roll(field, 1, 0)}
    whole = field_geometries(base, fields, RULES, distance=distance)
    monkeypatch.setattr(microscale, "DENSE", 1)
    for tile in (1, 32, 100, 1000):
        parts = field_geometries(base, fields, RULES, distance=distance, tile=tile)
        for name in fields:
            same(parts[name], whole[name], 2e-7)


@pytest.mark.parametrize("distance", DISTANCES)
def test_agrees_with_scikit_learn_and_scipy(distance) -> None:
    """As many curves as are worked in blocks without being asked to."""
    count = 2 * microscale.DENSE + 7
    base, field = cloud(count, dimension=64)
    x, v = base.double().numpy(), field.double().numpy()
    u = v / np.linalg.norm(v, axis=1, keepdims=True)
    rules = [Neighborhood("ball", radius=0.7), Neighborhood("knn", k=10)]
    measured = field_geometries(base, {"a": field}, rules, distance=distance)["a"]
    apart = squareform(pdist(x, distance))
    mean = float(apart.sum() / (count * (count - 1)))
    search = NearestNeighbors(metric=distance).fit(x)
    near = search.radius_neighbors(radius=0.7 * mean, return_distance=False)
    ball = [float((u[n] @ u[c]).mean()) for c, n in enumerate(near) if len(n)]
    nearest = search.kneighbors(n_neighbors=10, return_distance=False)
    knn = np.einsum("cd,ckd->ck", u, u[nearest]).mean()
    assert measured.energies["ball_0.7"].energy == pytest.approx(1 - np.mean(ball), abs=1e-6)
    assert measured.energies["ball_0.7"].isolated == count - len(ball)
    assert measured.energies["knn_10"].energy == pytest.approx(1 - knn, abs=1e-6)
    upper = np.triu_indices(count, 1)
    places = apart[upper] / mean
    pairs, edges = np.histogram(places, bins=20, range=(0, 2))
    sums, _ = np.histogram(places, bins=edges, weights=(u @ u.T)[upper])
    # A pair within rounding of a border may stand on either side.
    assert np.abs(measured.correlation_pairs.numpy() - pairs).max() <= 2
    full = pairs > 100
    assert np.allclose(measured.correlation.numpy()[full], sums[full] / pairs[full], atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    distance=st.sampled_from(DISTANCES),
    blocks=st.booleans(),
    scale=st.floats(1e-2, 1e2),
)
def test_rotation_order_scale_and_place_change_nothing(seed, distance, blocks, scale) -> None:
    base, field = (x.double() for x in cloud(70, seed=seed))
    g = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(16, 16, generator=g, dtype=torch.float64)).Q
    order = torch.randperm(70, generator=g)
    stretch = torch.rand(70, 1, generator=g, dtype=torch.float64) + 0.5
    rules = [rule for rule in RULES if rule.max_neighbors is None]
    moved = [(base @ rotation, field @ rotation), (base[order], field[order])]
    moved.append((scale * base, scale * stretch * field))
    if distance == "euclidean":
        moved.append((base + 100, field))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(microscale, "DENSE", 1 if blocks else 10**6)
        measured, *others = (
            field_geometries(b, {"a": f}, rules, distance=distance, tile=32)["a"]
            for b, f in [(base, field), *moved]
        )
    for other in others:
        for label, energy in measured.energies.items():
            assert other.energies[label].energy == pytest.approx(energy.energy, abs=1e-6)
            assert other.energies[label].isolated == energy.isolated
        assert other.order_parameter == pytest.approx(measured.order_parameter, abs=1e-6)
        assert (other.correlation_pairs - measured.correlation_pairs).abs().max() <= 1


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("spread", [1e-1, 1e-3, 1e-5])
def test_tight_clusters_and_duplicates(monkeypatch, distance, spread) -> None:
    """Distances that float32 products round away, or that are equal at every rank."""
    base, field = cloud(90)
    centres = torch.randn(3, 16, generator=torch.Generator().manual_seed(5)).double()
    base = centres.repeat_interleave(30, dim=0) + spread * base.double()
    base[40:45] = base[39]
    rules = [Neighborhood(r.name, 0.3, 3, r.include_self) for r in RULES[3:5] + RULES[7:8]]
    rules.append(Neighborhood("inverse_distance"))
    whole = field_geometries(base, {"a": field}, rules, distance=distance)["a"]
    monkeypatch.setattr(microscale, "DENSE", 1)
    parts = field_geometries(base, {"a": field}, rules, distance=distance, tile=32)["a"]
    for label, energy in whole.energies.items():
        # Six points at one place: which of them are the three nearest is anybody's choice.
        free = 6 * 2 / 90 if label.startswith("knn") else 1e-5
        assert parts.energies[label].energy == pytest.approx(energy.energy, abs=free)
        assert parts.energies[label].isolated == energy.isolated


@pytest.mark.parametrize("distance", DISTANCES)
def test_all_base_points_equal(way, distance) -> None:
    base = torch.randn(1, 8, generator=torch.Generator().manual_seed(0)).expand(70, 8)
    measured = field_geometries(base, {"a": torch.ones(70, 8)}, RULES, distance=distance, tile=32)
    for label, energy in measured["a"].energies.items():
        if label == "inverse_distance":
            assert (energy.energy, energy.isolated) == (None, 70)
        else:
            assert energy.energy == pytest.approx(0, abs=1e-6)
    assert measured["a"].correlation_pairs.tolist() == [70 * 69 // 2] + [0] * 19
    assert measured["a"].correlation.isnan().sum() == 19


def test_all_base_points_zero(way) -> None:
    base = torch.zeros(70, 8)
    fields = {"a": torch.ones(70, 8)}
    measured = field_geometries(base, fields, RULES[:4], distance="euclidean", tile=32)["a"]
    assert all(energy.energy == pytest.approx(0, abs=1e-6) for energy in measured.energies.values())
    assert measured.correlation_pairs[0] == 70 * 69 // 2


def test_a_point_at_the_radius_is_inside(way) -> None:
    """All distances equal their mean: rounding decides neither who is near nor which bin."""
    base = torch.linalg.qr(torch.randn(80, 80, generator=torch.Generator().manual_seed(1))).Q
    measured = field_geometries(base, {"a": torch.ones(80, 80)}, RULES[:4], tile=32)["a"]
    isolated = [energy.isolated for energy in measured.energies.values()]
    assert isolated == [80, 80, 80, 0]
    assert measured.correlation_pairs[9] == 80 * 79 // 2


def test_more_neighbors_than_a_block_or_the_cloud_holds(way) -> None:
    base, field = cloud(70)
    rules = [Neighborhood("knn", k=k) for k in (40, 69, 70, 500)]
    energies = field_geometries(base, {"a": field}, rules, tile=32)["a"].energies
    assert energies["knn_69"].energy == energies["knn_500"].energy == energies["knn_70"].energy
    expected, _ = reference.energy(
        base.double().numpy(), field.double().numpy(), distance="cosine", neighborhood="knn", k=40
    )
    assert energies["knn_40"].energy == pytest.approx(expected, abs=1e-6)


def test_a_cap_is_a_random_choice(way) -> None:
    base, field = cloud(200)

    def energy(most: int | None, seed: int = 0) -> float:
        rule = Neighborhood(radius=0.8, max_neighbors=most, seed=seed)
        found = field_geometries(base, {"a": field}, [rule])["a"].energies[rule.label].energy
        assert found is not None
        return found

    assert energy(199) == pytest.approx(energy(None), abs=1e-6)
    draws = [energy(5, seed) for seed in range(20)]
    assert draws[0] == energy(5)
    assert len(set(draws)) == 20
    assert np.mean(draws) == pytest.approx(energy(None), abs=4 * np.std(draws) / 20**0.5)


def test_fields_that_can_use_different_curves(way) -> None:
    base, field = cloud(90)
    still = field.clone()
    still[:3] = 0
    fields = {"a": field, "still": still, "none": 0 * field, "b": torch.roll(field, 1, 0)}
    together = field_geometries(base, fields, RULES, mean_distance=0.4, tile=32)
    assert list(together) == list(fields)
    left = field_geometries(base[3:], {"a": field[3:]}, RULES[:4], mean_distance=0.4, tile=32)["a"]
    for label, energy in left.energies.items():
        assert together["still"].energies[label].energy == pytest.approx(energy.energy, abs=1e-6)
    assert together["still"].dropped == 3
    nothing = together["none"]
    assert (nothing.dropped, nothing.order_parameter) == (90, None)
    assert all(energy.energy is None for energy in nothing.energies.values())
    assert nothing.correlation.isnan().all()
    assert nothing.correlation_pairs.sum() == 0
    for name in ("a", "b"):
        alone = field_geometries(base, {name: fields[name]}, RULES, mean_distance=0.4, tile=32)
        same(alone[name], together[name], 1e-12)


def test_one_and_no_curve() -> None:
    base, field = cloud(10)
    one = field_geometries(base[:1], {"a": field[:1]}, RULES[:1])["a"]
    none = field_geometries(base[:0], {"a": field[:0]}, RULES[:1])["a"]
    assert (one.energies["ball_0.4"].energy, one.order_parameter, one.curves) == (None, 1.0, 1)
    assert (none.energies["ball_0.4"].energy, none.order_parameter, none.curves) == (None, None, 0)
    assert field_geometries(base, {}, RULES[:1]) == {}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_precisions(way, dtype) -> None:
    """The measures of these very numbers, however few digits they have."""
    base, field = (x.to(dtype) for x in cloud(80))
    rules = RULES[:4] + RULES[7:]
    measured = field_geometries(base, {"a": field}, rules, tile=32)["a"]
    wide = field_geometries(base.double(), {"a": field.double()}, rules, tile=32)["a"]
    same(measured, wide, 1e-6)


def test_mixed_precision_around_it_does_not_round(way) -> None:
    base, field = cloud(80)
    plain = field_geometries(base, {"a": field}, RULES, tile=32)["a"]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = field_geometries(base, {"a": field}, RULES, tile=32)["a"]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    same(inside, plain, 0.0)


def test_no_gradients_and_any_number_of_threads(way) -> None:
    base, field = cloud(200)
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            fields = {"a": field.clone().requires_grad_()}
            found.append(field_geometries(base.clone().requires_grad_(), fields, RULES, tile=32))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        same(other["a"], found[0]["a"], 1e-7)
        assert not other["a"].correlation.requires_grad


def test_the_correlation_of_a_constant_field_is_one_and_rounds_no_further() -> None:
    base, _ = cloud(1500)
    field = torch.ones(1500, 16) * 0.7
    measured = field_geometries(base, {"a": field}, RULES[:1])["a"]
    full = measured.correlation_pairs > 0
    assert torch.allclose(measured.correlation[full], torch.ones(1).double(), rtol=0, atol=1e-6)
    assert measured.order_parameter == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": []}, "`rules` must name"),
        ({"rules": [Neighborhood(), Neighborhood()]}, r"twice: ball_0.6, ball_0.6"),
        ({"bins": 0}, "`bins`"),
        ({"reach": 0.0}, "`reach`"),
        ({"reach": math.inf}, "`reach`"),
        ({"tile": 0}, "`tile`"),
        ({"mean_distance": -1.0}, "`mean_distance`"),
        ({"distance": "manhattan"}, "`distance` must be one of"),
    ],
)
def test_bad_arguments_are_named(change, message) -> None:
    arguments = {"rules": [Neighborhood()]} | change
    with pytest.raises(FaceGeomError, match=message):
        field_geometries(torch.rand(5, 2) + 0.1, {"a": torch.ones(5, 2)}, **arguments)


def test_labels_and_ranges_of_a_neighborhood() -> None:
    assert [rule.label for rule in RULES[4:8]] == [
        "ball_0.6_self",
        "ball_0.8_max_5",
        "ball_0.8_max_5_self",
        "knn_10",
    ]
    for bad in ({"max_neighbors": 0}, {"name": "knn", "max_neighbors": 3}):
        with pytest.raises(FaceGeomError, match="max_neighbors"):
            Neighborhood(**bad)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("distance", DISTANCES)
def test_a_gpu_gives_the_same(distance) -> None:
    base, field = cloud(1500, dimension=128)
    whole = field_geometries(base, {"a": field}, RULES, distance=distance)["a"]
    torch.set_float32_matmul_precision("high")  # must not matter
    try:
        for tile in (512, None):
            fields = {"a": field.cuda()}
            found = field_geometries(base.cuda(), fields, RULES, distance=distance, tile=tile)["a"]
            for label, energy in whole.energies.items():
                assert found.energies[label].energy == pytest.approx(energy.energy, abs=1e-5)
                assert found.energies[label].isolated == energy.isolated
            assert (found.correlation_pairs - whole.correlation_pairs).abs().max() <= 4
            assert mean_distance(base.cuda(), distance) == pytest.approx(
                mean_distance(base, distance), rel=1e-9
            )
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(("distance", "scale"), [("cosine", 1e15), ("euclidean", 1e17)])
def test_long_embeddings_lose_no_curve(way, distance, scale) -> None:
    base, field = cloud(60)
    stretch = scale if distance == "euclidean" else 1.0  # a field of normalised embeddings
    found, expected = (
        field_geometries(b, {"a": f}, [Neighborhood("knn", k=4)], distance=distance)["a"]
        for b, f in [(scale * base, stretch * field), (base, field)]
    )
    assert found.dropped == expected.dropped == 0
    energy = expected.energies["knn_4"].energy
    assert found.energies["knn_4"].energy == pytest.approx(energy, abs=1e-5)
