"""All that is measured of two models, or of all models on a set, as one part of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from facegeom_lit.evaluation.alignment.cells import native_cells, own_cells
from facegeom_lit.evaluation.alignment.families import all_families
from facegeom_lit.evaluation.alignment.fusion import fusion_notes, fusions
from facegeom_lit.evaluation.alignment.indices import indices_notes, similarity_indices
from facegeom_lit.evaluation.alignment.ladders import ladders
from facegeom_lit.evaluation.alignment.leakage import leakage, leakage_notes
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import (
    Alignment,
    Cell,
    Fusion,
    Index,
    Ladder,
    Leakage,
    Survival,
)
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
from facegeom_lit.evaluation.alignment.survival import survival, survival_notes
from facegeom_lit.evaluation.alignment.transfer import transfer_cells, transfer_notes


@dataclass(frozen=True)
class Part:
    """What was measured of one pair of models, or of one set; the fields are of `Alignment`."""

    cells: tuple[Cell, ...] = ()
    indices: tuple[Index, ...] = ()
    ladders: tuple[Ladder, ...] = ()
    leakage: tuple[Leakage, ...] = ()
    survival: tuple[Survival, ...] = ()
    fusions: tuple[Fusion, ...] = ()


PairSection = Callable[[Pair, AlignmentSettings], Sequence[Any]]
SetSection = Callable[[AlignmentSet, AlignmentSettings], Sequence[Any]]

PAIR_SECTIONS: Sequence[tuple[str, PairSection]] = (
    ("cells", own_cells),
    ("cells", transfer_cells),
    ("indices", similarity_indices),
    ("ladders", ladders),
    ("leakage", leakage),
    ("survival", survival),
)
"""Field of `Part` → what measures some of it of a pair."""

SET_SECTIONS: Sequence[tuple[str, SetSection]] = (("cells", native_cells), ("fusions", fusions))
"""Field of `Part` → what measures some of it of all models on a set."""

NOTES: Sequence[Callable[[AlignmentSet, AlignmentSettings], list[str]]] = (
    indices_notes,
    leakage_notes,
    survival_notes,
    fusion_notes,
)
"""What says what a reader must know of a set's sections."""


def measure_pair(pair: Pair, settings: AlignmentSettings) -> Part:
    """Measure two models on every set that both know.

    Raises:
        FaceGeomError: When something cannot be measured.
    """
    return joined(Part(**{key: tuple(made(pair, settings))}) for key, made in PAIR_SECTIONS)


def measure_set(data: AlignmentSet, settings: AlignmentSettings) -> Part:
    """Measure what is of all models of a set together, or of each of them alone.

    Raises:
        FaceGeomError: When something cannot be measured.
    """
    return joined(Part(**{key: tuple(made(data, settings))}) for key, made in SET_SECTIONS)


def joined(parts: Iterable[Part]) -> Part:
    """All parts as one."""
    listed = list(parts)
    return Part(
        **{
            field.name: tuple(row for part in listed for row in getattr(part, field.name))
            for field in fields(Part)
        }
    )


def assembled(
    parts: Iterable[Part],
    sets: Mapping[str, AlignmentSet],
    settings: AlignmentSettings,
    *,
    cut: float | None,
    notes: Sequence[str],
) -> Alignment:
    """Put the result together from its parts, with the families of the models.

    Args:
        parts: Of sets and pairs.
        sets: All sets with their models, by name.
        settings: What was measured.
        cut: Where families part; None: in the widest gap.
        notes: What a reader must know of the sets.
    """
    whole = joined(parts)
    models = dict.fromkeys(name for data in sets.values() for name in data.spaces)
    clusters, unclustered = all_families(
        whole.cells, {name: tuple(data.spaces) for name, data in sets.items()}, cut
    )
    said = [*notes, *transfer_notes(list(sets.values()))]
    said += [note for data in sets.values() for about in NOTES for note in about(data, settings)]
    return Alignment(
        models=tuple(models),
        sets={name: data.facts for name, data in sets.items()},
        cells=whole.cells,
        indices=whole.indices,
        ladders=whole.ladders,
        families=tuple(clusters),
        leakage=whole.leakage,
        survival=whole.survival,
        fusions=whole.fusions,
        notes=(*said, *unclustered),
    )
