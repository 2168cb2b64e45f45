"""Embeddings of large sets as a `Trainer.predict` job: one process or many, on any machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from facegeom_lit.evaluation.embedding import PART, fused_embeddings
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.interrupts import interruptible
from facegeom_lit.models import FaceModel


class ShardedEmbedding(L.LightningModule):
    """The embeddings of a set, in parts that are kept on disk; one prediction step is one part.

    The cache must be one folder that every process sees.

    Args:
        model: The model.
        faces: The faces.
        cache: Folder of the embeddings of frozen models.
        flip: Whether the embeddings of an image and of its mirror image are averaged.
        batch_size: Images at a time.
        workers: Processes that decode images.
    """

    def __init__(
        self,
        model: FaceModel,
        faces: FaceSet,
        cache: Path,
        *,
        flip: bool,
        batch_size: int = 128,
        workers: int = 0,
    ) -> None:
        super().__init__()
        # There may be fewer parts than processes.
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.model = model
        self._faces, self._cache = faces, cache
        self._how: dict[str, Any] = {"flip": flip, "batch_size": batch_size, "workers": workers}
        self._starts = range(0, len(faces), PART)
        self._bar: tqdm[Any]

    def compute(self, trainer: L.Trainer) -> None:
        """Embed every part that is not kept yet, shared out among the trainer's processes.

        Raises:
            FaceGeomError: When an image cannot be read, or an embedding is not finite.
            KeyboardInterrupt: On Ctrl-C; whole parts are kept.
        """
        with interruptible(trainer):
            trainer.predict(self, return_predictions=False)
            trainer.strategy.barrier("all parts are embedded")

    def parts(self) -> Iterator[Tensor]:
        """Yield the embeddings in order, raw (n, D) float32: from the disk once computed."""
        for start in self._starts:
            yield self._part(start)

    def predict_dataloader(self) -> DataLoader[int]:
        """Return where this process's parts start: every n-th one."""
        starts: Any = list(self._starts)[self.trainer.global_rank :: self.trainer.world_size]
        return DataLoader(starts, batch_size=1)

    def on_predict_start(self) -> None:
        """Show a bar over parts where there are several; each has one of its own."""
        shown = self.trainer.is_global_zero and len(self._starts) > 1
        total = len(self._starts[:: self.trainer.world_size])
        self._bar = tqdm(total=total, unit="part", desc="parts", disable=not shown)

    def on_predict_end(self) -> None:
        """Close the bar."""
        self._bar.close()

    def predict_step(self, batch: Any, batch_idx: int) -> int:
        """Embed one part into the cache; return where it starts."""
        start = int(batch[0])
        self._part(start)
        self._bar.update()
        return start

    def _part(self, start: int) -> Tensor:
        whole = len(self._faces) <= PART
        rows = range(start, min(start + PART, len(self._faces)))
        faces = self._faces if whole else self._faces.select(rows)
        return fused_embeddings(self.model, faces, self._cache, **self._how)
