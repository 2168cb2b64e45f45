"""Whether a gallery is of the model that a map takes: by what it says, and by how it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries import Gallery
from facegeom_lit.geometry.points import lengths
from facegeom_lit.migration.card import ARRAY, MapCard, Side
from facegeom_lit.migration.map_file import map_hash
from facegeom_lit.migration.migration_map import MigrationMap, placed
from facegeom_lit.migration.profile import FEWEST, Profile, Reading

MAP = "map"
"""Fact of a migrated gallery: `map_hash` of the map that made it."""
FLIP = "flip"
"""Fact of a gallery: whether its embeddings are means over an image and its mirror image."""
SAMPLE = 4096
"""Templates that are looked at, in blocks spread over the whole gallery."""
_BLOCKS = 16
FARTHER = 2.0
"""So many times as far as held-out people, other faces of a model are not: 1.6 at most was measured
from CelebA to AT&T, while other models begin at 2.5 (but for the roundest of nine, at 1.2, which
the agreement of axes tells apart)."""


@dataclass(frozen=True)
class GalleryCheck:
    """What the check of a gallery found.

    Attributes:
        reading: Of its templates in the profile of the old model.
        notes: What could not be checked.
    """

    reading: Reading
    notes: tuple[str, ...]


def check_gallery(
    gallery: Gallery, migration: MigrationMap, *, stated: str | None = None
) -> GalleryCheck:
    """Refuse a gallery that the map does not take.

    Args:
        gallery: The gallery.
        migration: The map.
        stated: Hash of the gallery's model where somebody knows it; None: the gallery's own word.

    Returns:
        What was found.

    Raises:
        FaceGeomError: When the gallery is of another model by its hash, its dimension or its looks,
            is migrated already, or holds rows that no map takes.
    """
    card, where = migration.card, str(gallery.path)
    notes = _check_origin(gallery, migration, stated)
    if gallery.dimension != card.old.dimension:
        raise FaceGeomError(
            f"{where} holds templates of {gallery.dimension} dimensions, the map takes those of "
            f"{card.old.name!r}, of {card.old.dimension}: the gallery is of another model."
        )
    templates = sampled(gallery)
    check_lengths(templates, card.old, where)
    reading = migration.profile.read(placed(templates, card.old))
    if unlike := unlikeness(reading, card):
        # Its own word is the better evidence: other cameras and other people look different too.
        if not (gallery.model and _same(gallery.model, card.old.hash)):
            raise FaceGeomError(f"{where} {unlike}")
        notes.append(f"{where} says which model made it, but {unlike}")
    if reading.agreement is None:
        notes.append(f"{reading.rows} templates are too few to know a model's axes by ({FEWEST}).")
    if card.held_out.agreement is None:
        notes.append(
            f"The map's card knows {card.held_out.rows} held-out images, too few to know a gallery "
            f"by its looks ({FEWEST})."
        )
    elif agreement_limit(card.held_out) is None:
        notes.append("The anchors' embeddings are too round to know the model's axes by.")
    return GalleryCheck(reading, tuple(notes))


def check_looks(templates: Tensor, profile: Profile, card: MapCard, where: str) -> Reading:
    """Refuse templates that do not look like those of the old model.

    Args:
        templates: (N, p), raw.
        profile: Of the old model.
        card: Of the map, with what held-out people read.
        where: What they are, for the message.

    Raises:
        FaceGeomError: With both figures and their limits.
    """
    found = profile.read(placed(templates, card.old))
    if unlike := unlikeness(found, card):
        raise FaceGeomError(f"{where} {unlike}")
    return found


def unlikeness(found: Reading, card: MapCard) -> str | None:
    """Say how templates differ from those of the old model; None where they look alike.

    Few held-out images (`FEWEST`) tell too little to say anything by.

    Args:
        found: Of the templates.
        card: Of the map, with what held-out people read.
    """
    held = card.held_out
    if held.agreement is None:
        return None
    limit, farthest = agreement_limit(held), FARTHER * held.distance
    low = limit is not None and found.agreement is not None and found.agreement < limit
    if not low and found.distance <= farthest:
        return None
    shown = "" if found.agreement is None else f"agreement of axes {found.agreement:.2f}"
    if shown and limit is not None:
        shown += f" (at least {limit:.2f}; held-out people {held.agreement:.2f})"
    return (
        f"does not look like templates of {card.old.name!r}: {shown}{', ' * bool(shown)}"
        f"Mahalanobis distance {found.distance:.2f} (at most {farthest:.2f}; held-out people "
        f"{held.distance:.2f}), in {found.rows} templates. They are of another model, their "
        "columns are in another order, or they are scaled. Use the map of their model."
    )


def agreement_limit(held_out: Reading) -> float | None:
    """The least agreement with the old model's axes; None where held-out people have no more."""
    known = held_out.agreement is not None and held_out.agreement > held_out.chance
    return held_out.chance if known else None


