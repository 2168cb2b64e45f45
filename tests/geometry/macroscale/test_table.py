from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import macroscale as reference
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale import Macroscale, macroscale_table
from facegeom_lit.geometry.macroscale.people import People
from facegeom_lit.geometry.macroscale.sampling import Modality
from facegeom_lit.geometry.points import Distance

QUICK = {"draws": 2, "null": False, "bootstrap": 0, "permutations": 0}


def known(people: int = 60, images: int = 8) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Faces with attributes whose place in the embedding space is known."""
    g = torch.Generator().manual_seed(0)
    identity = torch.arange(people).repeat_interleave(images)
    count = len(identity)
    embeddings = torch.randn(people, 64, generator=g)[identity]
    embeddings = embeddings + 0.3 * torch.randn(count, 64, generator=g)
    planted = torch.where(identity % 2 == 0, 1.0, -1.0)
    embeddings[:, 0] += 6 * planted
    length = torch.rand(people, generator=g)[identity]
    embeddings[:, 1] += 12 * length
    attributes = {
        "planted": planted,
        "random": torch.where(torch.rand(count, generator=g) < 0.5, 1.0, -1.0),
        "length": length,
        "noise": torch.randn(count, generator=g),
        "rare": torch.where(identity < 3, 1.0, -1.0),
        "constant": torch.ones(count),
    }
    return embeddings, identity, attributes


@pytest.fixture(scope="module")
def table() -> Macroscale:
    return macroscale_table(*known(), probes="identity", bootstrap=200, draws=5)


def test_a_planted_attribute_separates_and_a_random_one_does_not(table: Macroscale) -> None:
    planted, random = table["planted"], table["random"]
    assert planted.kind == random.kind == "binary"
    assert planted.ks_mean is not None
    assert random.ks_mean is not None
    assert planted.ks_mean > 0.5 > 0.1 > random.ks_mean
    assert planted.p_positive is not None
    assert planted.p_positive < 1e-10
    assert planted.intra_entropy == 0.0
    assert random.intra_entropy == pytest.approx(0.62, abs=0.06)  # a coin thrown eight times
    assert planted.sampled == 30
    assert (random.sampled, random.identities_positive) == (60, 60)
    assert planted.probe_balanced_accuracy == pytest.approx(1.0, abs=0.02)
    assert random.probe_balanced_accuracy == pytest.approx(0.5, abs=0.08)
    assert planted.ks_max == max(planted.ks_positive or 0, planted.ks_negative or 0) or (
        planted.ks_max is not None and planted.ks_max >= planted.ks_mean
    )


def test_dealt_out_at_random_nothing_is_left_and_few_people_give_more(table: Macroscale) -> None:
    planted, random = table["planted"], table["random"]
    assert random.ks_excess == pytest.approx(0.0, abs=0.03)
    assert planted.ks_null is not None
    assert random.ks_null is not None
    assert planted.ks_null > random.ks_null  # thirty people a side, against sixty
    assert planted.ks_mean == pytest.approx(planted.ks_null + planted.ks_excess)  # type: ignore[operator]
    bare = macroscale_table(*known(), **QUICK)
    assert bare["random"].ks_null is None
    assert ("ks_excess", "intra_entropy") not in bare.spearman
    assert ("ks_excess", "intra_entropy") in table.spearman


def test_continuous_attributes_are_told_by_their_values(table: Macroscale) -> None:
    length, noise = table["length"], table["noise"]
    assert length.kind == noise.kind == "continuous"
    assert length.ks_mean is not None
    assert noise.ks_mean is not None
    assert length.ks_mean > 0.3 > 0.1 > noise.ks_mean
    assert length.distance_correlation is not None
    assert noise.distance_correlation is not None
    assert length.distance_correlation > 0.1 > abs(noise.distance_correlation)
    assert length.p_distance_correlation == pytest.approx(1 / 200)
    assert table["planted"].distance_correlation is None


def test_undefined_is_none_with_a_reason_and_never_nan(table: Macroscale) -> None:
    assert table["rare"].ks_mean is None
    assert "3 identities with and 57 without" in table["rare"].remark
    assert "folds of a probe" in table["rare"].remark
    assert table["rare"].intra_entropy == 0.0
    assert "fewer than two different values" in table["constant"].remark
    assert table["constant"].kind is None
    for row in table.rows:
        for name, value in vars(row).items():
            assert not isinstance(value, float) or math.isfinite(value), (row.attribute, name)


def test_intervals_hold_their_figures_and_spearman_is_over_attributes(table: Macroscale) -> None:
    for row in table.rows[:4]:
        for name in ("intra", "inter"):
            low, high = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
            assert low <= high
        assert row.intra_low <= row.intra_entropy <= row.intra_high  # type: ignore[operator]
    found = table.spearman["ks_mean", "intra_entropy"]
    assert found.count == 4
    assert found.rho < 0
    assert len(table.spearman_of_draws("intra_entropy")) == 5
    columns = table.columns()
    assert columns["attribute"] == ["planted", "random", "length", "noise", "rare", "constant"]
    assert {len(column) for column in columns.values()} == {6}


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_equals_scipy_on_the_same_images(distance: Distance) -> None:
    embeddings, identity, attributes = known()
    values = attributes["random"]
    row = macroscale_table(
        embeddings, identity, {"random": values}, distance=distance, **QUICK | {"draws": 1}
    ).rows[0]
    expected = plain(embeddings, identity, values, row.sampled, distance)
    assert row.ks_positive == pytest.approx(expected[0][0], abs=1e-9)
    assert row.p_positive == pytest.approx(expected[0][1], abs=1e-6)
    assert row.ks_negative == pytest.approx(expected[1][0], abs=1e-9)
    assert row.p_negative == pytest.approx(expected[1][1], abs=1e-6)
    weights = row.images_positive, row.images_negative
    weighted = np.average([expected[0][0], expected[1][0]], weights=weights)
    assert row.ks_weighted == pytest.approx(weighted, abs=1e-9)


def plain(
    embeddings: Tensor, identity: Tensor, values: Tensor, sampled: int, distance: str
) -> list[tuple[float, float]]:
    """SciPy's test on the images of the first draw."""
    people = People.of(identity)
    generator = torch.Generator().manual_seed(0)
    sides = [Modality(people, (values > 0)[people.order] == side) for side in (True, False)]
    points = [embeddings[side.draw(sampled, generator)].double().numpy() for side in sides]
    return reference.ks_of_modalities(points[0], points[1], distance)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 1000), st.floats(0.01, 100.0))
