"""1:1 verification on the people who judge, live in validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from facegeom_lit.callbacks.evaluation import (
    EvaluationCallback,
    Measurement,
    distance_of,
    rank1_difference,
)
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.identification import first_image_gallery, match_ranks
from facegeom_lit.geometry.identity_bootstrap import paired_identity_bootstrap
from facegeom_lit.geometry.lfw import lfw_accuracy
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.geometry.verification import pair_scores, score_measures
from facegeom_lit.models import FaceModel
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData


@dataclass(frozen=True, slots=True)
class Verified:
    """What the verification set's figures were computed from.

    Args:
        embeddings: Of all images, (N, D).
        distance: How they are compared.
        scores: Of all pairs, (P,).
        same: Whether each pair is genuine, (P,).
        ranks: Rank of each probe's own person.
    """

    embeddings: Tensor
    distance: Distance
    scores: Tensor
    same: Tensor
    ranks: Tensor


class Verification(EvaluationCallback):
    """Scores all pairs of the verification set: `val/verify/<set>/<measure>`.

    Measures: `auc`, `eer`, `accuracy` (LFW-style, ten folds of balanced pairs), `tar@<far>` for
    each rate that the impostor pairs support, and `rank1` (first image of each person as gallery).

    Args:
        fars: False accept rates.
    """

    kind = "verification"

    def __init__(self, fars: Sequence[float] = (1e-1, 1e-2, 1e-3)) -> None:
        super().__init__()
        self.fars = tuple(fars)
        if not self.fars or not all(0 < far < 1 for far in self.fars):
            raise FaceGeomError(
                f"callbacks.verification.fars must lie between 0 and 1, got {list(fars)}."
            )

    def connect(self, data: RunData, references: Mapping[str, FaceModel], cache: Path) -> None:
        """Take the verification set's labels."""
        self.set = data.verification_set
        self._labels = data.evaluation[self.set].labels

    def measure(self, module: FineTuneModule) -> Measurement:
        """Measure; the detail is a `Verified`."""
        embeddings, distance = module.embeddings(self.set), distance_of(module)
        scores, same = pair_scores(embeddings, self._labels, distance)
        measures = score_measures(scores, same, self.fars)
        prefix = f"val/verify/{self.set}"
        impostors = int(measures.pop("impostor") or 0)
        measures.pop("genuine")
        metrics = {f"{prefix}/{name}": value for name, value in measures.items()}
        metrics[f"{prefix}/accuracy"] = _balanced_accuracy(scores, same)
        gallery, probes = first_image_gallery(self._labels)
        ranks = match_ranks(
            embeddings[gallery],
            self._labels[gallery],
            embeddings[probes],
            self._labels[probes],
            distance=distance,
        )
        metrics[f"{prefix}/rank1"] = float((ranks == 1).double().mean())
        notes = [
            f"{self.set}: {impostors} impostor pairs cannot support {name}"
            for name, value in measures.items()
            if value is None
        ]
        return Measurement(metrics, Verified(embeddings, distance, scores, same, ranks), notes)

    def differences(self, before: Measurement, after: Measurement) -> dict[str, Interval]:
        """Compare AUC, EER, TAR and rank-1, identities drawn with replacement."""
        was, now = before.detail, after.detail
        intervals = paired_identity_bootstrap(
            was.embeddings,
            now.embeddings,
            self._labels,
            distance_a=was.distance,
            distance_b=now.distance,
            fars=self.fars,
        )
        probes = first_image_gallery(self._labels)[1]
        intervals["rank1"] = rank1_difference(was.ranks, now.ranks, self._labels[probes])
        return {f"val/verify/{self.set}/{name}": value for name, value in intervals.items()}


def _balanced_accuracy(scores: Tensor, same: Tensor) -> float | None:
    """Return LFW-style accuracy on all genuine and equally many impostor pairs, drawn once.

    None where there are too few pairs for ten folds.
    """
    generator = torch.Generator().manual_seed(0)
    genuine, impostor = same.nonzero().flatten(), (~same).nonzero().flatten()
    count = min(len(genuine), len(impostor))
    if count < 20:
        return None
    chosen = torch.cat(
        [
            pool[torch.randperm(len(pool), generator=generator)[:count]]
            for pool in (genuine, impostor)
        ]
    )
    chosen = chosen[torch.randperm(len(chosen), generator=generator)]
    return lfw_accuracy(scores[chosen], same[chosen]).mean
