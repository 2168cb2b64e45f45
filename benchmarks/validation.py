"""What a validation's measures cost beside its embedding, and beside the training.

    python benchmarks/validation.py [--epochs 1] [OVERRIDE ...]

The default job is composed from `conf/` with the overrides. One side is its training epoch: real
steps of the whole network on rendered faces (drawn once into `paths.cache`), batches and
augmentation included, as Lightning runs them. The other is every measurement of its validation on
embeddings that are already there: curves of the default size on both lattices of the default job,
and whatever else `conf/callbacks` measures, the alignment with every reference model among it.
Embeddings are random around a centre for each person: what they are changes no time here. What it
takes to embed all images of a validation is told from those of its verification set.

All in one process on the same threads (OMP_NUM_THREADS sets how many); the epoch is the best of
`--epochs`, a measurement the best of five. The project's bounds are 10 % of an epoch for the
geometry of one validation, and 5 % of the validation for its alignment. The last row is what the
alignment takes once, at a run's end, for curves and intervals of both models. Writes
benchmarks/results/validation.csv.
"""

from __future__ import annotations

import argparse
import csv
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from facegeom_lit.attributes import MEASURED, attribute
from facegeom_lit.callbacks.cross_model_alignment import CrossModelAlignment
from facegeom_lit.callbacks.verification import Verification
from facegeom_lit.commands.assemble import (
    data_module,
    fine_tune_module,
    make_callbacks,
    make_objective,
    reference_models,
    start_model,
)
from facegeom_lit.commands.check import target_attribute
from facegeom_lit.commands.composition import compose_config
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.files import atomic_path
from facegeom_lit.models import FaceModel
from facegeom_lit.models.embed import embed
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.maker import RendererMaker
from facegeom_lit.synthesis.recipe import recipe_from_config
from facegeom_lit.training.sources import EXACT, RunData

RESULTS = Path(__file__).parent / "results" / "validation.csv"
OVERRIDES = (
    "synthesis=renderer",  # the pixels' maker changes no training step
    "training.head_warmup_epochs=0",  # in that epoch the backbone would stand still
    "~callbacks.checkpoint",  # its folder is a run's
)
BOUND = 0.10
ALIGNMENT_BOUND = 0.05
RUNS = 5


@dataclass
class Known:
    """Stands where the module stands: embeddings that are there, and the model's card."""

    by_set: Mapping[str, Tensor]
    model: FaceModel

    def embeddings(self, name: str) -> Tensor:
        """Embeddings of an evaluation set."""
        return self.by_set[name]


class Clock(L.Callback):
    """Times training epochs."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin."""
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End."""
        self.seconds.append(time.perf_counter() - self._began)


def lattice_set(people: int, nodes: int) -> FaceSet:
    """The table of a generated lattice, without pictures: one middle image and two an attribute."""
    draw = torch.Generator().manual_seed(0)
    rows: list[dict[str, Any]] = []
    for person in range(people):
        for node in range(nodes):
            values = {
                name: attribute(name).low
                + float(torch.rand(1, generator=draw))
                * (attribute(name).high - attribute(name).low)
                for name in MEASURED
            }
            steps = [("", 1), *((name, step) for name in MEASURED for step in (0, 2))]
            for moving, step in steps:
                path = f"{person}_{node}_{moving}_{step}.png"
                row = {"identity": f"judge{person}", "path": path, "node": node}
                rows.append(row | {"moving": moving, "step": step} | values)
    return FaceSet.from_rows(rows, list(MEASURED))


def embedded(faces: FaceSet, dimension: int, seed: int) -> Tensor:
    """Random embeddings around a centre for each person."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(len(faces.classes), dimension, generator=g)
    labels = torch.tensor([faces.classes.index(name) for name in faces.identities])
    return centres[labels] + 0.7 * torch.randn(len(faces), dimension, generator=g)


def run_data(cfg: DictConfig) -> RunData:
    """The default job's faces: rendered ones to train on and to verify, tables of the lattices."""
    target, sizes = target_attribute(cfg), cfg.synthesis
    train, judge = (
        prepare_face_set(
            recipe_from_config(kind, sizes, attribute=target, seed=cfg.seed),
            RendererMaker(),
            Path(cfg.paths.cache) / "facesets",
        )
        for kind in ("training", "verification")
    )
    measured = {
        name: lattice_set(sizes.lattice.identities, sizes.lattice.nodes)
        for name in ("lattice", EXACT)
    }
    return RunData(
        train=train,
        evaluation=measured | {"verification": judge},
        lattice=Lattice.from_face_set(measured["lattice"]),
        lattice_set="lattice",
        verification_set="verification",
        further_lattices={EXACT: Lattice.from_face_set(measured[EXACT])},
    )


