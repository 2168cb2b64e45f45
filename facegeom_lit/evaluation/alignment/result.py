"""What several face models on several sets say of each other's spaces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.geometry.statistics import Interval

NATIVE = "native"
"""The map of a model to itself: its own probes against its own gallery."""

UNALIGNED = "none"
"""The map that changes nothing."""

RECOVERED = "recovered"
"""The figure that says what share of the way from no map to native a fitted map goes."""


@dataclass(frozen=True)
class Cell:
    """One map from one model into another's space, judged on one set.

    Attributes:
        source: Model of the probes, which are mapped.
        target: Model of the gallery, which stays as it is.
        map: How the probes were mapped; `native`: they are the target's own.
        fitted_on: Set whose people the map was fitted on; of `native` and `none` the judging one.
        judged_on: Set whose people judge; where it is `fitted_on`, other people of it.
        figures: `rank1`, `rank5`, `tpir@1e-2`, `tar@1e-3`, `auc`, `eer` …, each with its interval
            over people; and, of a fitted map, `recovered` = (aligned − unaligned) / (native −
            unaligned) of rank-1.
        ridge: The λ that was used; None for other methods.
        fitted: Images that the map was fitted on; 0 without a fit.
        null: Mean rank-1 where the pairs were permuted before the fit; None where not computed.
    """

    source: str
    target: str
    map: str
    fitted_on: str
    judged_on: str
    figures: dict[str, Interval]
    ridge: float | None = None
    fitted: int = 0
    null: float | None = None


@dataclass(frozen=True)
class Index:
    """A similarity of two models' spaces on one set, without any map.

    Attributes:
        first: A model.
        second: Another one.
        set: Name of the set.
        name: `cka`, `mutual_knn` or `procrustes_disparity`.
        value: The index with its interval over people.
        null: Its mean where people are permuted.
        p: How often chance is at least as similar; see `SimilarityIndex`.
    """

    first: str
    second: str
    set: str
    name: str
    value: Interval
    null: float
    p: float


@dataclass(frozen=True)
class Ladder:
    """How a figure of a map grows with what it is given.

    Attributes:
        source: Model of the probes.
        target: Model of the gallery.
        set: Name of the set.
        kind: `rank`: of the matrix of a low-rank map; `anchors`: paired images of the fit.
        map: Name of the map.
        steps: Ranks, or numbers of images, increasing.
        figures: Rank-1 at each step with its interval.
        native: The target's own rank-1.
        unaligned: Rank-1 without a map.
    """

    source: str
    target: str
    set: str
    kind: str
    map: str
    steps: tuple[int, ...]
    figures: tuple[Interval, ...]
    native: float
    unaligned: float


@dataclass(frozen=True)
class Families:
    """Models clustered by how well they align.

    Attributes:
        set: Name of the set.
        map: The map that the matrix is of.
        models: Rows and columns of the matrix.
        matrix: Rank-1 from row to column, (M, M); the diagonal is native.
        distance: What was clustered: 1 − the mean of `recovered` of both directions, each cut to
            [0, 1], (M, M).
        linkage: SciPy's linkage of it (average), (M − 1, 4).
        family: Number of each model's family, from 1.
    """

    set: str
    map: str
    models: tuple[str, ...]
    matrix: NDArray[np.float64]
    distance: NDArray[np.float64]
    linkage: NDArray[np.float64]
    family: tuple[int, ...]


@dataclass(frozen=True)
class Leakage:
    """How well an attribute is read from templates (balanced accuracy of a probe, new people).

    Attributes:
        source: Model whose templates are mapped.
        target: Model into whose space they go.
        set: Name of the set.
        map: Name of the map.
        attribute: What is read.
        source_native: Probe trained and judged on the source's templates.
        target_native: The same of the target's.
        mapped: Trained and judged on mapped templates.
        crossed: Trained on the target's own templates, judged on mapped ones.
        chance: What a probe that knows nothing gives.
    """

    source: str
    target: str
    set: str
    map: str
    attribute: str
    source_native: Interval
    target_native: Interval
    mapped: Interval
    crossed: Interval
    chance: float


@dataclass(frozen=True)
class Survival:
    """What a map keeps of the attribute geometry of the source.

    Attributes:
        source: Model whose embeddings are mapped.
        target: Model into whose space they go.
        set: Name of the set.
        map: Name of the map.
        attribute: The attribute.
        measure: `energy`, `response` … within people, or `ks_mean` and `ks_excess` across them.
        source_value: Of the source's own embeddings.
        target_value: Of the target's own.
        mapped_value: Of the mapped ones.
    """

    source: str
    target: str
    set: str
    map: str
    attribute: str
    measure: str
    source_value: float | None
    target_value: float | None
    mapped_value: float | None


@dataclass(frozen=True)
class Fusion:
    """Several models as one, against the best single one of them.

    Attributes:
        set: Name of the set.
        method: `scores`: sum of the models' scores, each over its spread; `weighted_scores`;
            `features`: mean of the templates in the common space; `concatenation`.
        models: The models.
        common: Model whose space is the common one; empty where none is needed.
        figures: Of the fusion, with intervals over people.
        best: The best single model on the fitting people.
        best_figures: Its figures on the judging ones.
        differences: Fusion − best, paired over people.
    """

    set: str
    method: str
    models: tuple[str, ...]
    common: str
    figures: dict[str, Interval]
    best: str
    best_figures: dict[str, Interval]
    differences: dict[str, Interval]


@dataclass(frozen=True)
class Alignment:
    """All of it.

    Attributes:
        models: Names of the models.
        sets: Name of each set → what to say of it: people and images that fit and that judge.
        cells: Every map of every pair on every set.
        indices: Similarities without a map.
        ladders: Rank and anchors curves.
        families: One for each set and map that was clustered.
        leakage: Attributes read from templates.
        survival: Attribute geometry before and after maps.
        fusions: Ensembles.
        notes: What a reader must know.
    """

    models: tuple[str, ...]
    sets: dict[str, dict[str, int]]
    cells: tuple[Cell, ...]
    indices: tuple[Index, ...] = ()
    ladders: tuple[Ladder, ...] = ()
    families: tuple[Families, ...] = ()
    leakage: tuple[Leakage, ...] = ()
    survival: tuple[Survival, ...] = ()
    fusions: tuple[Fusion, ...] = ()
    notes: tuple[str, ...] = field(default=())
