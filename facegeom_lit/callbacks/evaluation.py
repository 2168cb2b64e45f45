"""What every evaluation callback shares: when to measure, what to log, what to keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.statistics import Interval, bootstrap_interval
from facegeom_lit.models import FaceModel
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData

ByIdentity = dict[str, dict[str, dict[str, float]]]
"""Measure → attribute → identity → difference."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one validation measured.

    Args:
        metrics: Figures by logged name; None where a figure is undefined (never NaN).
        detail: What comparisons and pictures need; its kind is the callback's own.
        notes: Remarks for the reader: dropped curves, unsupported rates.
        tables: What the run's record holds beside the figures, by name, as JSON.
    """

    metrics: dict[str, float | None]
    detail: Any
    notes: list[str] = field(default_factory=list)
    tables: dict[str, Any] = field(default_factory=dict)


class EvaluationCallback(L.Callback, ABC):
    """Measures at the end of every validation, from the embeddings that the module shares.

    Attributes:
        kind: The callback's name in a run's measurements.
        compares: Whether it compares with frozen models, so that they must be loaded.
        measured_step: Optimiser step of the latest measurement; -1 before the first.
    """

    kind: str
    compares: bool = False

    def __init__(self) -> None:
        self.measured_step = -1
        self._latest: Measurement | None = None

    @property
    def latest(self) -> Measurement:
        """The latest measurement."""
        if self._latest is None:
            raise RuntimeError(f"{type(self).__name__} has not measured yet: no validation ran.")
        return self._latest

    def check(self, references: Mapping[str, FaceModel]) -> None:
        """Refuse frozen models that cannot be compared with, before any face is drawn or read."""

    @abstractmethod
    def connect(self, data: RunData, references: Mapping[str, FaceModel], cache: Path) -> None:
        """Learn what the run measures on, before it begins.

        Args:
            data: The run's faces.
            references: Frozen models to compare with.
            cache: Folder for embeddings of frozen models.
        """

    @abstractmethod
    def measure(self, module: FineTuneModule) -> Measurement:
        """Measure from `module.embeddings(name)`; called on every process."""

    def completed(self, measurement: Measurement) -> Measurement:
        """Add what is too dear for every validation; called for the measurements of the record."""
        return measurement

    @abstractmethod
    def differences(self, before: Measurement, after: Measurement) -> dict[str, Interval]:
        """Return after - before of each figure with its 95 % interval over identities."""

    def unpaired(self, before: Measurement, after: Measurement) -> dict[str, str]:
        """Return figures whose before, after and difference are not over the same people.

        By name, with a remark for the reader; none by default.
        """
        return {}

    def identity_differences(self, before: Measurement, after: Measurement) -> ByIdentity:
        """Return differences of single identities, for summaries over runs; none by default."""
        return {}

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure and log."""
        if trainer.sanity_checking:
            return
        assert isinstance(pl_module, FineTuneModule)
        self._latest = self.measure(pl_module)
        self.measured_step = trainer.global_step
        for name, value in self._latest.metrics.items():
            if value is not None:
                # Every process computed the same figure from the gathered embeddings.
                pl_module.log(name, value, rank_zero_only=True, batch_size=1)


def distance_of(module: FineTuneModule) -> Distance:
    """Return the distance that the fine-tuned model is compared by."""
    return module.model.card.distance  # type: ignore[return-value]


def rank1_difference(before: Tensor, after: Tensor, labels: Tensor) -> Interval:
    """Return the difference of rank-1 with its interval over people.

    A person's difference counts by their probes, so that the mean over people is the difference of
    the two figures.

    Args:
        before: Rank of each probe's own person, (P,).
        after: The same of the other model.
        labels: Person of each probe, (P,).
    """
    _, owner = labels.unique(return_inverse=True)
    change = (after == 1).double() - (before == 1).double()
    people = int(owner.max()) + 1
    return bootstrap_interval(torch.bincount(owner, weights=change) * people / len(owner))
