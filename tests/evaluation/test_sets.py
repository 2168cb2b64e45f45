"""Figures of sets against the functions that they come from, and against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.face_sets import measure_faces
from facegeom_lit.evaluation.measure import evaluation_set_hash, measure
from facegeom_lit.evaluation.pair_sets import measure_pairs
from facegeom_lit.evaluation.settings import Settings
from facegeom_lit.evaluation.template_sets import measure_templates, people_of
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.pairs import PairSet, consecutive_folds
from facegeom_lit.faces.template_set import TemplateSet
from facegeom_lit.geometry.identification import first_image_gallery, rank_k
from facegeom_lit.geometry.lfw import best_threshold, lfw_accuracy
from facegeom_lit.geometry.points import normalized
from facegeom_lit.geometry.verification import score_measures, verify

QUICK = Settings(resamples=50)


def known(people: int = 30, images: int = 4, noise: float = 0.9) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(people).repeat_interleave(images)
    centres = torch.randn(people, 16, generator=g)
    return centres[labels] + noise * torch.randn(len(labels), 16, generator=g), labels


def face_set(labels: Tensor) -> FaceSet:
    return FaceSet.from_rows(
        [{"identity": f"p{int(p):03d}", "path": f"{i}.png"} for i, p in enumerate(labels)]
    )


def pair_set(labels: Tensor, named: bool = True) -> PairSet:
    g = torch.Generator().manual_seed(1)
    left = torch.randint(len(labels), (400,), generator=g)
    shift = torch.randint(1, 4, (400,), generator=g)
    genuine = left // 4 * 4 + (left + shift) % 4
    impostor = (left + 4 * torch.randint(1, 30, (400,), generator=g)) % len(labels)
    same = torch.arange(400) % 2 == 0
    right = torch.where(same, genuine, impostor)
    return PairSet("own", face_set(labels), left, right, same, consecutive_folds(400), named)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_faces(distance) -> None:
    embeddings, labels = known()
    result = measure_faces(embeddings, labels, distance, QUICK)
    expected = verify(embeddings, labels, distance=distance)
    for name in ("auc", "eer", "tar@1e-1", "tar@1e-2", "tar@1e-3"):
        figure = result.figures[name]
        assert figure.value == pytest.approx(expected[name])
        assert figure.low <= figure.value <= figure.high
    gallery, probes = first_image_gallery(labels)
    sides = (embeddings[gallery], labels[gallery], embeddings[probes], labels[probes])
    for k, value in rank_k(*sides, (1, 5, 10), distance=distance).items():
        assert result.figures[f"rank{k}"].value == value
    assert 0 < result.figures["tpir@1e-1"].value <= 1
    assert result.figures["tar@1e-4"].value is None  # 6,960 impostor pairs
    assert result.facts["impostor"] == 6960
    notes = " ".join(result.notes)
    assert "support a FAR down to 1.4e-04; left out: 1e-4" in notes
    assert "15 of 30 people, drawn by the seed, stay out of the gallery" in notes
    assert "30 people drawn with replacement" in notes
    for histogram in (result.curve.genuine, result.curve.impostor):
        assert histogram.sum() == pytest.approx(1)
    accepted = np.diff(result.curve.tars)
    assert (accepted >= 0).all()


def test_one_seed_one_result() -> None:
    embeddings, labels = known()
    first, second = (measure_faces(embeddings, labels, "cosine", QUICK) for _ in range(2))
    assert first.figures == second.figures
    other = measure_faces(embeddings, labels, "cosine", Settings(resamples=50, seed=1))
    assert other.figures["auc"].value == first.figures["auc"].value
    assert other.figures["auc"].low != first.figures["auc"].low


def test_impostor_histograms_of_narrow_scores() -> None:
    """A large common mean puts all cosines beside 1, where the coarse bins are wide."""
    embeddings, labels = known()
    curve = measure_faces(embeddings + 60, labels, "cosine", Settings(resamples=0)).curve
    assert curve.low is None
    assert (curve.impostor > 0).sum() > 20


@pytest.mark.parametrize("named", [True, False])
def test_pairs(named: bool) -> None:
    embeddings, labels = known()
    pairs = pair_set(labels, named)
    result = measure_pairs(embeddings, pairs, "cosine", QUICK)
    points = normalized(embeddings.double())
    scores = (points[pairs.left] * points[pairs.right]).sum(1).float()
    accuracy = lfw_accuracy(scores, pairs.same, 10)
    assert result.figures["accuracy"].value == pytest.approx(accuracy.mean)
    assert result.figures["accuracy_std"].value == pytest.approx(accuracy.std)
    assert result.thresholds["accuracy"] == best_threshold(scores, pairs.same)
    expected = score_measures(scores, pairs.same, [1e-1, 1e-2])
    for name in ("auc", "eer", "tar@1e-1", "tar@1e-2"):
        assert result.figures[name].value == pytest.approx(expected[name])
    notes = " ".join(result.notes)
    assert ("people drawn" in notes) == named
    assert ("the pairs name no people" in notes) == (not named)
    euclidean = measure_pairs(embeddings, pairs, "euclidean", QUICK)
    lengths = (embeddings[pairs.left] - embeddings[pairs.right]).norm(dim=1)
    assert euclidean.figures["auc"].value == pytest.approx(
        score_measures(-lengths, pairs.same)["auc"]
    )
    five = measure_pairs(embeddings, pairs, "cosine", Settings(folds=5, resamples=0))
    assert five.figures["accuracy"].value == pytest.approx(lfw_accuracy(scores, pairs.same, 5).mean)


def template_set(embeddings: Tensor | None, labels: Tensor) -> TemplateSet:
    """Two templates a person, of two images each; the second images are frames of one video."""
    templates = torch.arange(len(labels)) // 2 + 500
    owner = labels[::2]
    g = torch.Generator().manual_seed(2)
    listed = torch.randint(500, 560, (900, 2), generator=g)
    genuine = torch.stack([torch.arange(500, 560, 2), torch.arange(501, 560, 2)], 1)
    listed = torch.cat([listed[listed[:, 0] != listed[:, 1]], genuine])
    people = owner[listed - 500]
    first = torch.stack([torch.arange(500, 560, 2), torch.arange(30)], 1)
    return TemplateSet(
        "janus",
        None if embeddings is not None else face_set(labels),
        embeddings,
        templates,
        torch.arange(len(labels)) % 2,
        listed,
        people[:, 0] == people[:, 1],
        scores=torch.ones(len(labels)),
        galleries=(first[:20], first[10:]),
        probes=torch.stack([torch.arange(501, 560, 2), torch.arange(30)], 1),
    )


def test_templates() -> None:
    embeddings, labels = known(noise=1.2)
    templates = template_set(embeddings, labels)
    result = measure_templates(embeddings, templates, "cosine", QUICK)
    sums = normalized(embeddings.double().view(60, 2, 16).sum(1))
    pairs = templates.pairs - 500
    scores = (sums[pairs[:, 0]] * sums[pairs[:, 1]]).sum(1).float()
    expected = score_measures(scores, templates.same, [1e-1, 1e-2])
    for name in ("auc", "eer", "tar@1e-1", "tar@1e-2"):
        assert result.figures[name].value == pytest.approx(expected[name], abs=1e-6)
    assert result.figures["tar@1e-6"].value is None
    rank1, found = [], []
    for gallery in (torch.arange(20), torch.arange(10, 30)):
        search = sums[1::2] @ sums[::2][gallery].T
        mated = torch.isin(torch.arange(30), gallery)
        right = gallery[search.argmax(1)] == torch.arange(30)
        rank1.append(float(right[mated].double().mean()))
        strangers = search[~mated].amax(1).sort(descending=True).values
        found.append(float((right & (search.amax(1) > strangers[1]))[mated].double().mean()))
    assert result.figures["rank1"].value == pytest.approx(sum(rank1) / 2)
    assert result.figures["tpir@1e-1"].value == pytest.approx(sum(found) / 2)
    assert result.figures["tpir@1e-2"].value is None
    assert result.facts["templates"] == 60
    with pytest.raises(FaceGeomError, match="janus sums embeddings to templates"):
        measure_templates(embeddings, templates, "euclidean", QUICK)


def test_detector_scores_and_lengths_weigh() -> None:
    embeddings, labels = known(noise=1.2)
    templates = template_set(embeddings, labels)
    templates.scores[::2] = 0.01  # the first image of each template hardly counts
    second = embeddings.view(60, 2, 16)[:, 1]
    weighed = measure_templates(embeddings, templates, "cosine", Settings(resamples=0))
    alone = normalized(second.double())
    pairs = templates.pairs - 500
    scores = (alone[pairs[:, 0]] * alone[pairs[:, 1]]).sum(1)
    expected = score_measures(scores, templates.same)["auc"]
    assert weighed.figures["auc"].value == pytest.approx(expected, abs=5e-3)
    equal = Settings(resamples=0, weigh_by_detector=False)
    long = torch.where(torch.arange(120) % 2 == 1, 100.0, 1.0).unsqueeze(1) * embeddings
    by_length = measure_templates(long, templates, "cosine", equal)
    assert by_length.figures["auc"].value == pytest.approx(expected, abs=5e-3)
    same_lengths = Settings(resamples=0, weigh_by_detector=False, normalize_images=True)
    first, second_ = (
        measure_templates(e, templates, "cosine", same_lengths).figures["auc"].value
        for e in (embeddings, long)
    )
    assert first == pytest.approx(second_)


def test_people_of_templates_that_genuine_pairs_link() -> None:
    pairs = torch.tensor([[0, 1], [1, 2], [3, 4], [0, 3]])
    people = people_of(pairs, torch.tensor([True, True, True, False]), 6)
    assert people[0] == people[1] == people[2]
    assert people[3] == people[4]
    assert len(people.unique()) == 3


def test_measure_takes_every_kind() -> None:
    embeddings, labels = known()
    for data, kind in (
        (face_set(labels), "faces"),
        (pair_set(labels), "pairs"),
        (template_set(embeddings, labels), "templates"),
    ):
        assert measure(embeddings, data, "cosine", Settings(resamples=0), "title").kind == kind


def test_hash_of_templates_follows_what_is_compared() -> None:
    embeddings, labels = known()
    first, second = template_set(embeddings, labels), template_set(embeddings, labels)
    assert evaluation_set_hash(first) == evaluation_set_hash(second)
    second.same[0] = ~second.same[0]
    assert evaluation_set_hash(first) != evaluation_set_hash(second)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"fars": (0.1, 2.0)}, "fars must lie between"),
        ({"fpirs": (0.0,)}, "fpirs must lie between"),
        ({"ranks": (0,)}, "ranks must be 1 or more"),
        ({"kept_out": 1.0}, "kept_out"),
        ({"folds": 1}, "folds must be at least 2"),
        ({"level": 95}, r"bootstrap\.level"),
        ({"interpolation": "cubic"}, "`interpolation`"),
    ],
)
def test_settings_out_of_range_are_named(choices, message) -> None:
    with pytest.raises(FaceGeomError, match=message):
        Settings(**choices)
