"""Everything that is measured of one attribute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from facegeom_lit.geometry.macroscale.continuous import FEWEST_POINTS, distance_correlation
from facegeom_lit.geometry.macroscale.entropy import (
    entropy_by_identity,
    inter_entropy,
    mean_by_identity,
)
from facegeom_lit.geometry.macroscale.modalities import (
    UNKNOWN,
    WITH,
    WITHOUT,
    Kind,
    Modalities,
    modalities,
)
from facegeom_lit.geometry.macroscale.people import People
from facegeom_lit.geometry.macroscale.probes import FoldsBy, probe_attribute
from facegeom_lit.geometry.macroscale.sampling import Modality
from facegeom_lit.geometry.macroscale.separation import modality_statistics
from facegeom_lit.geometry.points import Distance, comparable
from facegeom_lit.geometry.statistics import FEWEST, percentiles

FEWEST_IDENTITIES = 6
"""Identities that a modality needs: they make 15 distances of its own."""


@dataclass(frozen=True)
class AttributeRow:
    """One attribute; None where a figure is undefined or was not asked for.

    Args:
        attribute: Its name.
        kind: `binary`: "positive" is the larger of two values. `continuous`: it is the top third
            of the images, "negative" the bottom third. None: the value never differs.
        images_positive: Images with the attribute.
        images_negative: Images without it.
        identities_positive: Identities with at least one image with the attribute.
        identities_negative: Identities with at least one image without it.
        sampled: Identities drawn on each side, one image of each.
        ks_positive: KS statistic of the distances within the positives against those across; the
            mean over the draws, as all that begin with `ks`.
        p_positive: Its p; the median over the draws.
        ks_negative: KS statistic of the negatives.
        p_negative: Its p.
        ks_max: The larger of the two statistics.
        ks_mean: Their mean.
        ks_weighted: Their mean, weighted by the images of each modality.
        ks_null: `ks_mean` after the drawn images were dealt out to the two sides at random: what so
            few people give by chance.
        ks_excess: `ks_mean` less `ks_null`, for comparing attributes that few people have with
            attributes that many have.
        ks_std: Standard deviation of `ks_mean` over the draws; None with one draw.
        intra_entropy: Mean over identities of the entropy of their images' values (a continuous
            attribute's: of the thirds they fall in), nats.
        intra_low: Lower end of its interval over identities.
        intra_high: Upper end.
        inter_entropy: Entropy of the density of the identities' mean values, nats.
        inter_low: Lower end of its interval over identities, less the bootstrap's bias.
        inter_high: Upper end.
        distance_correlation: Of the identities' mean embeddings and mean values; continuous only.
        p_distance_correlation: Its permutation p.
        probe_accuracy: Of a logistic regression, on images of other folds.
        probe_balanced_accuracy: Mean of its accuracies with and without the attribute.
        probe_low: Lower end of that one's interval over identities.
        probe_high: Upper end.
        probe_majority: Accuracy of always naming the more frequent value.
        remark: Why figures are undefined; empty where none is.
    """

    attribute: str
    kind: Kind | None = None
    images_positive: int = 0
    images_negative: int = 0
    identities_positive: int = 0
    identities_negative: int = 0
    sampled: int = 0
    ks_positive: float | None = None
    p_positive: float | None = None
    ks_negative: float | None = None
    p_negative: float | None = None
    ks_max: float | None = None
    ks_mean: float | None = None
    ks_weighted: float | None = None
    ks_null: float | None = None
    ks_excess: float | None = None
    ks_std: float | None = None
    intra_entropy: float | None = None
    intra_low: float | None = None
    intra_high: float | None = None
    inter_entropy: float | None = None
    inter_low: float | None = None
    inter_high: float | None = None
    distance_correlation: float | None = None
    p_distance_correlation: float | None = None
    probe_accuracy: float | None = None
    probe_balanced_accuracy: float | None = None
    probe_low: float | None = None
    probe_high: float | None = None
    probe_majority: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class RowMaker:
    """Measures one attribute after another on the same images.

    Args:
        embeddings: Raw embeddings, shape (N, D).
        identity: Integer identity of each image, shape (N,).
        people: The same, sorted.
        samples: How often each identity counts in each bootstrap sample, shape (R, I); R may
            be 0.
        distance: See `macroscale_table`, as all that follow.
        per_modality: At most so many identities on each side.
        draws: Of one image each.
        null: Whether the drawn images are dealt out at random, too.
        permutations: For the distance correlation.
        probes: How folds are made; None: no probes.
        level: Coverage of intervals.
        seed: Of all draws.
    """

    embeddings: Tensor
    identity: Tensor
    people: People
    samples: Tensor
    distance: Distance
    per_modality: int
    draws: int
    null: bool
    permutations: int
    probes: FoldsBy | None
    level: float
    seed: int

    def row(self, attribute: str, values: Tensor) -> tuple[AttributeRow, Tensor | None]:
        """Measure.

        Args:
            attribute: Its name.
            values: One number for each image, shape (N,); NaN marks an unknown one.

        Returns:
            The row, and the KS statistics behind it: of the positive and the negative modality
            in each draw, shape (draws, 2); None where undefined.
        """
        found = modalities(values.to(self.embeddings.device))
        if found is None:
            remark = "fewer than two different values are known"
            return AttributeRow(attribute, remark=remark), None
        level = found.level[self.people.order]
        sides = [Modality(self.people, level == side) for side in (WITH, WITHOUT)]
        figures: dict[str, Any] = {
            "kind": found.kind,
            "images_positive": sides[0].images,
            "images_negative": sides[1].images,
            "identities_positive": sides[0].identities,
            "identities_negative": sides[1].identities,
        }
        means = mean_by_identity(self.people, found.scaled[self.people.order])
        figures |= self._entropies(level, means)
        statistics, remarks = None, []
        if min(side.identities for side in sides) < FEWEST_IDENTITIES:
            remarks.append(
                f"{sides[0].identities} identities with and {sides[1].identities} without the "
                f"attribute; distances need {FEWEST_IDENTITIES} of each"
            )
        else:
            statistics, separated = self._separation(*sides)
            figures |= separated
        if found.kind == "continuous":
            figures |= self._distance_correlation(found, means)
        if self.probes is not None:
            probed = self._probe(found)
            figures |= probed
            if not probed:
                remarks.append("too few people on one side for the folds of a probe")
        return AttributeRow(attribute, **figures, remark="; ".join(remarks)), statistics

    def _separation(self, positive: Modality, negative: Modality) -> tuple[Tensor, dict[str, Any]]:
        """KS of both modalities in each draw, and what the row says of it."""
        sampled = min(self.per_modality, positive.identities, negative.identities)
        found = modality_statistics(
            self.embeddings,
            positive,
            negative,
            sampled,
            distance=self.distance,
            draws=self.draws,
            null=self.null,
            seed=self.seed,
        )
        statistics = found.statistics
        weights = torch.tensor([positive.images, negative.images], dtype=torch.float64)
        kinds = {
            "ks_max": statistics.amax(dim=1),
            "ks_mean": statistics.mean(dim=1),
            "ks_weighted": statistics @ (weights / weights.sum()),
        }
        figures: dict[str, Any] = {name: float(value.mean()) for name, value in kinds.items()}
        ks, p = statistics.mean(dim=0).tolist(), found.p.quantile(0.5, dim=0).tolist()
        figures |= {"ks_positive": ks[0], "ks_negative": ks[1]}
        figures |= {"p_positive": p[0], "p_negative": p[1]}
        if found.null is not None:
            figures["ks_null"] = float(found.null.mean())
            figures["ks_excess"] = figures["ks_mean"] - figures["ks_null"]
        if self.draws > 1:
            figures["ks_std"] = float(kinds["ks_mean"].std())
        return statistics, figures | {"sampled": sampled}

    def _entropies(self, level: Tensor, means: Tensor) -> dict[str, float]:
        """Entropies within and between identities, over those of whom a value is known."""
        known = ~means.isnan()
        within, means = entropy_by_identity(self.people, level)[known], means[known]
        figures = {
            "intra_entropy": float(within.mean()),
            "inter_entropy": float(inter_entropy(means)),
        }
        samples = self.samples[:, known]
        samples = samples[samples.any(dim=1)]
        if len(samples) and len(means) >= FEWEST:
            # People who are drawn twice lower the entropy among people: that bias is taken off.
            inter = inter_entropy(means, samples)
            drawn = {
                "intra": samples @ within / samples.sum(dim=1),
                "inter": inter + figures["inter_entropy"] - inter.mean(),
            }
            for name, sampled in drawn.items():
                ends = percentiles(sampled, self.level)
                figures |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
        return figures

    def _distance_correlation(self, found: Modalities, means: Tensor) -> dict[str, float | None]:
        """Distance correlation over at most `per_modality` identities, drawn at random."""
        (eligible,) = torch.where(~means.isnan())
        if len(eligible) < FEWEST_POINTS:
            return {}
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(eligible), generator=generator)[: self.per_modality]
        chosen = eligible[order.to(eligible.device)]
        place = torch.full_like(means, -1, dtype=torch.int64)
        place[chosen] = torch.arange(len(chosen), device=place.device)
        places = place[self.people.owner]
        used = (places >= 0) & (found.level != UNKNOWN)[self.people.order]
        points = comparable(self.embeddings[self.people.order[used]], self.distance)
        sums = points.new_zeros(len(chosen), points.shape[1]).index_add_(0, places[used], points)
        counts = torch.bincount(places[used], minlength=len(chosen))
        result = distance_correlation(
            sums / counts[:, None],
            means[chosen],
            distance=self.distance,
            permutations=self.permutations,
            seed=self.seed,
        )
        return {"distance_correlation": result.value, "p_distance_correlation": result.p}

    def _probe(self, found: Modalities) -> dict[str, float | None]:
        """Probe images with the attribute against images without; empty with too few people."""
        assert self.probes is not None
        judged = (found.level == WITH) | (found.level == WITHOUT)
        probe = probe_attribute(
            self.embeddings[judged],
            self.identity[judged],
            found.level[judged] == WITH,
            distance=self.distance,
            by=self.probes,
            resamples=len(self.samples),
            level=self.level,
            seed=self.seed,
        )
        if probe is None:
            return {}
        return {
            "probe_accuracy": probe.accuracy.value,
            "probe_balanced_accuracy": probe.balanced_accuracy.value,
            "probe_low": probe.balanced_accuracy.low,
            "probe_high": probe.balanced_accuracy.high,
            "probe_majority": probe.majority,
        }
