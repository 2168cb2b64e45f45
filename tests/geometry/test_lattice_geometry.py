from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.folder import read_csv
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.geometry.fields import central_field
from facegeom_lit.geometry.lattice_geometry import LatticeGeometry, lattice_geometry
from facegeom_lit.geometry.leakage import chance_leakage
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.null import null_energies, null_energy
from facegeom_lit.geometry.spread import mean_distance, sampled_mean_distance
from facegeom_lit.models import load_face_model
from tests.geometry.test_energy import DISTANCES
from tests.geometry.test_lattice_people import ATTRIBUTES, lattice
from tests.reference import energy as reference_energy
from tests.reference import lattice as reference

RULES = (
    Neighborhood("ball", radius=0.9),
    Neighborhood("knn", k=3),
    Neighborhood("inverse_distance"),
)
SCALARS = (
    "response",
    "response_raw",
    "order_parameter",
    "correlation_length",
    "null_mean",
    "null_z",
    "leakage",
)


def check(measured: LatticeGeometry, expected: LatticeGeometry, tolerance: float = 1e-5) -> None:
    """Every number of two geometries is the same."""
    assert measured.attributes == expected.attributes
    assert torch.allclose(
        measured.interaction, expected.interaction, atol=tolerance, equal_nan=True
    )
    for attribute in expected.attributes:
        now, then = measured.by_attribute[attribute], expected.by_attribute[attribute]
        pairs = [(now.energy[rule], then.energy[rule]) for rule in expected.rules]
        pairs += [(getattr(now, name), getattr(then, name)) for name in SCALARS]
        pairs += [(now.correlation, then.correlation)]
        for left, right in pairs:
            assert torch.allclose(left, right, rtol=tolerance, atol=tolerance, equal_nan=True)
        assert torch.equal(now.correlation_pairs, then.correlation_pairs)


@pytest.mark.parametrize("distance", DISTANCES)
def test_every_number_agrees_with_its_sentence(distance) -> None:
    embeddings, curves, identity = lattice(3, 12)
    measured = lattice_geometry(
        embeddings, curves, identity, rules=RULES, distance=distance, bins=6, null_permutations=7
    )
    placed = embeddings.double().numpy()
    placed = reference.unit(placed) if distance == "cosine" else placed
    images = placed.reshape(3, 60, -1)  # all steps of all attributes
    centres = images.mean(axis=1)
    assert measured.images.tolist() == [60, 60, 60]
    for person in range(3):
        mean = reference_energy.mean_distance(images[person], distance)
        assert float(measured.mean_distance[person]) == pytest.approx(mean, abs=1e-6)
        fields = {}
        for attribute in ATTRIBUTES:
            found = measured.by_attribute[attribute]
            rows = curves[attribute][identity[attribute] == person]
            steps = placed[rows.numpy()]
            base, field = steps[:, 1], steps[:, 2] - steps[:, 0]
            fields[attribute] = field
            for rule in RULES:
                energy, isolated = reference_energy.energy(
                    base,
                    field,
                    distance=distance,
                    neighborhood=rule.name,
                    radius=rule.radius,
                    k=rule.k,
                    mean=mean,
                )
                assert float(found.energy[rule.label][person]) == pytest.approx(energy, abs=1e-6)
                assert int(found.isolated[rule.label][person]) == isolated
            values, pairs = reference.correlation(base, field, distance, mean, 6, 2.0)
            np.testing.assert_allclose(found.correlation[person], values, atol=1e-6)
            assert found.correlation_pairs[person].tolist() == pairs
            size = np.linalg.norm(field, axis=1).mean()
            expected = {
                "response": size / reference.spread(images[person]),
                "response_raw": size,
                "order_parameter": reference.order(field),
                "correlation_length": reference.correlation_length(values, 2.0),
                "leakage": reference.leakage(field, centres, person, distance),
            }
            null = null_energy(
                *central_field(embeddings[rows], distance),
                7,
                distance=distance,
                radius=0.9,
                mean_distance=mean,
            )
            expected |= {"null_mean": null.mean, "null_z": null.z}
            for name, value in expected.items():
                number = float(getattr(found, name)[person])
                assert number == pytest.approx(
                    math.nan if value is None else value, rel=1e-4, abs=1e-5, nan_ok=True
                ), name
        expected_interaction = reference.interaction(*fields.values())
        assert float(measured.interaction[person, 0, 1]) == pytest.approx(
            expected_interaction, abs=1e-6
        )


