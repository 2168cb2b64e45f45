"""Which maps are fitted between two models, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.result import NATIVE, UNALIGNED
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, AffineMap, Method

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "procrustes": ("bias", "scale"),
    "linear": ("bias",),
    "ridge": ("bias", "ridge"),
    "low_rank": ("bias", "ridge", "rank"),
}
"""What may be said of each method that is fitted."""


@dataclass(frozen=True)
class MapChoice:
    """A map, to be fitted.

    Attributes:
        name: What results call it.
        method: How it is fitted; never `none`.
        bias: Centre both sides.
        ridge: λ ≥ 0, `gcv` or `kfold`; None: `kfold` over people.
        scale: Let `procrustes` scale too.
        rank: Of `low_rank`; None: chosen by folds of people.
    """

    name: str
    method: Method
    bias: bool = True
    ridge: float | str | None = None
    scale: bool = False
    rank: int | None = None

    def solve(self, sums: AffineAccumulator) -> AffineMap:
        """The map of the pairs that were summed up.

        So few people that they are all in one fold leave a λ without a rule to generalised
        cross-validation over images, and a rank that nobody gave at the largest.

        Raises:
            FaceGeomError: When the rank is above min(p, q), or folds of people are too few for a
                λ by `kfold`.
        """
        rank = self.rank
        if self.method == "low_rank" and rank is None and not _has_folds(sums):
            rank = min(sums.folds[0].dimensions)
        return sums.solve(
            self.method,
            bias=self.bias,
            ridge=self.penalty(sums),
            scale=self.scale,
            rank=rank,
        )

    def penalty(self, sums: AffineAccumulator) -> float | str:
        """λ, or how it is chosen for these pairs."""
        if self.ridge is not None:
            return self.ridge
        return "kfold" if _has_folds(sums) else "gcv"


def map_choices(entries: Any, defaults: Mapping[str, Any]) -> tuple[MapChoice, ...]:
    """Read the maps of a configuration.

    Args:
        entries: A list of methods, or of mappings with `method` and some of its `OPTIONS` and
            `name`. `none` may stand among them: it is always measured.
        defaults: `bias`, `ridge`, `scale` and `rank` of entries that do not say otherwise.

    Raises:
        FaceGeomError: When an entry is unknown, has an option of another method or a value that is
            out of range, or two have one name.

    Example:
        >>> entries = ["none", "ridge", {"method": "low_rank", "rank": 32}]
        >>> [choice.name for choice in map_choices(entries, {})]
        ['ridge', 'low_rank_32']
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise FaceGeomError(
            f"maps must be a list, got {entries!r}. Write e.g. maps=[procrustes,ridge]."
        )
    found: list[MapChoice] = []
    for entry in entries:
        if entry == UNALIGNED:
            continue
        choice = _choice(entry, defaults)
        if any(choice.name == other.name for other in found):
            raise FaceGeomError(
                f"maps has two entries that are called {choice.name!r}. Give one of them a name: "
                f"{{name: NAME, method: {choice.method}, ...}}."
            )
        found.append(choice)
    if not found:
        raise FaceGeomError(f"maps must hold a map that is fitted: {', '.join(OPTIONS)}.")
    return tuple(found)


def _has_folds(sums: AffineAccumulator) -> bool:
    """Whether people are in two folds or more, so that they can choose."""
    return sum(float(fold.count) > 0 for fold in sums.folds) > 1


def _choice(entry: Any, defaults: Mapping[str, Any]) -> MapChoice:
    given = dict(entry) if isinstance(entry, Mapping) else {"method": entry}
    method = given.pop("method", None)
    if method not in OPTIONS:
        raise FaceGeomError(
            f"maps holds {entry!r}; a map is one of {', '.join(get_args(Method))}, or a mapping "
            "with such a method, e.g. {method: low_rank, rank: 32}."
        )
    name = given.pop("name", None)
    if wrong := [key for key in given if key not in OPTIONS[method]]:
        raise FaceGeomError(
            f"maps: {method} has no option {wrong[0]!r}. It has: {', '.join(OPTIONS[method])}."
        )
    options = {k: v for k, v in defaults.items() if k in OPTIONS[method]} | given
    _check(method, options)
    name = "_".join([method, *_said(given)]) if name is None else name
    if not isinstance(name, str) or not name or name in (NATIVE, UNALIGNED):
        raise FaceGeomError(f"maps: {name!r} cannot be the name of a fitted map.")
    return MapChoice(name, method, **options)


def _said(options: Mapping[str, Any]) -> list[str]:
    """Words for a name of what differs from the rule."""
    words = {
        "bias": {True: "centred", False: "uncentred"},
        "scale": {True: "scaled", False: "rigid"},
    }
    return [words[k][v] if k in words else f"{v}" for k, v in options.items() if v is not None]


def _check(method: str, options: Mapping[str, Any]) -> None:
    for key in ("bias", "scale"):
        if not isinstance(options.get(key, False), bool):
            raise FaceGeomError(f"{key} of {method} must be true or false, got {options[key]!r}.")
    ridge, rank = options.get("ridge"), options.get("rank")
    number = isinstance(ridge, int | float) and not isinstance(ridge, bool)
    if ridge not in (None, "gcv", "kfold") and not (number and 0 <= ridge < float("inf")):
        raise FaceGeomError(
            f"ridge of {method} must be a number of at least 0, gcv, kfold or null, got {ridge!r}."
        )
    if rank is not None and (not isinstance(rank, int) or isinstance(rank, bool) or rank < 1):
        raise FaceGeomError(
            f"rank of {method} must be a whole number at least 1, or null, got {rank!r}."
        )
