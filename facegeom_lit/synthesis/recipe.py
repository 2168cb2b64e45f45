"""The recipe of a face set: which people, which attribute values, which seeds."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from statistics import NormalDist
from typing import Any, Literal, get_args

from facegeom_lit.attributes import MEASURED, AttributeSpec, vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import ImageFormat

RecipeKind = Literal["training", "lattice", "coverage"]
_WITHOUT = 0.5  # share of a coverage set's images without what a face may lack: glasses, beard


@dataclass(frozen=True, slots=True)
class Sample:
    """One image to make.

    Args:
        identity: Name of the person.
        identity_seed: What the person's face follows from.
        attributes: Value of every attribute of the vocabulary.
        seed: Of everything else in the image: background, grain, strands of hair.
        node: Number of the lattice node within its identity, -1 for none.
        moving: The attribute that moves from the node's middle image; "" for none.
        step: 0, 1, 2 for a - δ, a, a + δ.
    """

    identity: str
    identity_seed: int
    attributes: dict[str, float]
    seed: int
    node: int = -1
    moving: str = ""
    step: int = 1


@dataclass(frozen=True)
class Recipe:
    """What to generate.

    A person follows from their number alone, so person 7 has the same face, age, hair … in every
    recipe. `training` gives each person images spread evenly over the targeted attribute's range;
    `lattice` gives each person nodes, each with one middle image and two images along every
    measured attribute (Leroy et al., ICML 2025, with the middle image shared by the attributes).
    `coverage` draws every facial attribute over its whole range, independently for each image, so
    that nothing goes with anything else: what a generator or a regressor learns attributes from.

    Args:
        kind: `training` (also for verification sets), `lattice` or `coverage`.
        identities: Number of people.
        first_identity: Number of the first; sets that must not share people start apart.
        images_per_identity: Images of each person (`training`, `coverage`).
        nodes: Nodes of each person (`lattice`).
        attribute: The targeted attribute (`training`), None for none.
        measured: The attributes that move (`lattice`).
        seed: Of all that is drawn for an image or a node.
        image_format: How images are stored.
        quality: JPEG quality.
        split: Value of the column `split`.
        spread: Standard deviation of attributes that vary by image, in lattice steps.
        persistent: Range of attributes that belong to a person, where it is not the attribute's
            own; values are cut to the attribute's own range.
        specs: The attributes; default: the vocabulary.

    Raises:
        FaceGeomError: When an argument is unknown or out of range; the message names it.

    Example:
        >>> recipe = Recipe("lattice", identities=2, nodes=3, measured=("age", "hue"))
        >>> len(recipe), recipe.unit
        (30, 5)
    """

    kind: RecipeKind
    identities: int
    first_identity: int = 0
    images_per_identity: int = 0
    nodes: int = 0
    attribute: str | None = None
    measured: tuple[str, ...] = ()
    seed: int = 0
    image_format: ImageFormat = "webp"
    quality: int = 95
    split: str = "faces"
    spread: float = 1.0
    persistent: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    specs: Mapping[str, AttributeSpec] = field(default_factory=vocabulary)

    def __post_init__(self) -> None:
        """Check the arguments."""
        count = "nodes" if self.kind == "lattice" else "images_per_identity"
        if self.kind not in get_args(RecipeKind):
            raise FaceGeomError(f"kind must be one of {get_args(RecipeKind)}, got {self.kind!r}.")
        if self.image_format not in get_args(ImageFormat):
            raise FaceGeomError(
                f"format must be one of {get_args(ImageFormat)}, got {self.image_format!r}."
            )
        ranges = {"identities": (1, 2**31), count: (1, 2**31), "first_identity": (0, 2**31)}
        ranges |= {"seed": (0, 2**63), "quality": (1, 100)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise FaceGeomError(
                    f"{name} must be a whole number of at least {low} and at most {high}, "
                    f"got {value!r}."
                )
        if self.kind == "lattice" and not self.measured:
            raise FaceGeomError("A lattice needs at least one measured attribute.")
        if len(set(self.measured)) < len(self.measured):
            raise FaceGeomError(f"measured names an attribute twice: {', '.join(self.measured)}.")
        for name in (*self.measured, *self.persistent, *filter(None, [self.attribute])):
            if name not in self.specs:
                raise FaceGeomError(f"Unknown attribute {name!r}. Known: {', '.join(self.specs)}.")

    @property
    def unit(self) -> int:
        """Number of images that belong together: those of one node, or a single one."""
        return 1 + 2 * len(self.measured) if self.kind == "lattice" else 1

    @property
    def rows_per_identity(self) -> int:
        """Number of images of each person."""
        return self.nodes * self.unit if self.kind == "lattice" else self.images_per_identity

    def __len__(self) -> int:
        """Return the number of images."""
        return self.identities * self.rows_per_identity

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the images, the attributes' ranges and steps included."""
        persistent = {name: list(pair) for name, pair in self.persistent.items()}
        specs = {name: spec.to_dict() for name, spec in self.specs.items()}
        changed = {"measured": list(self.measured), "persistent": persistent, "specs": specs}
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, **changed}

    @property
    def hash(self) -> str:
        """SHA-256 of `to_dict`."""
        return sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def samples(self, start: int = 0, stop: int | None = None) -> list[Sample]:
        """Return the images `start` … `stop` - 1; only those people are drawn."""
        stop = len(self) if stop is None else min(stop, len(self))
        rows = self.rows_per_identity
        first = start // rows
        drawn = [s for k in range(first, -(-stop // rows)) for s in self._identity_samples(k)]
        return drawn[start - first * rows : stop - first * rows]

    def _identity_samples(self, position: int) -> Iterator[Sample]:
        number = self.first_identity + position
        makers = {
            "lattice": self._lattice_samples,
            "training": self._training_samples,
            "coverage": self._coverage_samples,
        }
        return makers[self.kind](f"r{number:06d}", number, self._person(number))

    def _training_samples(
        self, name: str, number: int, person: dict[str, float]
    ) -> Iterator[Sample]:
        for image in range(self.images_per_identity):
            key = f"{self.seed}/{number}/{image}"
            values = {}
            for spec in self.specs.values():
                if spec.name == self.attribute:
                    # stratified: evenly spread, and never the same values for two people
                    share = (image + _uniform(f"{key}/{spec.name}")) / self.images_per_identity
                    values[spec.name] = spec.low + share * (spec.high - spec.low)
                elif spec.varies == "image":
                    values[spec.name] = self._around_default(key, spec, spec.low, spec.high)
                else:
                    values[spec.name] = person[spec.name]
            yield Sample(name, number, values, _seed(key))

    def _lattice_samples(
        self, name: str, number: int, person: dict[str, float]
    ) -> Iterator[Sample]:
        for node in range(self.nodes):
            key = f"{self.seed}/{number}/{node}"
            values = {}
            for spec in self.specs.values():
                low, high = spec.centers if spec.name in self.measured else (spec.low, spec.high)
                if spec.name in self.measured and spec.varies == "identity":
                    values[spec.name] = low + _uniform(f"{key}/{spec.name}") * (high - low)
                elif spec.name in self.measured or spec.varies == "image":
                    values[spec.name] = self._around_default(key, spec, low, high)
                else:
                    values[spec.name] = person[spec.name]
            seed = _seed(key)
            yield Sample(name, number, values, seed, node)
            for moving in self.measured:
                for step in (0, 2):
                    spec = self.specs[moving]
                    moved = min(max(values[moving] + (step - 1) * spec.step, spec.low), spec.high)
                    yield Sample(name, number, {**values, moving: moved}, seed, node, moving, step)

    def _coverage_samples(
        self, name: str, number: int, person: dict[str, float]
    ) -> Iterator[Sample]:
        for image in range(self.images_per_identity):
            key = f"{self.seed}/{number}/{image}"
            values = {}
            for spec in self.specs.values():
                values[spec.name] = spec.default
                lacking = spec.default == spec.low and _uniform(f"{key}/{spec.name}?") < _WITHOUT
                if spec.kind == "facial" and not lacking:
                    share = _uniform(f"{key}/{spec.name}")
                    values[spec.name] = spec.low + share * (spec.high - spec.low)
            yield Sample(name, number, values, _seed(key))

    def _person(self, number: int) -> dict[str, float]:
        """Return the values that belong to a person; other attributes are at their default."""
        values = {}
        for spec in self.specs.values():
            values[spec.name] = spec.default
            if spec.varies == "identity":
                low, high = self.persistent.get(spec.name, (spec.low, spec.high))
                drawn = low + _uniform(f"person/{number}/{spec.name}") * (high - low)
                values[spec.name] = min(max(drawn, spec.low), spec.high)
        return values

    def _around_default(self, key: str, spec: AttributeSpec, low: float, high: float) -> float:
        share = min(max(_uniform(f"{key}/{spec.name}"), 1e-9), 1 - 1e-9)
        drawn = spec.default + self.spread * spec.step * NormalDist().inv_cdf(share)
        return min(max(drawn, low), high)


def recipe_from_config(
    kind: str,
    synthesis: Mapping[str, Any],
    *,
    attribute: AttributeSpec | None = None,
    measured: tuple[str, ...] = MEASURED,
    seed: int = 0,
) -> Recipe:
    """Make a recipe from the `synthesis` configuration group.

    Args:
        kind: Which of its sets: `training`, `curves` (people to train on, as a lattice of the
            targeted attribute alone), `lattice`, `verification` or `coverage`.
        synthesis: The group; its entry `kind` counts people and images. `target_varies` says how
            the target of a training set is drawn: spread over each person's images (`image`), or
            as one value for each person (`identity`).
        attribute: The targeted attribute of a training set. Its range and step count instead of the
            vocabulary's, in a lattice too.
        measured: The attributes of a lattice.
        seed: See `Recipe`.

    Raises:
        FaceGeomError: When the kind is unknown, a value is out of range, or curves lack a target.
    """
    kinds = ("training", "curves", "lattice", "verification", "coverage")
    if kind not in kinds:
        raise FaceGeomError(f"kind must be one of {', '.join(kinds)}, got {kind!r}.")
    specs = {**vocabulary(), **({attribute.name: attribute} if attribute else {})}
    persistent = {
        str(name): _pair(f"synthesis.persistent.{name}", pair)
        for name, pair in synthesis["persistent"].items()
    }
    target = attribute.name if attribute and kind == "training" else None
    if target and _target_varies(synthesis) == "identity":
        specs[target] = replace(specs[target], varies="identity")
        persistent.pop(target, None)  # over the same range as where it varies by image
        target = None
    if kind == "curves":
        if attribute is None:
            raise FaceGeomError("Curves move an attribute, but attribute=none. Choose one.")
        measured = (attribute.name,)
    made = {"verification": "training", "curves": "lattice"}.get(kind, kind)
    return Recipe(
        kind=made,  # type: ignore[arg-type]
        **{str(name): value for name, value in synthesis[kind].items()},
        attribute=target,
        measured=tuple(measured) if made == "lattice" else (),
        seed=seed,
        image_format=synthesis["format"],
        quality=synthesis["quality"],
        split=kind,
        spread=_number("synthesis.spread", synthesis["spread"]),
        persistent=persistent,
        specs=specs,
    )


def _target_varies(synthesis: Mapping[str, Any]) -> str:
    varies: str = synthesis["target_varies"]
    if varies not in ("image", "identity"):
        raise FaceGeomError(f"synthesis.target_varies must be image or identity, got {varies!r}.")
    return varies


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FaceGeomError(f"{key} must be a finite number, got {value!r}.")
    return float(value)


def _pair(key: str, value: Any) -> tuple[float, float]:
    if len(value) != 2:
        raise FaceGeomError(f"{key} must be [low, high], got {value!r}.")
    return _number(key, value[0]), _number(key, value[1])


def _uniform(key: str) -> float:
    """Draw from [0, 1) what the key says: in Python's library this never changes."""
    return random.Random(key).random()


def _seed(key: str) -> int:
    """Return 63 bits of the key's hash."""
    return int.from_bytes(sha256(key.encode()).digest()[:8], "big") >> 1
