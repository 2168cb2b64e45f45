"""What an alignment of models measures, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from facegeom_lit.evaluation.alignment.maps import MapChoice
from facegeom_lit.evaluation.alignment.section_settings import (
    FusionSettings,
    LeakageSettings,
    SurvivalSettings,
)
from facegeom_lit.geometry.verification import FARS


@dataclass(frozen=True)
class JudgeSettings:
    """How maps are judged; see `facegeom_lit.geometry.alignment.judging.Judge`."""

    ks: tuple[int, ...] = (1, 5)
    fars: tuple[float, ...] = FARS
    fpirs: tuple[float, ...] = (0.01, 0.1)
    kept_out: float = 0.5
    resamples: int = 1000
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class LadderSettings:
    """Which rank and anchors curves are measured.

    Attributes:
        pairs: (source, target) of each; None: all.
        ranks: Of the low-rank map; those above min(p, q) are passed over. None: 1, 2, 4 …
            min(p, q).
        anchors: Numbers of paired images; those above what there is are passed over. None: 16, 32,
            64 … all.
        maps: Names of the maps whose anchors curve is measured.
        subsets: Random orders of the images, whose first so many fit; the curve is their mean.
    """

    pairs: tuple[tuple[str, str], ...] | None = None
    ranks: tuple[int, ...] | None = None
    anchors: tuple[int, ...] | None = None
    maps: tuple[str, ...] = ("ridge",)
    subsets: int = 3


@dataclass(frozen=True)
class AlignmentSettings:
    """Settings of an alignment.

    Attributes:
        maps: What is fitted, beside no map.
        fit_share: Share of each set's people who fit maps; the others judge. In (0, 1).
        judge: How maps are judged.
        null_permutations: Of people, for each map; 0: no null.
        neighbors: Of the mutual k-NN.
        similarity_permutations: Of people, for each index; 0: no similarity indices.
        ladders: Rank and anchors curves.
        leakage: Attributes that probes read from templates.
        survival: Attribute geometry that maps keep.
        fusion: Ensembles.
        seed: Of who fits, and of all permutations and subsets.
    """

    maps: tuple[MapChoice, ...] = (
        MapChoice("procrustes", "procrustes"),
        MapChoice("ridge", "ridge"),
    )
    fit_share: float = 0.5
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    null_permutations: int = 5
    neighbors: int = 10
    similarity_permutations: int = 100
    ladders: LadderSettings = field(default_factory=LadderSettings)
    leakage: LeakageSettings = field(default_factory=LeakageSettings)
    survival: SurvivalSettings = field(default_factory=SurvivalSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    seed: int = 0
