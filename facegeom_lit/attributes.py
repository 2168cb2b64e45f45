"""Attributes: what can be moved in a face image, over which range and in which steps.

The vocabulary is read from `conf/attribute/*.yaml`, one small file each, so that a run's
configuration and the package can never disagree about an attribute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, get_args

import yaml

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.resources import resource

Kind = Literal["facial", "image"]
Varies = Literal["identity", "image", "never"]

MEASURED: tuple[str, ...] = (
    "pose",
    "age",
    "hair_color",
    "illumination",
    "expression",
    "brightness",
    "contrast",
    "hue",
)
"""The eight attributes measured by Leroy et al. (ICML 2025), the default measured set."""

MIRRORED = frozenset({"pose", "illumination"})
"""Attributes whose value changes sign when an image is mirrored."""

BASELINE = "none"
"""The name of the un-augmented baseline: a choice of run, not an attribute."""


@dataclass(frozen=True, slots=True)
class Editing:
    """How a text-guided editor is told to move an attribute.

    Args:
        positive: A person at the high end of the range, as in "a photo of ...".
        negative: A person at its low end.
        strength: Share of image-to-image noise, from the smallest to the largest change.

    Raises:
        FaceGeomError: When a text is empty, or the strengths are not 0 < low <= high <= 1; the
            message names the key.
    """

    positive: str
    negative: str
    strength: tuple[float, float]

    def __post_init__(self) -> None:
        """Check the values."""
        for key in ("positive", "negative"):
            text = getattr(self, key)
            if not isinstance(text, str) or not text.strip():
                raise FaceGeomError(f"{key} must be a text that describes a person, got {text!r}.")
        low, high = self.strength
        if not 0 < low <= high <= 1:
            raise FaceGeomError(
                f"strength must be [low, high] with 0 < low <= high <= 1, got [{low}, {high}]."
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> Editing:
        """Make it from a configuration node; `where` is the node's key, for errors.

        Raises:
            FaceGeomError: When a key is missing, unknown or wrong.
        """
        expected = {"positive", "negative", "strength"}
        if not isinstance(values, Mapping) or set(values) != expected:
            raise FaceGeomError(f"{where} must hold {', '.join(sorted(expected))}, got {values!r}.")
        try:
            low, high = (float(number) for number in values["strength"])
        except (TypeError, ValueError):
            raise FaceGeomError(
                f"{where}.strength must be [low, high], got {values['strength']!r}."
            ) from None
        try:
            return cls(values["positive"], values["negative"], (low, high))
        except FaceGeomError as error:
            raise FaceGeomError(f"{where}.{error}") from None


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """One attribute of a face image.

    Args:
        name: Its name, as in `attribute=<name>`.
        kind: `facial` (made by the generator) or `image` (made by the image operator).
        low: Lower end of the range, in `unit`.
        high: Upper end of the range.
        step: Lattice step δ: a curve holds the values a - δ, a, a + δ.
        default: The value of an image in which the attribute is left alone.
        unit: What the numbers mean.
        varies: How the attribute is drawn where it is not the target: once for each
            `identity`, for each `image`, or `never` (it stays at its default).
        wording: How the attribute is described in text, for reports.
        editing: How a text-guided editor is told to move it; None: such an editor cannot.

    Raises:
        FaceGeomError: When the values contradict each other.

    Example:
        >>> vocabulary()["pose"].centers
        (-45.0, 45.0)
    """

    name: str
    kind: Kind
    low: float
    high: float
    step: float
    default: float
    unit: str
    varies: Varies
    wording: str
    editing: Editing | None = None

    def __post_init__(self) -> None:
        """Check the values against each other."""
        numbers = (self.low, self.high, self.step, self.default)
        problem = ""
        if not all(math.isfinite(number) for number in numbers):
            problem = "low, high, step and default must be finite numbers"
        elif not self.low <= self.default <= self.high:
            problem = f"default {self.default} lies outside [{self.low}, {self.high}]"
        elif not 0 < 2 * self.step <= self.high - self.low:
            problem = (
                f"step {self.step} must be positive and at most half of the range "
                f"[{self.low}, {self.high}], or no curve fits"
            )
        elif self.kind not in get_args(Kind):
            problem = f"kind must be one of {get_args(Kind)}, got {self.kind!r}"
        elif self.varies not in get_args(Varies):
            problem = f"varies must be one of {get_args(Varies)}, got {self.varies!r}"
        if problem:
            raise FaceGeomError(f"attribute.{self.name}: {problem}.")

    @property
    def centers(self) -> tuple[float, float]:
        """Smallest and largest value a curve's middle image can have."""
        return self.low + self.step, self.high - self.step

    def check(self, value: float) -> float:
        """Return `value` when it is within the range.

        Raises:
            FaceGeomError: When it is not, or is NaN.
        """
        if not self.low <= value <= self.high:
            raise FaceGeomError(
                f"attribute {self.name!r}: value {value} lies outside "
                f"[{self.low}, {self.high}] {self.unit}."
            )
        return value

    def to_dict(self) -> dict[str, Any]:
        """Return what decides an image for given values: all fields but the editors' wording."""
        values = asdict(self)
        del values["editing"]
        return values

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> AttributeSpec:
        """Make a spec from a configuration node.

        Raises:
            FaceGeomError: When a key is missing or unknown, or a number is not one.
        """
        expected = cls.__dataclass_fields__
        name = values.get("name", "?")
        unknown = sorted(set(values) - set(expected))
        missing = sorted(set(expected) - set(values) - {"editing"})
        if unknown or missing:
            raise FaceGeomError(
                f"attribute.{name}: unknown keys {unknown}, missing keys {missing}."
            )
        try:
            numbers = {key: float(values[key]) for key in ("low", "high", "step", "default")}
        except (TypeError, ValueError) as error:
            raise FaceGeomError(f"attribute.{name}: not a number ({error}).") from None
        editing = values.get("editing")
        if editing is not None:
            editing = Editing.from_mapping(editing, f"attribute.{name}.editing")
        return cls(**{**values, **numbers, "editing": editing})


@cache
def vocabulary() -> dict[str, AttributeSpec]:
    """Return every attribute by name, in alphabetical order, from `conf/attribute`."""
    specs = {}
    for file in sorted((resource("conf") / "attribute").glob("*.yaml")):
        if file.stem == BASELINE:
            continue
        spec = AttributeSpec.from_mapping(yaml.safe_load(file.read_text(encoding="utf-8")))
        if spec.name != file.stem:
            raise FaceGeomError(f"{file.name} names its attribute {spec.name!r}; use one name.")
        specs[spec.name] = spec
    return specs


def attribute(name: str) -> AttributeSpec:
    """Return the attribute called `name`.

    Raises:
        FaceGeomError: When there is none; the message lists those there are.
    """
    try:
        return vocabulary()[name]
    except KeyError:
        raise FaceGeomError(
            f"Unknown attribute {name!r}. Known: {', '.join(vocabulary())}."
        ) from None