def known(directions: dict[str, Tensor], nodes: int = 10, step: float = 0.3) -> tuple:
    """Two people whose attributes move along given directions: (D,) or one a node (nodes, D)."""
    g = torch.Generator().manual_seed(0)
    dimension = next(iter(directions.values())).shape[-1]
    middle = torch.randn(2 * nodes, dimension, generator=g, dtype=torch.float64)
    middle[nodes:] += 20 * torch.eye(dimension, dtype=torch.float64)[0]
    images, curves = [middle], {}
    rows = torch.arange(2 * nodes)
    for i, (name, direction) in enumerate(directions.items()):
        moved = step * direction.expand(2 * nodes, -1)
        images += [middle - moved, middle + moved]
        curves[name] = torch.stack(
            [rows + (1 + 2 * i) * len(rows), rows, rows + (2 + 2 * i) * len(rows)], dim=1
        )
    owners = torch.arange(2).repeat_interleave(nodes)
    return torch.cat(images), curves, dict.fromkeys(curves, owners)


def test_constant_fields_have_known_answers() -> None:
    axes = torch.eye(6, dtype=torch.float64)
    given_lattice = known({"toward": axes[0], "across": axes[1], "back": -2 * axes[0]})
    measured = lattice_geometry(*given_lattice, rules=RULES, distance="euclidean")
    for name in ("toward", "across", "back"):
        for rule in measured.rules:
            assert measured.mean("energy", name, rule) == pytest.approx(0, abs=1e-9)
        assert measured.mean("order_parameter", name) == pytest.approx(1)
        assert measured.mean("correlation_length", name) is None  # it never falls
        assert measured.mean("null_mean", name) == pytest.approx(0, abs=1e-9)
    # The people are 20 apart along the first axis, and about 1 along the others.
    assert measured.mean("leakage", "toward") > 0.99
    assert measured.mean("leakage", "across") < 0.1
    expected = torch.tensor([[0, 1, 2], [1, 0, 1], [2, 1, 0]], dtype=torch.float64)
    assert torch.allclose(measured.mean_interaction(), expected)
    assert measured.mean("response_raw", "back") == pytest.approx(4 * 0.3)
    assert measured.chance_leakage == chance_leakage(6)


def test_random_fields_are_at_chance() -> None:
    g = torch.Generator().manual_seed(1)
    noise = torch.randn(2 * 80, 64, generator=g, dtype=torch.float64)
    measured = lattice_geometry(
        *known({"noise": noise}, nodes=80, step=0.02), rules=RULES, distance="euclidean"
    )
    for rule in measured.rules:
        assert measured.mean("energy", "noise", rule) == pytest.approx(1, abs=0.05)
    assert abs(measured.mean("null_z", "noise")) < 3
    assert measured.mean("leakage", "noise") == pytest.approx(chance_leakage(64), rel=0.2)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10), distance=st.sampled_from(DISTANCES))
