"""`facegeom analyze model=... data=... embeddings=...`: the attribute geometry of face models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from facegeom_lit.commands.analyze_sets import (
    AnalysisSet,
    only_attributes,
    open_file,
    open_set,
    rendered_set,
)
from facegeom_lit.commands.analyze_settings import check_choices, macroscale_of, microscale_of
from facegeom_lit.commands.composition import check_output, output_folder
from facegeom_lit.commands.embedding import embeddings_of, model_record
from facegeom_lit.commands.sources import (
    EMBEDDED,
    RENDERED,
    SOURCES,
    check_sources,
    compose_with_sources,
)
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.analysis import Analysis
from facegeom_lit.evaluation.embedding import device_of
from facegeom_lit.evaluation.embedding_file import EmbeddingFile
from facegeom_lit.evaluation.macroscale import (
    MacroscaleResult,
    MacroscaleSettings,
    measure_macroscale,
)
from facegeom_lit.evaluation.microscale import (
    Microscale,
    MicroscaleSettings,
    measure_microscale,
)
from facegeom_lit.evaluation.named import named_sources
from facegeom_lit.evaluation.shape import Shape, measure_shape
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.geometry.points import Distance
from facegeom_lit.models import load_face_model
from facegeom_lit.reporting.analysis_report import (
    RECORD,
    log_wandb,
    write_report,
)
from facegeom_lit.reporting.analysis_tables import print_analyses
from facegeom_lit.reporting.result_folder import settings_hash
from facegeom_lit.reporting.run_record import versions


def main(overrides: Sequence[str]) -> None:
    """Measure every model on every set, at the scales that the set allows.

    Writes `analysis.json`, tables (CSV, Parquet, LaTeX) and figures, and prints the folder as its
    last line.

    Raises:
        FaceGeomError: When the configuration is wrong, something cannot be read or written, or a
            model could not be measured on a set; what else was measured is written first.
    """
    cfg = compose_with_sources("analyze", overrides)
    # One process measures; the others of a launcher (SLURM, torchrun) would only repeat it.
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        return
    attributes = check_choices(cfg)
    micro, macro, device = microscale_of(cfg), macroscale_of(cfg), device_of(cfg.device)
    models, faces, files = (named_sources(cfg[key], key) for key in SOURCES)
    if not (models or faces or files):
        models = {name: str(Path(cfg.paths.models) / name) for name in EMBEDDED}
    check_sources(models, faces, files)
    check_output(cfg, RECORD, "analysis")
    opened = {name: open_set(name, source) for name, source in faces.items()}
    opened |= {name: open_file(source) for name, source in files.items()}
    if not opened:
        opened = {RENDERED: rendered_set(cfg)}
    opened = {
        name: data.at(cfg.scale, name) for name, data in only_attributes(opened, attributes).items()
    }
    pairs = sum(
        len(data.images.models) if isinstance(data.images, EmbeddingFile) else len(models)
        for data in opened.values()
    )
    run = Run(cfg, micro, macro, device, pairs)
    with run.bar:
        for name, source in models.items():
            run.model(name, source, opened)
        for name, data in opened.items():
            run.file(name, data)
    finish(run, opened)


class Run:
    """The measurements of one command, and what failed.

    Args:
        cfg: The configuration.
        micro: What to measure within identities.
        macro: What to measure across identities.
        device: Where models compute.
        pairs: How many pairs of a model and a set there are.
    """

    def __init__(
        self,
        cfg: DictConfig,
        micro: MicroscaleSettings,
        macro: MacroscaleSettings,
        device: torch.device,
        pairs: int,
    ) -> None:
        self.cfg, self.micro, self.macro, self.device = cfg, micro, macro, device
        self.microscale: dict[str, dict[str, Microscale]] = {}
        self.macroscale: dict[str, dict[str, MacroscaleResult]] = {}
        self.shape: dict[str, dict[str, Shape]] = {}
        self.failures: list[tuple[str, str, str]] = []
        self.bar = tqdm(desc="analyze", unit=" measurements", total=pairs, leave=False)
        self.models: dict[str, Any] = {}

    def model(self, name: str, source: str, sets: dict[str, AnalysisSet]) -> None:
        """Measure one model on every set with images."""
        wanted = {k: data for k, data in sets.items() if isinstance(data.images, FaceSet)}
        try:
            model = load_face_model(source).to(self.device)
        except FaceGeomError as error:
            self.failures += [(name, key, str(error)) for key in wanted]
            return
        self.models[name] = model_record(source, model)
        distance: Distance = model.card.distance  # type: ignore[assignment]
        for key, data in wanted.items():
            assert isinstance(data.images, FaceSet)
            try:
                # A mirror image turns pose and light round: their fields would cancel.
                embeddings = embeddings_of(self.cfg, model, data.images, flip=False)
            except (FaceGeomError, torch.OutOfMemoryError) as error:
                self._failed(name, key, error)
                continue
            self._measure(name, key, data, embeddings, distance)

    def file(self, name: str, data: AnalysisSet) -> None:
        """Measure every model of a file of embeddings."""
        if isinstance(data.images, EmbeddingFile):
            for model, embeddings in data.images.models.items():
                self._measure(model, name, data, embeddings, data.images.distances[model])

    def _measure(
        self, model: str, key: str, data: AnalysisSet, embeddings: torch.Tensor, distance: Distance
    ) -> None:
        """Keep what can be measured: one fault must not lose the others' work."""
        self.bar.set_postfix_str(f"{model} on {key}")
        work: list[tuple[dict[str, Any], Callable[[], Any]]] = []
        if (curves := data.curves) is not None:
            micro = partial(measure_microscale, embeddings, curves, distance, self.micro)
            work.append((self.microscale.setdefault(key, {}), micro))
        if (labels := data.labels) is not None:
            macro = partial(measure_macroscale, embeddings, labels, distance, self.macro)
            work.append((self.macroscale.setdefault(key, {}), macro))
        if (shape := self.cfg.shape).clouds != "none":
            known = {} if labels is None else labels.values
            where = embeddings, data.images.labels, known, distance
            clouds = partial(measure_shape, *where, shape.clouds, shape.homology, self.cfg.seed)
            work.append((self.shape.setdefault(key, {}), clouds))
        for found, measured in work:
            try:
                found[model] = measured()
            except (FaceGeomError, torch.OutOfMemoryError) as error:
                self._failed(model, key, error)
        self.bar.update()

    def _failed(self, model: str, key: str, error: Exception) -> None:
        self.failures.append((model, key, str(error)))
        tqdm.write(f"failed: {model} on {key}")

    def analyses(self, sets: dict[str, AnalysisSet]) -> list[Analysis]:
        """What was measured, set by set."""
        found = []
        for name, data in sets.items():
            micro, macro = self.microscale.get(name, {}), self.macroscale.get(name, {})
            shape = self.shape.get(name, {})
            if micro or macro or shape:
                notes = [*data.notes]
                notes += data.curves.remarks if data.curves else ()
                notes += data.labels.notes if data.labels else ()
                found.append(
                    Analysis(name, micro, macro, shape, tuple(notes), self.micro.resampling)
                )
        return found


