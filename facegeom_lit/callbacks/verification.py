"""1:1 verification on the people who judge, live in validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch

from facegeom_lit.callbacks.evaluation import EvaluationCallback, Measurement, distance_of
from facegeom_lit.geometry.identification import first_image_gallery, rank_k
from facegeom_lit.geometry.identity_bootstrap import paired_identity_bootstrap
from facegeom_lit.geometry.lfw import lfw_accuracy
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.geometry.verification import pair_scores, score_measures
from facegeom_lit.models import FaceModel
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData


class Verification(EvaluationCallback):
    """Scores all pairs of the verification set: `val/verify/<set>/<measure>`.

    Measures: `auc`, `eer`, `accuracy` (LFW-style, ten folds of balanced pairs), `tar@<far>` for
    each rate that the impostor pairs support, and `rank1` (first image of each person as gallery).

    Args:
        fars: False accept rates.
    """

    kind: ClassVar[str] = "verification"

    def __init__(self, fars: Sequence[float] = (1e-1, 1e-2, 1e-3)) -> None:
        super().__init__()
        self.fars = tuple(fars)

    def connect(self, data: RunData, references: Mapping[str, FaceModel], cache: Path) -> None:
        """Take the verification set's labels."""
        self.set = data.verification_set
        self._labels = data.evaluation[self.set].labels

    def measure(self, module: FineTuneModule) -> Measurement:
        """Measure; the detail is (embeddings, scores, whether each pair is genuine, distance)."""
        embeddings, distance = module.embeddings(self.set), distance_of(module)
        scores, same = pair_scores(embeddings, self._labels, distance)
        measures = score_measures(scores, same, self.fars)
        prefix = f"val/verify/{self.set}"
        impostors = int(measures.pop("impostor") or 0)
        measures.pop("genuine")
        metrics = {f"{prefix}/{name}": value for name, value in measures.items()}
        metrics[f"{prefix}/accuracy"] = _balanced_accuracy(scores, same)
        gallery, probes = first_image_gallery(self._labels)
        ranks = rank_k(
            embeddings[gallery],
            self._labels[gallery],
            embeddings[probes],
            self._labels[probes],
            (1,),
            distance=distance,
        )
        metrics[f"{prefix}/rank1"] = ranks[1]
        notes = [
            f"{self.set}: {impostors} impostor pairs cannot support {name}"
            for name, value in measures.items()
            if value is None
        ]
        return Measurement(metrics, (embeddings, scores, same, distance), notes)

    def differences(self, before: Measurement, after: Measurement) -> dict[str, Interval]:
        """Compare AUC, EER and TAR, identities drawn with replacement."""
        intervals = paired_identity_bootstrap(
            before.detail[0],
            after.detail[0],
            self._labels,
            distance_a=before.detail[3],
            distance_b=after.detail[3],
            fars=self.fars,
        )
        return {f"val/verify/{self.set}/{name}": value for name, value in intervals.items()}


def _balanced_accuracy(scores: torch.Tensor, same: torch.Tensor) -> float | None:
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