def test_rotation_scale_and_order_change_nothing(seed: int, scale: float, distance) -> None:
    embeddings, curves, identity = lattice(2, 8)
    embeddings = embeddings.double()
    choices = {"rules": RULES, "distance": distance, "bins": 5, "null_permutations": 3}
    expected = lattice_geometry(embeddings, curves, identity, **choices)
    g = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(16, 16, generator=g, dtype=torch.float64)).Q
    where = torch.randperm(len(embeddings), generator=g)
    moved = torch.empty_like(embeddings)
    moved[where] = scale * embeddings @ rotation
    mixed = {name: torch.randperm(len(rows), generator=g) for name, rows in curves.items()}
    measured = lattice_geometry(
        moved,
        {name: where[rows[mixed[name]]] for name, rows in curves.items()},
        {name: owners[mixed[name]] for name, owners in identity.items()},
        **choices,
    )
    for found, factor in ((measured, scale if distance == "euclidean" else 1.0), (expected, 1.0)):
        for entry in found.by_attribute.values():
            entry.response_raw.div_(factor)  # the one measure with a length's unit
            # Permutations follow the rows of the nodes, which are others now.
            entry.null_mean.zero_()
            entry.null_z.zero_()
    check(measured, expected)


def test_what_an_identity_lacks_is_nan_and_counted() -> None:
    embeddings, curves, identity = lattice(3, 6)
    curves = curves | {"age": curves["age"][5:13]}  # one curve, six, and one
    identity = identity | {"age": identity["age"][5:13]}
    curves["pose"], identity["pose"] = curves["pose"][6:], identity["pose"][6:]
    measured = lattice_geometry(embeddings, curves, identity, rules=[Neighborhood("knn")])
    assert measured.by_attribute["age"].curves.tolist() == [1, 6, 1]
    assert measured.values("energy", "age").isnan().tolist() == [True, False, True]
    assert not measured.values("response", "age").isnan().any()
    for name in ("energy", *SCALARS):
        assert bool(measured.values(name, "pose").isnan()[0]), name
    assert measured.interaction_nodes[:, 0, 1].tolist() == [0, 6, 1]
    assert measured.interaction[:, 0, 1].isnan().tolist() == [True, False, False]
    # One that a lattice has but alone, or none: nobody else to leak to.
    alone = lattice_geometry(embeddings, {"age": curves["age"][1:7]}, {"age": torch.ones(6)})
    assert bool(alone.values("leakage", "age").isnan())


def test_curves_meet_at_their_middle_image_in_any_order() -> None:
    embeddings, curves, identity = lattice(3, 6)
    expected = lattice_geometry(embeddings, curves, identity, null_permutations=0)
    g = torch.Generator().manual_seed(0)
    mixed = torch.randperm(18, generator=g)
    curves["age"], identity["age"] = curves["age"][mixed], identity["age"][mixed]
    check(lattice_geometry(embeddings, curves, identity, null_permutations=0), expected)
    # Without one curve, the two attributes no longer stand at the same nodes.
    curves["age"], identity["age"] = curves["age"][1:], identity["age"][1:]
    fewer = lattice_geometry(embeddings, curves, identity, null_permutations=0)
    assert int(fewer.interaction_nodes[:, 0, 1].sum()) == 17
    other = torch.arange(3) != int(mixed[0]) // 6
    assert torch.allclose(fewer.interaction[other], expected.interaction[other])


def test_the_mean_distance_may_be_sampled() -> None:
    embeddings, curves, identity = lattice(2, 12)
    measured = lattice_geometry(embeddings, curves, identity, mean_distance="sampled", seed=3)
    placed = torch.nn.functional.normalize(embeddings[:60], dim=1)
    assert float(measured.mean_distance[0]) == sampled_mean_distance(placed, seed=3)
    assert float(measured.mean_distance[0]) == pytest.approx(mean_distance(placed), rel=0.05)


def test_bad_choices_are_named() -> None:
    given_lattice = lattice(2, 4)
    with pytest.raises(FaceGeomError, match="mean_distance"):
        lattice_geometry(*given_lattice, mean_distance="guessed")
    for rules in ((), (Neighborhood(), Neighborhood())):
        with pytest.raises(FaceGeomError, match="rules"):
            lattice_geometry(*given_lattice, rules=rules)
    nothing = {"age": torch.zeros((0, 3), dtype=torch.int64)}
    with pytest.raises(FaceGeomError, match="at least one curve"):
        lattice_geometry(given_lattice[0], nothing, {"age": torch.zeros(0, dtype=torch.int64)})


