"""What each way to run on a gallery is worth: before, unmapped, mapped, re-enrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.sets import unmapped
from facegeom_lit.geometry.alignment.affine import AffineMap
from facegeom_lit.geometry.alignment.judging import Judge, Judged, difference, recovered
from facegeom_lit.geometry.statistics import FEWEST, Interval
from facegeom_lit.migration.card import MAPPED, OLD, REENROLLED, UNMAPPED, Figures
from facegeom_lit.migration.migration_map import mapped
from facegeom_lit.migration.pairs import PairedEmbeddings

RANK1 = "rank1"


@dataclass(frozen=True)
class Judging:
    """How maps are judged.

    Attributes:
        fars: False accept rates.
        resamples: Draws of people.
        level: Coverage of the intervals.
        seed: Of the draws.
    """

    fars: Sequence[float] = (1e-2, 1e-3, 1e-4)
    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def judge(self, pairs: PairedEmbeddings) -> Judge:
        """A judge of these images.

        Raises:
            FaceGeomError: When fewer than six people have the two images that an interval needs.
        """
        counts = pairs.labels.unique(return_counts=True)[1]
        if (people := int((counts > 1).sum())) < FEWEST:
            raise FaceGeomError(
                f"A map is judged on people of whom there are two images, one for the gallery and "
                f"one to search with; there are {people} such people to judge it, and {FEWEST} "
                "are needed for an interval. Give more people, or more images of each."
            )
        return Judge(
            pairs.labels,
            ks=(1,),
            fars=self.fars,
            fpirs=(),
            resamples=self.resamples,
            level=self.level,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Ways:
    """What all ways are worth, measured with the same probes.

    Attributes:
        measured: Way → figures with intervals.
        lost: Unmapped and mapped → what they lose against re-enrolling, paired over people.
        recovered: Share of rank-1 between unmapped and re-enrolled that the map recovers.
    """

    measured: dict[str, Figures]
    lost: dict[str, Figures]
    recovered: Interval


def measure_ways(judge: Judge, pairs: PairedEmbeddings, mapping: AffineMap) -> Ways:
    """Measure all four ways on the same probes.

    Args:
        judge: Of the images of `pairs`.
        pairs: Embeddings of people whom the map was not fitted on.
        mapping: From old to new.
    """
    old, new = pairs.sides
    as_it_is = unmapped(pairs.old, new.dimension)
    found: dict[str, Judged] = {
        OLD: judge.measure(pairs.old, pairs.old, old.distance),
        UNMAPPED: judge.measure(pairs.new, as_it_is, new.distance),
        MAPPED: judge.measure(pairs.new, mapped(mapping, pairs.old, old, new), new.distance),
        REENROLLED: judge.measure(pairs.new, pairs.new, new.distance),
    }
    measured = {way: _wanted(judged.intervals()) for way, judged in found.items()}
    lost = {
        way: {name: difference(found[REENROLLED], found[way], name) for name in measured[way]}
        for way in (UNMAPPED, MAPPED)
    }
    share = recovered(found[MAPPED], found[UNMAPPED], found[REENROLLED], RANK1)
    return Ways(measured, lost, share)


def measure_mapped(judge: Judge, pairs: PairedEmbeddings, mapping: AffineMap) -> Figures:
    """Measure the mapped gallery alone; arguments as of `measure_ways`."""
    moved = mapped(mapping, pairs.old, *pairs.sides)
    return _wanted(judge.measure(pairs.new, moved, pairs.sides[1].distance).intervals())


def _wanted(figures: Figures) -> Figures:
    """Rank-1 and the TARs; EER and AUC are no rates that a system runs at."""
    return {name: value for name, value in figures.items() if name not in ("eer", "auc")}
