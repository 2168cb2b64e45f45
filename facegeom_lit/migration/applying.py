"""Turning an enrolled gallery into the new model's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import write_json
from facegeom_lit.galleries import Gallery, rewrite_gallery
from facegeom_lit.galleries.gallery import CARD
from facegeom_lit.geometry.points import lengths
from facegeom_lit.geometry.side_by_side import SideBySide
from facegeom_lit.migration.checking import MAP, GalleryCheck, check_gallery
from facegeom_lit.migration.map_file import map_hash
from facegeom_lit.migration.migration_map import MigrationMap

DISTANCE, NORMALIZED = "distance", "normalized"
"""Facts of a gallery: how its embeddings are compared, and whether they are of length 1."""


@dataclass(frozen=True)
class Migrated:
    """What became of a gallery.

    Attributes:
        gallery: The old file.
        output: The new one.
        count: Templates.
        hash: SHA-256 of the new file.
        check: What the check of the old one found.
    """

    gallery: Path
    output: Path
    count: int
    hash: str
    check: GalleryCheck


def migrate_gallery(
    gallery: Gallery,
    output: str | Path,
    migration: MigrationMap,
    *,
    stated: str | None = None,
    device: torch.device | str = "cpu",
) -> Migrated:
    """Map every template of a gallery.

    The same call after a crash goes on where it was and ends with the same bytes. Beside the
    output stand `<output>.sha256` and `<output>.json`, which says what was done.

    Args:
        gallery: The old gallery; all that it holds beside its templates is carried over.
        output: The new file, of the same format; templates keep their dtype.
        migration: The map.
        stated: Hash of the gallery's model where the file does not say it.
        device: Where templates are mapped.

    Raises:
        FaceGeomError: When the gallery is not one that the map takes, or the output cannot be
            written.
    """
    check = check_gallery(gallery, migration, stated=stated)
    card, output = migration.card, Path(output).expanduser()
    key = f"{map_hash(migration)} {torch.device(device).type}"
    facts = {
        MAP: map_hash(migration),
        CARD: card.new.name,
        DISTANCE: card.new.distance,
        NORMALIZED: str(card.new.normalized).lower(),
    }
    # One product on each core takes less time than one after the other on all of them.
    with SideBySide(torch.device(device)) as workers:
        digest = rewrite_gallery(
            gallery,
            output,
            _transform(migration, gallery, torch.device(device)),
            dimension=card.new.dimension,
            model=card.new.hash,
            facts=facts,
            key=key,
            threads=workers.number,
        )
    done = Migrated(gallery.path, output, gallery.count, digest, check)
    write_json(output.with_name(f"{output.name}.json"), _record(done, gallery, migration))
    return done


def _transform(
    migration: MigrationMap, gallery: Gallery, device: torch.device
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    mapping = migration.mapping
    moved = replace(
        migration,
        mapping=replace(
            mapping, matrix=mapping.matrix.to(device), offset=mapping.offset.to(device)
        ),
    )

    def transform(rows: NDArray[Any]) -> NDArray[np.float32]:
        given = torch.from_numpy(rows).to(device)
        if migration.card.old.normalized and not bool(lengths(given).all()):
            raise FaceGeomError(
                f"{gallery.path} has templates of length zero, which have no direction. Leave "
                "them out."
            )
        found: NDArray[np.float32] = moved(given).cpu().numpy()
        return found

    return transform


def _record(done: Migrated, gallery: Gallery, migration: MigrationMap) -> dict[str, Any]:
    card = migration.card
    return {
        "gallery": done.gallery.name,
        "output": done.output.name,
        "sha256": done.hash,
        "format": gallery.format,
        "templates": done.count,
        "dimensions": [card.old.dimension, card.new.dimension],
        "dtype": gallery.dtype.name,
        "map": map_hash(migration),
        "old": asdict(card.old),
        "new": asdict(card.new),
        "check": asdict(done.check),
    }
