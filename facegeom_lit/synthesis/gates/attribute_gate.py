"""Keeps an image only if the attribute moved as asked and the others stayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from facegeom_lit.attributes import attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.attribute_regressor import AttributeRegressor, measure
from facegeom_lit.synthesis.gates.gate import Candidate, compared, with_references

_RESOLVED = 0.25
"""Least change asked for, in lattice steps, that the regressor can tell from none."""


class AttributeGate:
    """Rejects an image whose asked-for change is not measurable, or in which others moved too.

    Both are changes between an image and its reference, as the regressor measures them. Image
    attributes, and facial ones that it does not measure, are not judged: operators apply the
    first exactly. Where less than a quarter of a lattice step is asked for, which is below what
    the regressor resolves, the others alone are judged.

    Args:
        regressor: Folder of an `AttributeRegressor`.
        min_share: Least measured change of the moving attribute, as a share of the one asked for.
        max_leak: Largest change of any other attribute, in its own lattice steps.
        max_leaks: That of single attributes, by name; None: never a reason.
        batch_size: Images measured at once.
        device: Where the regressor runs.

    Raises:
        FaceGeomError: When an argument is out of range.
    """

    def __init__(
        self,
        regressor: str | Path,
        min_share: float = 0.3,
        max_leak: float = 1.0,
        max_leaks: Mapping[str, float | None] | None = None,
        *,
        batch_size: int = 128,
        device: str = "cpu",
    ) -> None:
        limits = [max_leak, *(limit for limit in (max_leaks or {}).values() if limit is not None)]
        if not all(limit > 0 for limit in limits):
            raise FaceGeomError(f"gates.attribute.max_leak must be positive, got {min(limits)}.")
        if not min_share >= 0:
            raise FaceGeomError(f"gates.attribute.min_share must be at least 0, got {min_share}.")
        self.path = Path(regressor)
        self.min_share = min_share
        self.max_leak = max_leak
        self.max_leaks = dict(max_leaks or {})
        self.batch_size = batch_size
        self.device = device
        for name in self.max_leaks:
            attribute(name)

    @cached_property
    def regressor(self) -> AttributeRegressor:
        """The regressor."""
        return AttributeRegressor.load(self.path).to(self.device)

    @cached_property
    def version(self) -> str:
        """Hash of the regressor and of the limits."""
        limits = (self.min_share, _RESOLVED, self.max_leak, sorted(self.max_leaks.items()))
        steps = [(name, attribute(name).step) for name in self.regressor.attributes]
        text = f"attribute {self.regressor.hash} {limits} {steps}"
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def summary(self) -> dict[str, Any]:
        """What a face set's card says of this gate."""
        return {
            "regressor_hash": self.regressor.hash,
            "min_share": self.min_share,
            "max_leak": self.max_leak,
            "max_leaks": self.max_leaks,
        }

    def judge(self, candidates: Sequence[Candidate]) -> list[str]:
        """Return "" for each image that is kept, else e.g. "age did not move"."""
        reasons = [""] * len(candidates)
        names = self.regressor.attributes
        rows = [row for row in compared(candidates) if candidates[row].sample.moving in names]
        if not rows:
            return reasons
        judged = [candidates[row] for row in rows]
        images, references = with_references(self._measure, judged)
        for row, candidate, image, reference in zip(
            rows, judged, images.tolist(), references.tolist(), strict=True
        ):
            reasons[row] = self._reason(
                candidate,
                dict(zip(names, image, strict=True)),
                dict(zip(names, reference, strict=True)),
            )
        return reasons

    def _measure(self, images: Tensor) -> Tensor:
        return measure(self.regressor, images, self.batch_size)

    def _reason(
        self, candidate: Candidate, image: Mapping[str, float], reference: Mapping[str, float]
    ) -> str:
        moving = candidate.sample.moving
        asked, measured = candidate.asked, image[moving] - reference[moving]
        resolved = abs(asked) >= _RESOLVED * attribute(moving).step
        if resolved and not measured * asked >= self.min_share * asked**2:
            return f"{moving} did not move"
        worst, excess = "", 1.0
        for name in image:
            limit = self.max_leaks.get(name, self.max_leak)
            if name == moving or limit is None:
                continue
            leak = abs(image[name] - reference[name]) / attribute(name).step / limit
            if not leak <= excess:
                worst, excess = name, leak
        return f"{worst} moved too" if worst else ""
