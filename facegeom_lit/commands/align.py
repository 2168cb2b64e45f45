"""`facegeom align model=... data=... embeddings=...`: maps between the spaces of face models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from facegeom_lit.commands.align_sections import check_attributes, check_models
from facegeom_lit.commands.align_sets import (
    OpenedSet,
    check_partners,
    open_file,
    open_set,
    rendered_set,
)
from facegeom_lit.commands.align_settings import settings_of
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
from facegeom_lit.evaluation.alignment.measure import Part, assembled, measure_pair, measure_set
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Alignment
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
from facegeom_lit.evaluation.alignment.store import kept_part, part_key
from facegeom_lit.evaluation.embedding import device_of
from facegeom_lit.evaluation.embedding_file import EmbeddingFile
from facegeom_lit.evaluation.named import named_sources
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.geometry.points import Distance
from facegeom_lit.models import load_face_model
from facegeom_lit.reporting.alignment_report import RECORD, log_wandb, write_alignment_report
from facegeom_lit.reporting.alignment_tables import print_alignment
from facegeom_lit.reporting.result_folder import settings_hash
from facegeom_lit.reporting.run_record import versions


def main(overrides: Sequence[str]) -> None:
    """Fit maps between all models on some people of each set, and judge them on the others.

    Writes `alignment.json`, tables (CSV, Parquet, LaTeX), figures and a page, and prints the folder
    as its last line. Pairs that were measured before, by a run that was killed, are not again.

    Raises:
        FaceGeomError: When the configuration is wrong, something cannot be read or written, or a
            pair of models could not be measured; what else was measured is written first.
    """
    cfg = compose_with_sources("align", overrides)
    # One process measures; the others of a launcher (SLURM, torchrun) would only repeat it.
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        return
    settings, device = settings_of(cfg), device_of(cfg.device)
    models, faces, files = (named_sources(cfg[key], key) for key in SOURCES)
    if not (models or faces or files):
        models = {name: str(Path(cfg.paths.models) / name) for name in EMBEDDED}
    check_sources(models, faces, files)
    check_output(cfg, RECORD, "alignment")
    opened = {name: open_set(name, source, settings) for name, source in faces.items()}
    opened |= {name: open_file(name, source, settings) for name, source in files.items()}
    if not opened:
        opened = {RENDERED: rendered_set(RENDERED, cfg, settings)}
    partners = check_partners(models, opened)
    check_models(settings, sorted({name for names in partners.values() for name in names}))
    check_attributes(settings, opened)
    run = Run(cfg, settings, device, opened)
    for name, source in models.items():
        run.embed(name, source)
    for name, data in opened.items():
        run.take(name, data)
    run.measure()
    finish(run)


class Run:
    """The measurements of one command, and what failed.

    Args:
        cfg: The configuration.
        settings: What to measure.
        device: Where models compute, and maps are fitted and judged.
        opened: The sets by name.
    """

    def __init__(
        self,
        cfg: DictConfig,
        settings: AlignmentSettings,
        device: torch.device,
        opened: dict[str, OpenedSet],
    ) -> None:
        self.cfg, self.settings, self.device, self.opened = cfg, settings, device, opened
        self.models: dict[str, Any] = {}
        self.parts: list[Part] = []
        self.failures: list[tuple[str, str, str]] = []

    @property
    def sets(self) -> dict[str, AlignmentSet]:
        """Those on which two models or more could be embedded."""
        found = {name: data.aligned for name, data in self.opened.items()}
        return {name: data for name, data in found.items() if len(data.spaces) > 1}

    def embed(self, name: str, source: str) -> None:
        """Embed every set with images by one model."""
        wanted = [key for key, data in self.opened.items() if isinstance(data.images, FaceSet)]
        try:
            model = load_face_model(source).to(self.device)
        except FaceGeomError as error:
            self.failures += [(name, key, str(error)) for key in wanted]
            return
        self.models[name] = model_record(source, model)
        distance: Distance = model.card.distance  # type: ignore[assignment]
        for key in wanted:
            faces = self.opened[key].images
            assert isinstance(faces, FaceSet)
            try:
                embeddings = embeddings_of(self.cfg, model, faces, flip=self.cfg.flip)
                aligned = self.opened[key].aligned
                aligned.add(name, embeddings.to(self.device), distance)
            except (FaceGeomError, torch.OutOfMemoryError) as error:
                self._failed(name, key, error)

    def take(self, name: str, data: OpenedSet) -> None:
        """Take every model of a file of embeddings."""
        if not isinstance(data.images, EmbeddingFile):
            return
        for model, embeddings in data.images.models.items():
            distance, centre = data.images.distances[model], model in data.centred
            try:
                data.aligned.add(model, embeddings.to(self.device), distance, centre=centre)
            except FaceGeomError as error:
                self._failed(model, name, error)

    def measure(self) -> None:
        """Measure every set, and every pair of models that share one."""
        for data in self.sets.values():
            work = partial(measure_set, data, self.settings)
            self._keep(
                "native", [data], partial(self._part, "set", tuple(data.spaces), [data], work)
            )
        models = dict.fromkeys(m for data in self.sets.values() for m in data.spaces)
        shared = {
            pair: sets
            for pair in combinations(models, 2)
            if (sets := [d for d in self.sets.values() if set(pair) <= set(d.spaces)])
        }
        with (
            side_by_side(self.device) as pool,
            tqdm(desc="align", unit=" pairs", total=len(shared), leave=False) as bar,
        ):
            begun = {
                pair: pool.submit(self._part, "pair", pair, sets, partial(self._pair, pair, sets))
                for pair, sets in shared.items()
            }
            for future in begun.values():
                future.add_done_callback(lambda _: bar.update())
            for pair, future in begun.items():
                bar.set_postfix_str(" and ".join(pair))
                self._keep(" and ".join(pair), shared[pair], future.result)

    def _pair(self, models: tuple[str, str], sets: Sequence[AlignmentSet]) -> Part:
        return measure_pair(Pair(*models, sets), self.settings)

    def _part(
        self,
        kind: str,
        models: Sequence[str],
        sets: Sequence[AlignmentSet],
        measure: Callable[[], Part],
    ) -> Part:
        """Measure a part, or find what a run before this one measured of it."""
        folder = Path(self.cfg.paths.cache) / "alignments"
        return kept_part(folder, part_key(kind, models, sets, self.settings), measure)

    def _keep(self, what: str, sets: Sequence[AlignmentSet], made: Callable[[], Part]) -> None:
        """Keep what can be measured: one fault must not lose the others' work."""
        try:
            self.parts.append(made())
        except (FaceGeomError, torch.OutOfMemoryError, torch.linalg.LinAlgError) as error:
            self._failed(what, " and ".join(data.name for data in sets), error)

    def _failed(self, what: str, where: str, error: Exception) -> None:
        self.failures.append((what, where, str(error).removeprefix(f"{what} on {where}: ")))
        tqdm.write(f"failed: {what} on {where}")

    def alignment(self) -> Alignment:
        """All that was measured."""
        notes = [f"{name}: {note}" for name, data in self.opened.items() for note in data.notes]
        return assembled(
            self.parts, self.sets, self.settings, cut=self.cfg.families.cut, notes=notes
        )


