from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation.alignment.made_models import FAST, made_set

from facegeom_lit.evaluation.alignment.fusion import fusion_notes, fusions
from facegeom_lit.evaluation.alignment.result import Fusion
from facegeom_lit.evaluation.alignment.section_settings import FusionSettings
from facegeom_lit.evaluation.alignment.sets import AlignmentSet

PEOPLE, IMAGES = 60, 5
ALL = replace(FAST, fusion=FusionSettings())


def noisy_set(noises: tuple[float, ...] = (0.7, 0.8), euclidean: bool = False) -> AlignmentSet:
    """Models that see one truth, each with noise of its own; the last one may be Euclidean."""
    g, owner = np.random.default_rng(1), np.arange(PEOPLE * IMAGES) // IMAGES
    truth = g.normal(size=(PEOPLE, 12))[owner]
    data = AlignmentSet(
        "noisy",
        torch.from_numpy(owner),
        tuple(f"p{i}" for i in range(PEOPLE)),
        fit_share=0.5,
        settings=FAST.judge,
        seed=0,
    )
    for number, noise in enumerate(noises):
        turn = np.linalg.qr(g.normal(size=(12, 12)))[0]
        points = (truth + noise * g.normal(size=truth.shape)) @ turn
        last = euclidean and number == len(noises) - 1
        points = 30 * points + 500 if last else points
        data.add(f"m{number}", torch.from_numpy(points), "euclidean" if last else "cosine")
    return data


def made(data: AlignmentSet) -> dict[str, Fusion]:
    """All models as one, by the method."""
    together = replace(ALL, fusion=FusionSettings((tuple(data.spaces),)))
    return {fusion.method: fusion for fusion in fusions(data, together)}


def test_two_noisy_copies_are_better_than_each() -> None:
    found = made(noisy_set((1.0, 1.1)))
    assert list(found) == ["scores", "weighted_scores", "features", "concatenation"]
    for fusion in found.values():
        assert fusion.best == "m0"
        assert fusion.common == ("m0" if fusion.method == "features" else "")
        for name in ("rank1", "auc"):
            change = fusion.differences[name]
            after, before = fusion.figures[name].value, fusion.best_figures[name].value
            assert change.value == pytest.approx(after - before)  # type: ignore[operator]
            assert change.value > 0.01  # type: ignore[operator]
        assert fusion.differences["rank1"].low > 0  # type: ignore[operator]


@pytest.mark.parametrize("euclidean", [False, True])
def test_scores_are_z_scores_added_up(euclidean: bool) -> None:
    data = noisy_set((0.7, 1.2, 0.9), euclidean)
    judge, total = data.judging.judge, 0.0
    first = {int(who): int(i) for i, who in reversed(list(enumerate(data.groups)))}
    gallery = np.array([first[who] for who in sorted(first)])
    probes = np.setdiff1d(np.arange(len(data.groups)), gallery)
    impostor = data.groups.numpy()[probes][:, None] != data.groups.numpy()[gallery]
    for space in data.spaces.values():
        fit, own = (space.points[rows].double().numpy() for rows in (data.fit, data.judging.rows))
        known = -((fit[probes][:, None] - fit[gallery]) ** 2).sum(-1)[impostor]
        scores = -((own[judge.probes][:, None] - own[judge.gallery]) ** 2).sum(-1)
        total = total + (scores - known.mean()) / known.std()
    labels = data.judging.labels.numpy()
    same = labels[judge.probes][:, None] == labels[judge.gallery]
    ranks = (total >= total[same][:, None]).sum(1)  # type: ignore[index]
    fusion = made(data)["scores"]
    assert fusion.figures["rank1"].value == pytest.approx((ranks <= 1).mean())
    assert fusion.figures["rank5"].value == pytest.approx((ranks <= 5).mean())
    if euclidean:  # its templates are no longer than the others', so it does not decide alone
        alone = data.judging.native(data.spaces["m2"]).figures["rank1"]
        assert made(data)["concatenation"].figures["rank1"].value > alone  # type: ignore[operator]


def test_a_model_that_knows_nothing_is_left_out_by_its_weight() -> None:
    data = noisy_set((0.7, 0.8))
    data.add("m2", torch.randn(300, 12, generator=torch.Generator().manual_seed(0)), "cosine")
    found = made(data)
    assert found["weighted_scores"].figures["auc"].value > found["scores"].figures["auc"].value  # type: ignore[operator]
    data.add("m2", torch.ones(300, 12), "cosine")
    constant, alone = made(data), made(noisy_set((0.7, 0.8)))
    for name in ("scores", "weighted_scores"):
        pair = [fusion[name].figures["auc"].value for fusion in (constant, alone)]
        assert pair[0] == pytest.approx(pair[1], abs=1e-6)


def test_which_models_are_fused() -> None:
    data = noisy_set((0.9, 0.5, 0.7))
    groups = dict.fromkeys(fusion.models for fusion in fusions(data, ALL))
    assert list(groups) == [("m0", "m1", "m2"), ("m1", "m2"), ("m1", "m0")]
    some = replace(ALL, fusion=FusionSettings((("m0", "m2"), ("m0", "gone")), "procrustes"))
    found = fusions(data, some)
    assert {(f.models, f.best, f.common) for f in found} == {
        (("m0", "m2"), "m2", ""),
        (("m0", "m2"), "m2", "m2"),
    }
    assert fusion_notes(data, some) == ["noisy: no ensemble of m0, gone, for gone is not in it"]
    none = replace(ALL, fusion=FusionSettings(()))
    assert fusions(data, none) == fusion_notes(data, none) == []
    single = made_set(models=("one",))
    assert fusions(single, ALL) == fusion_notes(single, ALL) == []


def test_the_best_model_needs_fitting_people_with_two_images() -> None:
    everybody = noisy_set()
    keep = torch.ones(len(everybody.labels), dtype=torch.bool)
    keep[everybody.fit] = False
    keep[everybody.fit[::IMAGES]] = True  # one image of each
    data = AlignmentSet(
        "noisy",
        everybody.labels[keep],
        everybody.people,
        fit_share=0.5,
        settings=FAST.judge,
        seed=0,
    )
    for name, space in everybody.spaces.items():
        data.add(name, space.points[keep], space.distance)
    assert fusions(data, ALL) == []
    assert "no fitting person has two images" in fusion_notes(data, ALL)[0]
