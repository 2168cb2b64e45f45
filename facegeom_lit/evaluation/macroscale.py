"""One face model on the labelled attributes of one set: the geometry across identities."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.attribute_sets import LabelledAttributes
from facegeom_lit.evaluation.microscale import Resampling
from facegeom_lit.geometry.macroscale import Macroscale, macroscale_table
from facegeom_lit.geometry.macroscale.outliers import Inliers, find_inliers
from facegeom_lit.geometry.macroscale.probes import FoldsBy
from facegeom_lit.geometry.points import Distance


@dataclass(frozen=True, slots=True)
class Outliers:
    """Which images are left out first, see `find_inliers`.

    Attributes:
        k: The neighbour that must be near.
        fewest: Images that an identity needs.
    """

    k: int = 1
    fewest: int = 2


@dataclass(frozen=True, slots=True)
class MacroscaleSettings:
    """What to measure, see `macroscale_table`.

    Attributes:
        per_modality: At most so many identities with an attribute, and as many without.
        draws: How often one image of each is drawn anew.
        permutations: For the distance correlation of a continuous attribute.
        probes: How the folds of the probes are made; None: no probes.
        outliers: Which images are left out first; None: none.
        resampling: Of the intervals.
    """

    per_modality: int = 500
    draws: int = 10
    permutations: int = 199
    probes: FoldsBy | None = "identity"
    outliers: Outliers | None = field(default_factory=Outliers)
    resampling: Resampling = field(default_factory=Resampling)


@dataclass(frozen=True)
class MacroscaleResult:
    """What was measured of one model.

    Attributes:
        table: A row for each attribute, and the rank correlations over them.
        inliers: What was left out as outliers; None where nothing was looked for.
        notes: What a reader must know.
    """

    table: Macroscale
    inliers: Inliers | None
    notes: tuple[str, ...]


def measure_macroscale(
    embeddings: Tensor, labels: LabelledAttributes, distance: Distance, settings: MacroscaleSettings
) -> MacroscaleResult:
    """Measure a face model on labelled attributes.

    Args:
        embeddings: One for each image of the set, shape (N, D), raw.
        labels: What is known of the images.
        distance: The model's own distance.
        settings: What to measure.

    Raises:
        FaceGeomError: When an embedding is not finite, no image is left, or no attribute differs.
    """
    identity, values, inliers = labels.identity, labels.values, None
    notes = []
    if settings.outliers is not None:
        k, fewest = settings.outliers.k, settings.outliers.fewest
        inliers = find_inliers(embeddings, identity, distance=distance, k=k, fewest=fewest)
        kept = inliers.mask
        if not bool(kept.any()):
            raise FaceGeomError(
                f"Without outliers no image is left: nobody has {fewest} images that lie together. "
                "Set macroscale.outliers=null to keep all images."
            )
        embeddings, identity = embeddings[kept], identity[kept]
        values = {name: column[kept] for name, column in values.items()}
        if inliers.outliers or inliers.small:
            notes.append(
                f"left out of the macroscale: {inliers.outliers} outliers, and {inliers.small} "
                f"images of people with fewer than {fewest}; {inliers.people_kept} of "
                f"{inliers.people} people are left"
            )
    table = macroscale_table(
        embeddings,
        identity,
        values,
        distance=distance,
        per_modality=settings.per_modality,
        draws=settings.draws,
        bootstrap=settings.resampling.resamples,
        permutations=settings.permutations,
        probes=settings.probes,
        level=settings.resampling.level,
        seed=settings.resampling.seed,
    )
    if all(row.kind is None for row in table.rows):
        raise FaceGeomError(
            f"No attribute ({', '.join(values)}) has two different values among the images that "
            "are left, so nothing can be said across identities. Give labels that differ, or set "
            "scale=microscale."
        )
    remarks: dict[str, list[str]] = {}
    for row in table.rows:
        if row.remark:
            remarks.setdefault(row.remark, []).append(row.attribute)
    notes += [f"{', '.join(names)}: {remark}" for remark, names in remarks.items()]
    return MacroscaleResult(table, inliers, tuple(notes))
