"""The embeddings of one validation, computed once and shared by every callback."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError

Gather = Callable[[Tensor], Tensor]


class EmbeddingPass:
    """Collects embeddings of named face sets, batch by batch, on every process.

    Batches carry the index of each image in its face set, so neither the order of batches nor the
    duplicates that pad a distributed sampler's last batch matter.

    Args:
        sizes: Images in each face set, by name.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self.clear()

    def clear(self) -> None:
        """Forget everything: a new validation begins."""
        self._parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in self.sizes}
        self._whole: dict[str, Tensor] = {}

    def add(self, name: str, index: Tensor, embeddings: Tensor) -> None:
        """Keep one batch: `index` (B,) into face set `name`, `embeddings` (B, D).

        Raises:
            FaceGeomError: When an embedding is not finite, before it can reach a measure.
        """
        broken = ~embeddings.isfinite().all(1)
        if bool(broken.any()):
            raise FaceGeomError(
                f"The model gave NaN or infinite embeddings for {int(broken.sum())} of "
                f"{len(index)} images of {name!r} (first: image {int(index[broken][0])}). Lower "
                "the learning rate, or clip the gradient (trainer.gradient_clip_val)."
            )
        self._parts[name].append((index.detach(), embeddings.detach().float()))

    def whole(self, name: str, gather: Gather | None = None) -> Tensor:
        """Return the embeddings of face set `name` in its order, (N, D), on the CPU.

        Args:
            name: A face set.
            gather: Joins a tensor of every process along the first dimension; collective, so
                every process must ask for the same sets in the same order. None: one process.

        Raises:
            FaceGeomError: When an image has no embedding.
        """
        if name not in self._whole:
            self._whole[name] = self._join(name, gather)
            self._parts[name] = []
        return self._whole[name]

    def _join(self, name: str, gather: Gather | None) -> Tensor:
        size, parts = self.sizes[name], self._parts[name]
        if not parts:
            raise FaceGeomError(f"No embeddings of {name!r}: its loader gave no batch.")
        index = torch.cat([part[0] for part in parts])
        embeddings = torch.cat([part[1] for part in parts])
        if gather is not None:
            index, embeddings = gather(index), gather(embeddings)
        index, embeddings = index.cpu(), embeddings.cpu()
        seen = torch.zeros(size, dtype=torch.bool)
        seen[index] = True
        if not bool(seen.all()):
            missing = (~seen).nonzero().flatten()
            raise FaceGeomError(
                f"{len(missing)} of {size} images of {name!r} have no embedding (first: image "
                f"{int(missing[0])}). Likely causes: (1) trainer.limit_val_batches is not 1.0, "
                "(2) a loader drops its last batch, (3) the face set changed during the run."
            )
        whole = embeddings.new_empty(size, embeddings.shape[1])
        whole[index] = embeddings
        return whole