def finish(run: Run, sets: dict[str, AnalysisSet]) -> None:
    """Write, print and log what was measured.

    Raises:
        FaceGeomError: When something failed, after the rest is written.
    """
    config: Any = OmegaConf.to_container(run.cfg, resolve=True)
    record = {
        "models": run.models,
        "sets": {name: data.record for name, data in sets.items()},
        "failed": [dict(zip(("model", "set", "error"), f, strict=True)) for f in run.failures],
        "config": config,
        "versions": versions(),
    }
    analyses = run.analyses(sets)
    listed = "\n".join(f"  {model} on {data}: {error}" for model, data, error in run.failures)
    if not analyses:
        raise FaceGeomError(f"Nothing could be measured:\n{listed}")
    name = f"analysis-{settings_hash([record['models'], record['sets']], config)}"
    folder = output_folder(run.cfg, name, RECORD, "analysis")
    write_report(folder, analyses, record)
    print_analyses(analyses)
    if run.cfg.wandb != "none":
        log_wandb(folder, analyses, record, run.cfg.wandb, run.cfg.project)
    print(f"output: {folder}")
    if run.failures:
        raise FaceGeomError(
            f"Not everything could be measured; the rest is in {folder}. Mend these and run the "
            f"same command again, embeddings are kept:\n{listed}"
        )