@contextmanager
def side_by_side(device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of a thread for each core, on which pairs are measured.

    Their matrices are too small for several cores to share one. A GPU takes one pair at a time.
    """
    cores = torch.get_num_threads()
    count = cores if device.type == "cpu" else 1
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(cores // count,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C only what has begun is ended
        torch.set_num_threads(cores)


def finish(run: Run) -> None:
    """Write, print and log what was measured.

    Raises:
        FaceGeomError: When something failed, after the rest is written.
    """
    listed = "\n".join(f"  {what} on {where}: {error}" for what, where, error in run.failures)
    alignment = run.alignment()
    if not any(cell.source != cell.target for cell in alignment.cells):
        raise FaceGeomError(f"Nothing could be measured:\n{listed}")
    config: Any = OmegaConf.to_container(run.cfg, resolve=True)
    record = {
        "weights": run.models,
        "sets": {name: data.record for name, data in run.opened.items()},
        "failed": [dict(zip(("models", "set", "error"), f, strict=True)) for f in run.failures],
        "config": config,
        "versions": versions(),
    }
    name = f"alignment-{settings_hash([record['weights'], record['sets']], config)}"
    folder = output_folder(run.cfg, name, RECORD, "alignment")
    write_alignment_report(folder, alignment, record, level=run.settings.judge.level)
    print_alignment(alignment)
    if run.cfg.wandb != "none":
        log_wandb(folder, alignment, record, run.cfg.wandb, run.cfg.project)
    print(f"output: {folder}")
    if run.failures:
        raise FaceGeomError(
            f"Not everything could be measured; the rest is in {folder}. Mend these and run the "
            f"same command again, what is measured is kept:\n{listed}"
        )
