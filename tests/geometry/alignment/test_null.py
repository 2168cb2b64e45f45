from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import fit
from facegeom_lit.geometry.alignment.judging import Judge
from facegeom_lit.geometry.alignment.null import permuted_rank1
from facegeom_lit.geometry.alignment.people_permutation import permute_people
from tests.geometry.alignment.test_similarity import turn

OPTIONS = [
    {"method": "procrustes", "scale": True},
    {"method": "linear", "bias": False},
    {"method": "ridge"},
    {"method": "low_rank", "rank": 3},
]


def models():
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(80).repeat_interleave(4)
    x = torch.randn(80, 10, generator=g)[labels] + 0.2 * torch.randn(320, 10, generator=g)
    y = turn(x) + 0.2 * torch.randn(320, 10, generator=g) + 1
    return x, y, labels


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options["method"])
def test_agrees_with_fitting_permuted_pairs(options) -> None:
    x, y, labels = models()
    fitted, judging = labels < 40, labels >= 40
    judge = Judge(labels[judging], resamples=0)
    mapping = fit(x[fitted], y[fitted], groups=labels[fitted], **options)
    generator = torch.Generator().manual_seed(4)
    shares = []
    for _ in range(3):
        order = permute_people(labels[fitted], generator)
        same = {**options, "ridge": mapping.ridge or 0.0}
        permuted = fit(x[fitted], y[fitted][order], **same)
        measured = judge.measure(permuted(x[judging]), y[judging], "cosine")
        shares.append(measured.figures["rank1"])
    expected = torch.tensor(shares, dtype=torch.float64)
    found = permuted_rank1(
        mapping, x[fitted], y[fitted], labels[fitted], judge, x[judging], y[judging], "cosine",
        permutations=3, seed=4,
    )  # fmt: skip
    assert found == pytest.approx(float(expected.mean()), abs=1e-12)


def test_chance_is_chance() -> None:
    x, y, labels = models()
    fitted, judging = labels < 40, labels >= 40
    judge = Judge(labels[judging], resamples=0)
    mapping = fit(x[fitted], y[fitted], groups=labels[fitted])
    arguments = mapping, x[fitted], y[fitted], labels[fitted], judge, x[judging], y[judging]
    found = permuted_rank1(*arguments, "euclidean", permutations=10)
    aligned = judge.measure(mapping(x[judging]), y[judging], "euclidean").figures["rank1"]
    assert aligned > 0.8
    assert found < 0.1  # one of 40
    with pytest.raises(FaceGeomError, match="permutations"):
        permuted_rank1(*arguments, "euclidean", permutations=0)
