"""`facegeom evaluate model=... data=...`: several face models on several sets, as one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, ListConfig, OmegaConf
from tqdm import tqdm

from facegeom_lit.commands.check import INFINITE, SEED, Numbers, check_values, check_wandb
from facegeom_lit.commands.composition import check_output, output_folder
from facegeom_lit.commands.embedding import embeddings_of, model_record
from facegeom_lit.commands.sources import SOURCES, check_models, compose_with_sources
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding import device_of
from facegeom_lit.evaluation.embedding_file import EmbeddingFile, read_embedding_file
from facegeom_lit.evaluation.face_sets import measure_faces
from facegeom_lit.evaluation.measure import evaluation_set_hash, faces_of, measure
from facegeom_lit.evaluation.named import named_sources
from facegeom_lit.evaluation.result import Result
from facegeom_lit.evaluation.settings import Settings
from facegeom_lit.faces.opening import EvaluationSet, notes_of, open_evaluation
from facegeom_lit.faces.template_set import TemplateSet
from facegeom_lit.geometry.points import Distance
from facegeom_lit.models import FaceModel, load_face_model
from facegeom_lit.reporting.evaluation_report import (
    RECORD,
    log_wandb,
    write_report,
)
from facegeom_lit.reporting.evaluation_tables import Failure, print_results
from facegeom_lit.reporting.result_folder import settings_hash
from facegeom_lit.reporting.run_record import versions

NUMBERS: Numbers = {
    "kept_out": (False, 0, 1),
    "bootstrap.resamples": (True, 0, INFINITE),
    "bootstrap.level": (False, 0, 1),
    "seed": SEED,
    "batch_size": (True, 1, INFINITE),
    "workers": (True, 0, INFINITE),
}
SWITCHES = ("flip", "templates.weigh_by_detector", "templates.normalize_images")
GIVEN = "given embeddings"
"""Name that embeddings which came with a set stand under."""


def main(overrides: Sequence[str]) -> None:
    """Measure every model on every set, and write tables and figures.

    Writes `evaluation.json`, `evaluation.csv`, `evaluation.md` and, for each set, `roc-SET.png`,
    `det-SET.png` and `scores-SET.png`, and prints the folder as its last line.

    Raises:
        FaceGeomError: When the configuration is wrong, something cannot be read or written, or a
            model could not be measured on a set; what else was measured is written first.
    """
    cfg = compose_with_sources("evaluate", overrides)
    # One process measures; the others of a launcher (SLURM, torchrun) would only repeat it.
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        return
    settings, device = settings_of(cfg), device_of(cfg.device)
    check_output(cfg, RECORD, "evaluation")
    models, sets, files = (named_sources(cfg[key], key) for key in SOURCES)
    opened = {name: open_evaluation(source, name) for name, source in sets.items()}
    embedded = {name: read_embedding_file(source) for name, source in files.items()}
    check_sources(models, opened, embedded)
    run = Run(cfg, settings, device)
    for name, source in models.items():
        run.model(name, source, opened)
    for name, data in opened.items():
        if faces_of(data) is None:
            run.given(name, data)
    for name, file in embedded.items():
        run.file(name, file)
    finish(run, {name: evaluation_set_hash(data) for name, data in opened.items()})


def settings_of(cfg: DictConfig) -> Settings:
    """Return what the configuration says to measure.

    Raises:
        FaceGeomError: When a value is out of range, or of the wrong kind.
    """
    check_values(cfg, NUMBERS, SWITCHES)
    for key in ("fars", "ranks", "fpirs"):
        kinds = int if key == "ranks" else int | float
        given = [] if cfg[key] is None else cfg[key]
        listed = isinstance(given, list | ListConfig)
        if not listed or not all(isinstance(value, kinds) for value in given):
            raise FaceGeomError(f"{key} must be a list of numbers, got {given}.")
    if cfg.folds is not None and not isinstance(cfg.folds, int):
        raise FaceGeomError(f"folds must be a whole number, or null, got {cfg.folds}.")
    check_wandb(cfg)
    return Settings(
        fars=None if cfg.fars is None else tuple(map(float, cfg.fars)),
        interpolation=cfg.interpolation,
        ranks=tuple(cfg.ranks or ()),
        fpirs=tuple(map(float, cfg.fpirs or ())),
        kept_out=cfg.kept_out,
        folds=cfg.folds,
        resamples=cfg.bootstrap.resamples,
        level=cfg.bootstrap.level,
        seed=cfg.seed,
        weigh_by_detector=cfg.templates.weigh_by_detector,
        normalize_images=cfg.templates.normalize_images,
    )


def check_sources(
    models: dict[str, Any], sets: dict[str, EvaluationSet], files: dict[str, EmbeddingFile]
) -> None:
    """Raise FaceGeomError unless there is something to measure and every name stands once."""
    check_models(models)
    images = [name for name, data in sets.items() if faces_of(data) is not None]
    if models and not images:
        raise FaceGeomError("model is given, but no data with images to measure it on: data=….")
    if images and not models:
        raise FaceGeomError(f"data holds images ({images[0]}), but no model is given: model=….")
    if twice := sorted(set(sets) & set(files)):
        raise FaceGeomError(
            f"data and embeddings both have a set {twice[0]!r}. Name one of them otherwise: "
            "embeddings={NAME: PATH}."
        )


@dataclass
class Run:
    """The measurements of one command, and what failed.

    Args:
        cfg: The configuration.
        settings: What to measure.
        device: Where models compute.
    """

    cfg: DictConfig
    settings: Settings
    device: torch.device

    def __post_init__(self) -> None:
        self.results: list[Result] = []
        self.failures: list[Failure] = []
        self.models: dict[str, Any] = {}
        self.files: dict[str, Any] = {}

    def model(self, name: str, source: Any, sets: dict[str, EvaluationSet]) -> None:
        """Measure one model on every set with images."""
        wanted = [key for key, data in sets.items() if faces_of(data) is not None]
        try:
            model = load_face_model(source).to(self.device)
        except FaceGeomError as error:
            self.failures += [(name, key, str(error)) for key in wanted]
            return
        self.models[name] = model_record(source, model)
        for key in wanted:
            work = partial(self._on, model, sets[key], f"{name} on {key}")
            self.measured(name, key, work)

    def given(self, name: str, data: EvaluationSet) -> None:
        """Measure embeddings that a set of templates came with."""
        assert isinstance(data, TemplateSet)
        assert data.embeddings is not None
        work = partial(measure, data.embeddings, data, "cosine", self.settings, name)
        self.measured(GIVEN, name, work, notes_of(data))

    def file(self, name: str, file: EmbeddingFile) -> None:
        """Measure every model of a file of embeddings."""
        self.files[name] = {"path": str(file.path), "hash": file.hash}
        for model, embeddings in file.models.items():
            settings, title = self.settings, f"{model} on {name}"
            distance = file.distances[model]
            work = partial(measure_faces, embeddings, file.labels, distance, settings, title)
            self.measured(model, name, work, file.notes)

    def measured(
        self, model: str, data: str, work: Callable[[], Result], notes: Sequence[str] = ()
    ) -> None:
        """Keep a result, or what went wrong: one pair's fault must not lose the others' work."""
        try:
            found = work()
        except (FaceGeomError, torch.OutOfMemoryError) as error:
            self.failures.append((model, data, str(error)))
            tqdm.write(f"failed: {model} on {data}")
            return
        self.results.append(found.named(model, data, (*notes, *found.notes)))

    def _on(self, model: FaceModel, data: EvaluationSet, title: str) -> Result:
        faces = faces_of(data)
        assert faces is not None
        embeddings = embeddings_of(self.cfg, model, faces, flip=self.cfg.flip)
        distance: Distance = model.card.distance  # type: ignore[assignment]
        found = measure(embeddings, data, distance, self.settings, title)
        fusion = "an image and its mirror image are averaged" if self.cfg.flip else "no flip fusion"
        return found.named("", "", (*notes_of(data), fusion, *found.notes))


def finish(run: Run, sets: dict[str, str]) -> None:
    """Write, print and log what was measured.

    Raises:
        FaceGeomError: When something failed, after the rest is written.
    """
    config: Any = OmegaConf.to_container(run.cfg, resolve=True)
    record = {
        "models": run.models,
        "sets": sets,
        "embeddings": run.files,
        "failed": [dict(zip(("model", "set", "error"), f, strict=True)) for f in run.failures],
        "config": config,
        "versions": versions(),
    }
    listed = "\n".join(f"  {model} on {data}: {error}" for model, data, error in run.failures)
    if not run.results:
        raise FaceGeomError(f"Nothing could be measured:\n{listed}")
    name = f"models-{settings_hash([run.models, sets, run.files], config)}"
    folder = output_folder(run.cfg, name, RECORD, "evaluation")
    write_report(folder, run.results, record, run.settings.level)
    print_results(run.results, run.failures)
    if run.cfg.wandb != "none":
        log_wandb(folder, run.results, record, run.cfg.wandb, run.cfg.project)
    print(f"output: {folder}")
    if run.failures:
        raise FaceGeomError(
            f"{len(run.failures)} of {len(run.failures) + len(run.results)} measurements failed; "
            f"the others are in {folder}. Mend these and run the same command again, embeddings "
            f"are kept:\n{listed}"
        )
