"""What a migration map says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, check_distance
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.migration.profile import Reading

VERSION = 1
"""Of the format of map files."""
ARRAY = "array:"
"""Begins the hash of a model of which only embeddings are known, by the name of their array."""

OLD, UNMAPPED, MAPPED, REENROLLED = "old", "unmapped", "mapped", "re-enrolled"
WAYS = {
    OLD: "old probes, old gallery",
    UNMAPPED: "new probes, old gallery",
    MAPPED: "new probes, mapped gallery",
    REENROLLED: "new probes, new gallery",
}
"""The four ways to run on a gallery, from before the change to after enrolling everybody anew."""

Figures = dict[str, Interval]


@dataclass(frozen=True)
class Side:
    """One of the two models.

    Attributes:
        name: Of its card, or of its array where only embeddings are known.
        hash: `model_hash`, or `array:NAME`.
        dimension: Of its embeddings.
        distance: How they are compared.
    """

    name: str
    hash: str
    dimension: int
    distance: Distance

    def __post_init__(self) -> None:
        check_distance(self.distance)
        if not (isinstance(self.name, str) and isinstance(self.hash, str)):
            raise FaceGeomError(f"A model's name and hash are text, got {self.name!r}.")

    @property
    def normalized(self) -> bool:
        """Whether the map takes or gives embeddings of length 1: those of cosine models."""
        return self.distance == "cosine"

    @property
    def known(self) -> bool:
        """Whether the model itself was there, and not only an array of its embeddings."""
        return not self.hash.startswith(ARRAY)


@dataclass(frozen=True)
class AnchorCurve:
    """How good a map is when it is fitted on some of the anchor images only.

    Attributes:
        steps: Numbers of images, increasing; each step holds the images of those before.
        figures: Name → its value with its interval at each step, on people not fitted on.
        figure: Name of the one that decides.
        gain: What is too little to be worth more anchors.
    """

    steps: tuple[int, ...]
    figures: dict[str, tuple[Interval, ...]]
    figure: str
    gain: float

    @property
    def needed(self) -> int | None:
        """Images beyond which less than `gain` is gained; None where the last step still gains."""
        values = [entry.value or 0.0 for entry in self.figures[self.figure]]
        for index, step in enumerate(self.steps[:-1]):
            if max(values[index + 1 :]) - values[index] < self.gain:
                return step
        return None


@dataclass(frozen=True)
class MapCard:
    """All that must be known to use a map, and what to expect of it.

    Attributes:
        old: Model of the gallery.
        new: Model of the probes.
        flip: Whether an image and its mirror image were averaged; None: embeddings were given.
        method: Of the fit, with its `ridge` (λ), `rank`, `scale` and `bias`.
        images: Anchor images; the map of the file is fitted on all of them.
        people: Anchor people.
        judged_images: Images of the people that the figures are measured on.
        judged_people: These people; the map that is measured was fitted on the others.
        anchors: Hash of the anchor set.
        expected: Way (`WAYS`) → figures: `rank1`, `tar@1e-3` …
        lost: Unmapped and mapped → what they lose against re-enrolling, paired over people.
        recovered: Share of rank-1 between unmapped and re-enrolled that the map recovers.
        curve: Figures against the number of anchors.
        held_out: What the check of galleries reads on the judging people.
        level: Coverage of the intervals.
        seed: Of the split and the draws.
        versions: Of the packages that fitted it.
    """

    old: Side
    new: Side
    flip: bool | None
    method: str
    ridge: float | None
    rank: int | None
    scale: bool
    bias: bool
    images: int
    people: int
    judged_images: int
    judged_people: int
    anchors: str
    expected: dict[str, Figures]
    lost: dict[str, Figures]
    recovered: Interval
    curve: AnchorCurve
    held_out: Reading
    level: float
    seed: int
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The card as plain values."""
        return {"format_version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str) -> MapCard:
        """Make a card from `to_json`'s values.

        Raises:
            FaceGeomError: When it is of a later version, or a value is missing or of another kind.
        """
        version = value.get("format_version")
        if version != VERSION:
            raise FaceGeomError(
                f"{where} is of format version {version!r}, this program reads {VERSION}. Use the "
                "version of facegeom_lit that wrote it."
            )
        try:
            given = {entry.name: value[entry.name] for entry in fields(cls)}
            curve = given["curve"]
            steps = {n: tuple(_interval(i) for i in all_) for n, all_ in curve["figures"].items()}
            held = {f"held_out.{name}": entry for name, entry in given["held_out"].items()}
            named = {f"curve.{name}": curve[name] for name in ("figure", "gain")}
            _check_kinds({**given, **held, **named})
            _check_lengths(curve, given["lost"])
            return cls(
                **given
                | {
                    "old": Side(**given["old"]),
                    "new": Side(**given["new"]),
                    "expected": {way: _figures(given["expected"][way]) for way in WAYS},
                    "lost": {way: _figures(given["lost"][way]) for way in (UNMAPPED, MAPPED)},
                    "recovered": _interval(given["recovered"]),
                    "curve": AnchorCurve(
                        tuple(curve["steps"]), steps, curve["figure"], curve["gain"]
                    ),
                    "held_out": Reading(**given["held_out"]),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FaceGeomError(
                f"{where}: its card is damaged ({type(error).__name__}: {error}). Copy the file "
                "again."
            ) from error


_KINDS: dict[type | UnionType, tuple[str, ...]] = {
    str: ("method", "anchors", "curve.figure"),
    int: ("images", "people", "judged_images", "judged_people", "seed", "held_out.axes"),
    bool: ("scale", "bias"),
    float | int: ("level", "curve.gain", "held_out.distance"),
    float | None: ("ridge", "held_out.agreement"),
    int | None: ("rank",),
    bool | None: ("flip",),
    dict: ("versions",),
}


def _check_kinds(given: Mapping[str, Any]) -> None:
    """Raise TypeError where a value is of another kind than it should be."""
    for kind, names in _KINDS.items():
        for name in names:
            if not isinstance(given[name], kind):
                raise TypeError(f"{name} is {given[name]!r}")


def _check_lengths(curve: Mapping[str, Any], lost: Mapping[str, Any]) -> None:
    """Raise where a figure that is asked for later is not there at every step."""
    steps, figure = curve["steps"], curve["figure"]
    if not steps or not all(isinstance(step, int) for step in steps):
        raise ValueError(f"steps are {steps}")
    if wrong := [name for name, all_ in curve["figures"].items() if len(all_) != len(steps)]:
        raise ValueError(f"{wrong[0]} has not {len(steps)} steps")
    for figures in (curve["figures"], lost[UNMAPPED], lost[MAPPED]):
        figures[figure]


def _figures(value: Mapping[str, Any]) -> Figures:
    return {name: _interval(entry) for name, entry in value.items()}


def _interval(value: Mapping[str, Any]) -> Interval:
    for entry in value.values():
        if not isinstance(entry, float | int | None):
            raise TypeError(f"{entry!r} is no number")
    return Interval(**value)
