"""A run's record: what it was made of and what it measured, for `run.json` and the model's card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.attributes import BASELINE, AttributeSpec
from facegeom_lit.callbacks.evaluation import EvaluationCallback, Measurement
from facegeom_lit.commands.run_name import config_hash, run_name
from facegeom_lit.models import FaceModel, ModelCard, save_face_model
from facegeom_lit.models.weights.calibrate import FOLDED
from facegeom_lit.reporting.run_record import interval_json, versions
from facegeom_lit.training.sources import RunData
from facegeom_lit.training.tuning import merge_lora

Measurements = Mapping[str, Measurement]
"""Measurement by the kind of callback that made it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run measured: the untouched model (None without a baseline) and the trained one."""

    before: Measurements | None
    after: Measurements

    @property
    def models(self) -> dict[str, Measurements]:
        """The measurements by name, those that were made."""
        named = {"before": self.before, "after": self.after}
        return {name: found for name, found in named.items() if found is not None}


def make_record(
    cfg: DictConfig,
    data: RunData,
    target: AttributeSpec | None,
    began: dict[str, str],
    outcome: Outcome,
    measuring: Mapping[str, EvaluationCallback],
) -> dict[str, Any]:
    """Return `run.json`'s content but for what only the end of the run knows."""
    metrics, baseline = _metrics(outcome.after), _metrics(outcome.before or {})
    differences = {
        name: {"difference": value - before, "low": None, "high": None}
        for name, value in metrics.items()
        if value is not None and (before := baseline.get(name)) is not None
    }
    by_identity: dict[str, Any] = {}
    unpaired: dict[str, str] = {}
    if outcome.before is not None:
        for name, callback in measuring.items():
            sides = outcome.before[name], outcome.after[name]
            intervals = callback.differences(*sides)
            differences |= {key: interval_json(found) for key, found in intervals.items()}
            by_identity |= callback.identity_differences(*sides)
            unpaired |= callback.unpaired(*sides)
    notes = [*data.notes, *unpaired.values()]
    said = {
        when: [note for m in measurements.values() for note in m.notes]
        for when, measurements in outcome.models.items()
    }
    common = set.intersection(*map(set, said.values()))  # true of both models: said once
    for when, remarks in said.items():
        notes += [note if note in common else f"{when}: {note}" for note in remarks]
    return {
        "name": run_name(cfg),
        "attribute": target.name if target else BASELINE,
        "objective": cfg.objective._target_.rsplit(".", 1)[-1],
        "seed": cfg.seed,
        "overrides": list(HydraConfig.get().overrides.task),
        "metrics": metrics,
        "baseline": baseline,
        "differences": differences,
        "identity_differences": by_identity,
        "unpaired": sorted(unpaired),
        "tables": {when: _tables(found) for when, found in outcome.models.items()},
        "notes": list(dict.fromkeys(notes)),
        "config_hash": config_hash(cfg),
        "config": OmegaConf.to_container(cfg, resolve=True),
        "weights": dict(began),
        "face_sets": face_set_hashes(data),
        "maker_version": data.train.card.get("production", {}).get("maker_version"),
        "versions": versions(),
    }


def face_set_hashes(data: RunData) -> dict[str, str]:
    """Return the content hash of every face set of a run."""
    return {"train": data.train.hash} | {n: faces.hash for n, faces in data.evaluation.items()}


def _metrics(measurements: Measurements) -> dict[str, float | None]:
    return {name: v for m in measurements.values() for name, v in m.metrics.items()}


def _tables(measurements: Measurements) -> dict[str, Any]:
    return {name: table for m in measurements.values() for name, table in m.tables.items()}


def keep_model(folder: Path, model: FaceModel, record: dict[str, Any]) -> ModelCard:
    """Save the trained model with a card that says how it came to be."""
    card = replace(
        model.card,
        training={
            **{key: value for key, value in model.card.training.items() if key == FOLDED},
            "command": " ".join(["python train.py", *record["overrides"]]),
            "started_from": {"name": model.card.name, "hash": record["weights"]["before"]},
            **{key: record[key] for key in ("attribute", "objective", "seed", "config_hash")},
            "face_sets": record["face_sets"],
            "versions": record["versions"],
            "metrics": record["metrics"],
        },
    )
    backbone = merge_lora(model).backbone
    return save_face_model(FaceModel(backbone, card), folder / "model")