def epoch_seconds(cfg: DictConfig, data: RunData, start: FaceModel, epochs: int) -> float:
    """Wall time of a training epoch."""
    target = target_attribute(cfg)
    module = fine_tune_module(cfg, start, make_objective(cfg, start, target), data, target)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer: L.Trainer = instantiate(
            cfg.trainer,
            max_epochs=epochs,
            limit_val_batches=0,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            default_root_dir=folder,
        )
        trainer.fit(module, datamodule=data_module(cfg, data, target))
    return min(clock.seconds)


def embedding_seconds(data: RunData, start: FaceModel) -> float:
    """Wall time of embedding every image of a validation."""
    judge = data.evaluation[data.verification_set]
    times = []
    for _ in range(2):
        began = time.perf_counter()
        embed(start, judge)
        times.append(time.perf_counter() - began)
    return min(times) / len(judge) * sum(len(faces) for faces in data.evaluation.values())


def measurement_seconds(
    cfg: DictConfig, data: RunData, start: FaceModel
) -> tuple[dict[str, float], float]:
    """Wall time of each measurement by kind; and what the alignment takes once, at a run's end."""
    by_set = {
        name: embedded(faces, start.card.dimension, seed)
        for seed, (name, faces) in enumerate(data.evaluation.items())
    }
    known: Any = Known(by_set, start)
    measuring, _ = make_callbacks(cfg)
    references = reference_models(cfg, start)
    seconds, once = {}, 0.0
    for kind, callback in measuring.items():
        callback.connect(data, references, Path(cfg.paths.cache) / "embeddings")
        times = []
        for _ in range(RUNS):
            began = time.perf_counter()
            found = callback.measure(known)
            times.append(time.perf_counter() - began)
        if found.metrics:
            seconds[kind] = min(times)
        if kind == CrossModelAlignment.kind:
            began = time.perf_counter()
            before, after = callback.completed(found), callback.completed(found)
            callback.differences(before, after)
            once = time.perf_counter() - began
    return seconds, once


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Cost of a validation's geometry.")
    parser.add_argument("--epochs", type=int, default=1, help="training epochs; the best counts")
    parser.add_argument("overrides", nargs="*", help="of the default job")
    arguments = parser.parse_args()
    cfg = compose_config("config", [*OVERRIDES, *arguments.overrides])
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    data, start = run_data(cfg), start_model(cfg)
    references = len(reference_models(cfg, start))
    parts, once = measurement_seconds(cfg, data, start)
    parts["embedding"] = embedding_seconds(data, start)
    epoch = epoch_seconds(cfg, data, start, arguments.epochs)
    validation = sum(parts.values())
    others = (Verification.kind, CrossModelAlignment.kind, "embedding")
    geometry = sum(seconds for kind, seconds in parts.items() if kind not in others)
    machine = {
        "images": len(data.train),
        "people": cfg.synthesis.lattice.identities,
        "nodes": cfg.synthesis.lattice.nodes,
        "dimension": start.card.dimension,
        "backbone": cfg.backbone.name,
        "references": references,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    whole = {"training epoch": epoch, "validation": validation, **parts, "all geometry": geometry}
    whole["alignment, once a run"] = once
    required = {
        "all geometry": f"<= {BOUND} of an epoch",
        CrossModelAlignment.kind: f"<= {ALIGNMENT_BOUND} of the validation",
    }
    rows = [
        {
            "what": what,
            "seconds": round(seconds, 3),
            "share_of_epoch": round(seconds / epoch, 4),
            "share_of_validation": round(seconds / validation, 4),
            "required": required.get(what, ""),
        }
        for what, seconds in whole.items()
    ]
    print(*(f"{key}={value}" for key, value in machine.items()))
    for row in rows:
        print(
            f"{row['what']:>22} {row['seconds']:>10} s {row['share_of_epoch']:>8.2%} of an epoch "
            f"{row['share_of_validation']:>8.2%} of the validation"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    with (
        atomic_path(RESULTS) as path,
        path.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=[*rows[0], *machine])
        writer.writeheader()
        writer.writerows(row | machine for row in rows)
    print(f"output: {RESULTS}")


if __name__ == "__main__":
    main()
