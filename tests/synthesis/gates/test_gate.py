from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from synthesis.gates.candidates import candidate, flat

from facegeom_lit.synthesis.gates import Candidate, judge_all
from facegeom_lit.synthesis.gates.gate import compared, with_references


class Refuses:
    """Rejects images of a red value."""

    version = "1"
    summary: ClassVar = {}

    def __init__(self, red: int, reason: str) -> None:
        self.red = red
        self.reason = reason
        self.seen: list[int] = []

    def judge(self, candidates: Sequence[Candidate]) -> list[str]:
        reds = [int(c.image[0, 0, 0]) for c in candidates]
        self.seen += reds
        return [self.reason if red >= self.red else "" for red in reds]


def test_the_first_reason_wins() -> None:
    gates = Refuses(3, "first"), Refuses(2, "second")
    candidates = [candidate(flat(red, 0, 0), None) for red in (3, 1, 2)]
    assert judge_all(gates, candidates) == ["first", "", "second"]
    assert gates[1].seen == [1, 2]
    assert judge_all([], candidates) == ["", "", ""]
    assert judge_all(gates, []) == []


def test_a_shared_reference_is_measured_once() -> None:
    middle, other = flat(10, 0, 0), flat(20, 0, 0)
    candidates = [
        candidate(flat(1, 0, 0), middle),
        candidate(flat(2, 0, 0), other),
        candidate(flat(3, 0, 0), middle),
    ]
    counts = []

    def red(images: torch.Tensor) -> torch.Tensor:
        counts.append(len(images))
        return images[:, 0, 0, :1].float()

    images, references = with_references(red, candidates)
    assert images.flatten().tolist() == [1, 2, 3]
    assert references.flatten().tolist() == [10, 20, 10]
    assert counts == [5]
    assert compared([candidate(middle, None), *candidates]) == [1, 2, 3]