def check_lengths(templates: Tensor, side: Side, where: str) -> None:
    """Refuse templates of length zero, and unit ones of a model that is not compared by cosine.

    Raises:
        FaceGeomError: Which names the first such row, or what is missing.
    """
    sizes = lengths(templates)
    if side.normalized:
        if zero := int((sizes == 0).sum()):
            raise FaceGeomError(
                f"{where} has templates of length zero ({zero} of {len(templates)} looked at), "
                "which have no direction. Leave them out."
            )
    elif len(sizes) > 1 and bool(((sizes - 1).abs() < 1e-3).all()):
        raise FaceGeomError(
            f"{where} holds templates of length 1, but {side.name!r} is compared by the Euclidean "
            "distance and its map takes raw ones: their lengths are lost. Enrol raw templates."
        )


def sampled(gallery: Gallery) -> Tensor:
    """Some thousand templates, in blocks spread evenly over the gallery, (n, D) float32."""
    if gallery.count <= SAMPLE:
        rows = gallery.rows(0, gallery.count)
    else:
        size = SAMPLE // _BLOCKS
        starts = np.linspace(0, gallery.count - size, _BLOCKS).astype(int).tolist()
        rows = np.concatenate([gallery.rows(start, start + size) for start in starts])
    return torch.from_numpy(rows.astype(np.float32))


def _check_origin(gallery: Gallery, migration: MigrationMap, stated: str | None) -> list[str]:
    """Refuse by hashes; return what they could not tell."""
    card, where, recorded = migration.card, gallery.path, gallery.model
    if gallery.facts.get(MAP) == map_hash(migration):
        raise FaceGeomError(f"{where} is migrated already, by this map.")
    if recorded is not None and stated is not None and not _same(recorded, stated):
        raise FaceGeomError(
            f"{where} says that its model is {recorded[:16]}…, gallery_model says {stated[:16]}…. "
            "Leave gallery_model out, or give the right gallery."
        )
    model = recorded if recorded is not None else stated
    if model is None:
        return [f"{where} does not say which model made it; its looks alone were checked."]
    if _same(model, card.new.hash):
        raise FaceGeomError(
            f"{where} holds templates of the new model, {card.new.name!r}, already: it was "
            "migrated, or enrolled with it."
        )
    if model.startswith(ARRAY) is not card.old.hash.startswith(ARRAY):
        return [
            f"{where} says that its model is {model[:16]}…; the map was fitted on "
            f"{card.old.hash[:16]}…, and whether these are the same is not known."
        ]
    if not _same(model, card.old.hash):
        raise FaceGeomError(
            f"{where} is of the model {model[:16]}…, the map takes templates of {card.old.name!r}, "
            f"{card.old.hash[:16]}…. Use the map of its model, or fit one."
        )
    flip = gallery.facts.get(FLIP)
    if flip is not None and card.flip is not None and flip != str(card.flip).lower():
        return [
            f"{where} has flip={flip}, the anchors had flip={str(card.flip).lower()}: expect the "
            "map to be a little worse."
        ]
    return []


def _same(one: str, other: str) -> bool:
    """Whether two hashes are equal, one of them perhaps given by its first digits."""
    return one.startswith(other) or other.startswith(one)
