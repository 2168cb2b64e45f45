"""An editor moves one attribute in given photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from facegeom_lit.attributes import AttributeSpec
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.photometric import Pixels


@dataclass(frozen=True, slots=True)
class Edit:
    """One change that is asked for.

    Args:
        attribute: What moves.
        value: The wanted value, in the attribute's own unit.
        share: Where that lies relative to the middle of the curve: 0 leaves the attribute as it
            is, +1 goes as far as the wording's strength allows towards the high end of the range,
            -1 as far towards the low end.
        seed: Of all that is drawn for the image.

    Raises:
        FaceGeomError: When the share lies outside [-1, 1].
    """

    attribute: AttributeSpec
    value: float
    share: float
    seed: int

    def __post_init__(self) -> None:
        """Check the share."""
        if not -1 <= self.share <= 1:
            raise FaceGeomError(
                f"An edit's share must lie in [-1, 1], got {self.share} for attribute "
                f"{self.attribute.name!r}."
            )


class Editor(Protocol):
    """Anything that moves an attribute in given photos.

    A share of 0 goes through the same model, so that a curve's middle image carries the same
    artefacts as its ends and only the attribute differs between them.
    """

    @property
    def name(self) -> str:
        """What is written into the column `source`."""

    @property
    def version(self) -> str:
        """Changes whenever the same edit would give another image."""

    def edit(self, photos: Sequence[Pixels], edits: Sequence[Edit]) -> list[Pixels]:
        """Return one uint8 (112, 112, 3) RGB image for each photo, whatever the batch.

        Args:
            photos: Aligned faces, uint8 (112, 112, 3), RGB.
            edits: One for each photo.
        """
