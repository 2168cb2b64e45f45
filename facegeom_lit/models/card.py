"""The facts about a face model that travel with its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from facegeom_lit.errors import FaceGeomError

CHOICES = {
    "color_order": ("RGB", "BGR"),
    "fit": ("crop", "resize"),
    "distance": ("cosine", "euclidean"),
}


@dataclass(frozen=True)
class ModelCard:
    """How to feed a face model and compare its embeddings, and where it comes from.

    Attributes:
        name: Name of the model, as in tables and figures.
        architecture: Key of `facegeom_lit.models.backbones.ARCHITECTURES`.
        arguments: Arguments of that architecture.
        dimension: Length of the embedding.
        color_order: "RGB" or "BGR": the order in which the network takes its channels.
        mean: Subtracted from each channel, in units of 0–255, in the network's channel order.
        std: Divides each channel after that.
        size: (H, W) of the network's input.
        fit: How an aligned 112×112 crop becomes `size`: "crop" its centre or "resize" it.
        distance: "cosine" or "euclidean": how embeddings are compared.
        licence: Terms of the weights; "not stated" when their publisher says nothing.
        source: Where the weights come from.
        hash: `weights_hash` of the weights; empty for fresh ones.
        training: Free: recipe, seed, measured figures.

    Raises:
        FaceGeomError: When a value is not usable.
    """

    name: str
    architecture: str
    dimension: int
    arguments: dict[str, Any] = field(default_factory=dict)
    color_order: str = "RGB"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)
    size: tuple[int, int] = (112, 112)
    fit: str = "crop"
    distance: str = "cosine"
    licence: str = "not stated"
    source: str = "not stated"
    hash: str = ""
    training: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("name", "architecture", "licence", "source", "hash"):
            if not isinstance(getattr(self, key), str):
                raise FaceGeomError(
                    f"Model card {self.name!r}: `{key}` must be text, got {getattr(self, key)!r}."
                )
        for key, known in CHOICES.items():
            if getattr(self, key) not in known:
                raise FaceGeomError(
                    f"Model card {self.name!r}: `{key}` must be one of {known}, "
                    f"got {getattr(self, key)!r}."
                )
        for key in ("arguments", "training"):
            if not isinstance(getattr(self, key), Mapping):
                raise FaceGeomError(
                    f"Model card {self.name!r}: `{key}` must map names to values, "
                    f"got {getattr(self, key)!r}."
                )
        for key, length, kind in (("mean", 3, float), ("std", 3, float), ("size", 2, int)):
            object.__setattr__(self, key, self._numbers(key, length, kind))
        if min(self.std) <= 0 or min(self.size) <= 0 or self.dimension <= 0:
            raise FaceGeomError(
                f"Model card {self.name!r}: `std`, `size` and `dimension` must be positive, "
                f"got {self.std}, {self.size} and {self.dimension}."
            )

    def _numbers(self, key: str, length: int, kind: type) -> tuple[Any, ...]:
        value = getattr(self, key)
        numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
        if len(numbers) != length or not all(
            isinstance(number, int | float) and math.isfinite(number) for number in numbers
        ):
            raise FaceGeomError(
                f"Model card {self.name!r}: `{key}` must hold {length} numbers, got {value!r}."
            )
        return tuple(kind(number) for number in numbers)

    def to_json(self) -> dict[str, Any]:
        """The card as plain values, ready for `json.dumps`."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "model card") -> ModelCard:
        """Make a card from `to_json`'s values.

        Args:
            value: The values by field name.
            where: The file they come from, for messages.

        Raises:
            FaceGeomError: When a field is missing, unknown or unusable.

        Example:
            >>> card = ModelCard("small", "vit", dimension=128)
            >>> ModelCard.from_json(card.to_json()) == card
            True
        """
        if not isinstance(value, Mapping):
            raise FaceGeomError(f"{where} must hold an object of card fields, got {value!r}.")
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(value) - set(known))
        missing = [name for name in ("name", "architecture", "dimension") if name not in value]
        if unknown or missing:
            raise FaceGeomError(
                f"{where}: unknown fields {unknown}, missing fields {missing}. "
                f"A card holds: {', '.join(known)}."
            )
        try:
            return cls(**value)
        except FaceGeomError as error:
            raise FaceGeomError(f"{where}: {error}") from error
        except TypeError as error:
            problem = f"{where}: a field has a value of the wrong kind: {error}."
            raise FaceGeomError(problem) from error
