"""Which images of a face set are kept: the gates' verdicts, and what follows from them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.synthesis.gates.gate import Candidate, Gate, judge_all
from facegeom_lit.synthesis.maker import Maker
from facegeom_lit.synthesis.recipe import Sample

Pixels = NDArray[np.uint8]

KEPT = ""
OTHER_END = "the other end of the curve was refused"
MIDDLE = "the middle of the node was refused"


class Gating:
    """Judges images as they are made.

    An image is held against its reference: that of a curve's end is the node's middle image, that
    of a given photo's edit the photo; a face drawn from nothing has none. A curve loses both ends
    together, and a node goes with its middle image, so that what is kept is a lattice.

    Args:
        gates: By name; the first that refuses gives the reason.
        keep_refused: Keep refused images too, in the folder `refused`.
    """

    def __init__(self, gates: Mapping[str, Gate] | None = None, keep_refused: bool = False) -> None:
        self.gates = dict(gates or {})
        self.keep_refused = keep_refused

    def __bool__(self) -> bool:
        """Whether there is a gate at all."""
        return bool(self.gates)

    @property
    def versions(self) -> dict[str, str]:
        """Version of each gate."""
        return {name: gate.version for name, gate in self.gates.items()}

    def verdicts(
        self, samples: Sequence[Sample], images: Sequence[Pixels], maker: Maker
    ) -> list[str]:
        """Return the reason against each image, "" for those that are kept.

        Args:
            samples: Whole nodes, or images without a node.
            images: One for each sample.
            maker: Knows the photos that were edited.
        """
        if not self.gates:
            return [KEPT] * len(samples)
        middles = {
            (s.identity, s.node): (image, s.attributes)
            for s, image in zip(samples, images, strict=True)
            if s.node >= 0 and not s.moving
        }
        candidates = []
        for s, image in zip(samples, images, strict=True):
            end = s.moving and s.node >= 0
            reference = middles[s.identity, s.node] if end else maker.original(s)
            if reference is None:
                candidates.append(Candidate(s, image, None))
                continue
            asked = s.attributes[s.moving] - reference[1][s.moving] if s.moving else 0.0
            candidates.append(Candidate(s, image, reference[0], asked))
        return _whole_curves(samples, judge_all(list(self.gates.values()), candidates))


def _whole_curves(samples: Sequence[Sample], reasons: list[str]) -> list[str]:
    """Refuse what cannot stand alone."""
    refused = {
        (s.identity, s.node, s.moving)
        for s, reason in zip(samples, reasons, strict=True)
        if s.node >= 0 and reason
    }
    out = []
    for s, reason in zip(samples, reasons, strict=True):
        if s.moving and s.node >= 0 and not reason:
            if (s.identity, s.node, "") in refused:
                reason = MIDDLE
            elif (s.identity, s.node, s.moving) in refused:
                reason = OTHER_END
        out.append(reason)
    return out


def counts(rows: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Count (attribute, reason) pairs by attribute.

    Example:
        >>> counts([("age", "identity"), ("age", "identity"), ("", "age did not move")])
        {'age': {'identity': 2}, 'middle': {'age did not move': 1}}
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for attribute, reason in rows:
        found[attribute or "middle"][reason] += 1
    return {name: dict(counter.most_common()) for name, counter in found.items()}


def gate_facts(gating: Gating) -> dict[str, Any]:
    """Return what each gate says of itself, for the face set's card."""
    return {name: {"version": gate.version, **gate.summary} for name, gate in gating.gates.items()}
