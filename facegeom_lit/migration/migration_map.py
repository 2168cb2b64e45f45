"""A map that turns templates of an old model into such of a new one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from facegeom_lit.geometry.alignment.affine import AffineMap
from facegeom_lit.geometry.points import normalized
from facegeom_lit.migration.card import MapCard, Side
from facegeom_lit.migration.profile import Profile


@dataclass(frozen=True, eq=False)
class MigrationMap:
    """A fitted map with all that its use needs.

    Attributes:
        mapping: From the old model's embeddings to the new one's; both of length 1 where their
            model is compared by the cosine.
        profile: Of the old model's embeddings, to know them by.
        people: Hash of the name of each anchor person, see `names`.
        card: What it is and what to expect.
    """

    mapping: AffineMap
    profile: Profile
    people: frozenset[bytes]
    card: MapCard

    def __call__(self, templates: Tensor) -> Tensor:
        """Map templates, raw or normalised, (N, p), to the new model's space, (N, q)."""
        return mapped(self.mapping, templates, self.card.old, self.card.new)


def placed(templates: Tensor, side: Side) -> Tensor:
    """Templates of a model as a map takes them: of length 1 where they are compared by cosine."""
    return normalized(templates) if side.normalized else templates


def mapped(mapping: AffineMap, templates: Tensor, old: Side, new: Side) -> Tensor:
    """Normalise where the old model is, map, and normalise where the new one is."""
    return placed(mapping(placed(templates, old)), new)