def test_rotation_and_scale_change_nothing(seed: int, scale: float) -> None:
    embeddings, identity, attributes = known(30, 4)
    g = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(64, 64, dtype=torch.float64, generator=g)).Q
    moved = scale * (embeddings.double() @ turn)
    for distance in ("cosine", "euclidean"):
        first = macroscale_table(
            embeddings.double(), identity, attributes, distance=distance, **QUICK
        )  # type: ignore[arg-type]
        second = macroscale_table(moved, identity, attributes, distance=distance, **QUICK)  # type: ignore[arg-type]
        assert same(first, second)


def test_names_of_people_and_the_sign_of_an_attribute_change_nothing() -> None:
    embeddings, identity, attributes = known(30, 4)
    first = macroscale_table(embeddings, identity, attributes, **QUICK)
    renamed = macroscale_table(embeddings, identity * 5 + 3, attributes, **QUICK)
    assert same(first, renamed)
    only = macroscale_table(embeddings, identity, {"random": attributes["random"]}, **QUICK)
    assert only["random"] == first["random"]  # a row does not hang on its neighbours
    zeros = {"planted": (attributes["planted"] + 1) / 2}
    assert same(macroscale_table(embeddings, identity, zeros, **QUICK), first, "planted")


def test_images_in_another_order_give_the_same_entropies_and_close_distances() -> None:
    embeddings, identity, attributes = known()
    order = torch.randperm(len(identity), generator=torch.Generator().manual_seed(0))
    shuffled = {name: values[order] for name, values in attributes.items()}
    first = macroscale_table(embeddings, identity, attributes, **QUICK)
    second = macroscale_table(embeddings[order], identity[order], shuffled, **QUICK)
    for one, other in zip(first.rows[:4], second.rows[:4], strict=True):
        assert one.intra_entropy == pytest.approx(other.intra_entropy)
        assert one.inter_entropy == pytest.approx(other.inter_entropy)
        assert one.ks_mean == pytest.approx(other.ks_mean, abs=0.05)


def same(first: Macroscale, second: Macroscale, *names: str) -> bool:
    for row in first.rows if not names else [first[name] for name in names]:
        for name, value in vars(row).items():
            other = getattr(second[row.attribute], name)
            if isinstance(value, float) and value != pytest.approx(other, abs=1e-6):
                return False
    return True


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"draws": 0}, "`draws` at least 1"),
        ({"per_modality": 1}, "`per_modality` must be at least 2"),
        ({"probes": "fold"}, "`probes` must be None or one of"),
        ({"distance": "manhattan"}, "`distance` must be one of"),
        ({"level": 1.0}, "`level` between 0 and 1"),
    ],
)
def test_bad_arguments_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(FaceGeomError, match=message):
        macroscale_table(*known(10, 2), **changes)  # type: ignore[arg-type]


def test_bad_labels_are_named() -> None:
    embeddings, identity, attributes = known(10, 2)
    with pytest.raises(FaceGeomError, match="'planted' must hold one finite number"):
        macroscale_table(embeddings, identity, {"planted": attributes["planted"][1:]})
    with pytest.raises(FaceGeomError, match="`identity` must name one"):
        macroscale_table(embeddings, identity[1:], attributes)
    with pytest.raises(FaceGeomError, match="no attribute to measure"):
        macroscale_table(embeddings, identity, {})


def test_real_faces_give_the_plain_formulations_figures(real_data: Path) -> None:
    with np.load(real_data / "embeddings" / "celeba_subset.npz") as file:
        kept = ~(file["second_face_area_ratio"] > 0.3)
        identity = torch.from_numpy(file["identity"][kept]).long()
        names = [str(name) for name in file["attribute_names"]]
        values = torch.from_numpy(file["attributes"][kept]).double()
        embeddings = torch.from_numpy(file["mobilefacenet_y1"][kept]).float()
    chosen = ["Male", "Bald", "Smiling", "Young", "Mouth_Slightly_Open", "Black_Hair"]
    attributes = {name: values[:, names.index(name)] for name in chosen}
    table = macroscale_table(embeddings, identity, attributes, draws=1, bootstrap=0)
    for row in table.rows:
        labels = attributes[row.attribute]
        expected = plain(embeddings, identity, labels, row.sampled, "cosine")
        assert (row.ks_positive, row.ks_negative) == pytest.approx(
            [statistic for statistic, _ in expected], abs=1e-5
        )
        assert (row.p_positive, row.p_negative) == pytest.approx([p for _, p in expected], abs=1e-5)
        people = identity.numpy()
        intra = reference.intra_entropy(labels.numpy(), people)
        inter = reference.inter_entropy(labels.numpy(), people)
        assert row.intra_entropy == pytest.approx(intra, abs=1e-9)
        assert row.inter_entropy == pytest.approx(inter, abs=1e-9)
    assert table.spearman["ks_mean", "intra_entropy"].rho < -0.5