@pytest.mark.slow
def test_thousands_of_curves_an_identity_are_one_call() -> None:
    embeddings, curves, identity = lattice(1, 3000, 64)
    start = time.perf_counter()
    measured = lattice_geometry(embeddings, curves, identity, rules=RULES, null_permutations=2)
    assert time.perf_counter() - start < 20  # about two on an idle core
    assert int(measured.by_attribute["age"].correlation_pairs.sum()) > 4e6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights", "energy", "published"),
    [
        ("mobilefacenet_prelu_casia/068.ckpt", 0.8746, 0.869),
        ("mobilefacenet_relu_ms1m/mobilefacenet.pt", 0.8187, 0.838),
    ],
)
def test_illumination_of_real_faces(
    real_data: Path, weights: str, energy: float, published: float
) -> None:
    """Every eighth person of Extended Yale B; all 38 give 0.8694 ± 0.0076 and 0.8381 ± 0.0096."""
    root = real_data / "faces" / "yale_b"
    columns = {"illumination": "light_azimuth_deg", "elevation": "light_elevation_deg"}
    faces = read_csv(root / "crops112", root / "labels.csv", columns)
    light = Lattice.from_values(faces, "illumination", fixed=("elevation",), max_span=60)
    owners = light.identity["illumination"]
    people = sorted(set(owners))[::8]
    curves = light.curves["illumination"][[owner in people for owner in owners]]
    identity = torch.tensor([people.index(owner) for owner in owners if owner in people])
    rows, places = curves.unique(return_inverse=True)
    names = faces.table["path"].to_pylist()
    images = [np.asarray(Image.open(root / "crops112" / names[r]).convert("RGB")) for r in rows]
    batches = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().split(100)
    model = load_face_model(real_data / "weights" / weights)
    with torch.inference_mode():
        embeddings = torch.cat([model(batch) for batch in batches])
    measured = lattice_geometry(
        embeddings, {"light": places}, {"light": identity}, rules=[Neighborhood("knn", k=5)]
    )
    energies = measured.values("energy", "light")
    assert float(energies.mean()) == pytest.approx(energy, abs=2e-3)
    # Of five people: three times the error of their mean.
    assert abs(float(energies.mean()) - published) < 3 * float(energies.std()) / 5**0.5
    assert 0.95 < measured.mean("null_mean", "light") < 1
    assert bool((measured.values("null_z", "light") < -1.5).all())
    assert measured.mean("leakage", "light") > measured.chance_leakage


def test_the_null_is_of_the_very_neighbours_that_are_reported() -> None:
    rule = Neighborhood("ball", radius=0.9, max_neighbors=2, seed=5)
    embeddings, curves, identity = lattice(1, 40)
    found = lattice_geometry(
        embeddings, curves, identity, rules=[rule], null_permutations=9, seed=3
    )
    for attribute, rows in curves.items():
        base, field = central_field(embeddings[rows])
        (null,) = null_energies(
            base, {"a": field}, rule, 9, 3, mean_distance=float(found.mean_distance[0])
        ).values()
        assert null.observed.energy == pytest.approx(
            float(found.values("energy", attribute)[0]), abs=1e-6
        )
        assert float(found.values("null_z", attribute)[0]) == pytest.approx(null.z, abs=1e-4)


def test_equal_images_have_no_response() -> None:
    embeddings, curves, identity = lattice(2, 11)
    for distance in DISTANCES:
        found = lattice_geometry(
            embeddings[:1].expand_as(embeddings), curves, identity, distance=distance
        )
        for attribute in curves:
            assert found.values("response", attribute).isnan().all()
