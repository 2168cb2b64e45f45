"""What a gate judges, and how several judge together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.synthesis.recipe import Sample

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A made image before it is kept.

    Args:
        sample: What was asked for.
        image: What was made, uint8 (H, W, 3), RGB.
        reference: The image whose person it must show and from which `sample.moving` was moved:
            the given photo, or the lattice node's middle image. None: nothing to compare with.
        asked: By how much `sample.moving` should differ from the reference, in its own unit.
    """

    sample: Sample
    image: Pixels
    reference: Pixels | None
    asked: float = 0.0


class Gate(Protocol):
    """Keeps or rejects made images.

    Attributes:
        version: Hash of everything that decides.
        summary: What a face set's card says of it, ready for JSON.
    """

    @property
    def version(self) -> str:
        """Hash of everything that decides."""

    @property
    def summary(self) -> dict[str, Any]:
        """What a face set's card says of it, ready for JSON."""

    def judge(self, candidates: Sequence[Candidate]) -> list[str]:
        """Return "" for each image that is kept, a short reason for each that is not."""


def judge_all(gates: Iterable[Gate], candidates: Sequence[Candidate]) -> list[str]:
    """Let several gates judge in turn; the first reason wins.

    What one gate rejects the next ones do not see.
    """
    reasons = [""] * len(candidates)
    for gate in gates:
        kept = [row for row, reason in enumerate(reasons) if not reason]
        verdicts = gate.judge([candidates[row] for row in kept])
        for row, reason in zip(kept, verdicts, strict=True):
            reasons[row] = reason
    return reasons


def compared(candidates: Sequence[Candidate]) -> list[int]:
    """Return the rows of the candidates that have a reference."""
    return [row for row, candidate in enumerate(candidates) if candidate.reference is not None]


def with_references(
    measure: Callable[[Tensor], Tensor], candidates: Sequence[Candidate]
) -> tuple[Tensor, Tensor]:
    """Measure images and their references, each reference once however many share it.

    Args:
        measure: From uint8 (N, 3, H, W) to (N, D).
        candidates: All with a reference.

    Returns:
        Measures of the images and of their references, each (len(candidates), D).
    """
    shared: dict[int, int] = {}  # the middle image of a node is one object for all its curves
    pixels = [candidate.image for candidate in candidates]
    rows = []
    for candidate in candidates:
        assert candidate.reference is not None
        key = id(candidate.reference)
        if key not in shared:
            shared[key] = len(pixels)
            pixels.append(candidate.reference)
        rows.append(shared[key])
    measured = measure(torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2).copy()))
    return measured[: len(candidates)], measured[rows]
