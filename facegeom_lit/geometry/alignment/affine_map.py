"""A fitted affine map: callable, and one small file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_path


@dataclass(frozen=True)
class AffineMap:
    """The map `x ↦ x W + b`.

    Attributes:
        matrix: W, shape (p, q), float32.
        offset: b, shape (q,), float32.
        method: How it was fitted.
        bias: Whether both sides were centred.
        ridge: The λ that was used; None for other methods.
        count: Pairs it was fitted on.
        rank: Of the matrix of `low_rank`; None for other methods.
        scale: Whether `procrustes` scales.
    """

    matrix: Tensor
    offset: Tensor
    method: str
    bias: bool
    ridge: float | None
    count: int
    rank: int | None = None
    scale: bool = False

    def __call__(self, points: Tensor) -> Tensor:
        """Map embeddings of the source model, shape (N, p), to the target's space, (N, q).

        Raises:
            FaceGeomError: When the dimension is not p.
        """
        if points.ndim != 2 or points.shape[1] != len(self.matrix):
            raise FaceGeomError(
                f"This map takes embeddings of shape (N, {len(self.matrix)}), got "
                f"{tuple(points.shape)}."
            )
        # In half precision the rounding of W would cost more than that of the points.
        wide = torch.promote_types(points.dtype, torch.float32)
        matrix, offset = (side.to(points.device, wide) for side in (self.matrix, self.offset))
        return torch.addmm(offset, points.to(wide), matrix).to(points.dtype)

    def save(self, path: str | Path) -> None:
        """Write one safetensors file, whole or not at all.

        Raises:
            FaceGeomError: When the file cannot be written.
        """
        facts = {
            "format": "facegeom_lit.affine_map",
            "method": self.method,
            "bias": str(self.bias).lower(),
            "ridge": "" if self.ridge is None else repr(self.ridge),
            "count": str(self.count),
            "rank": "" if self.rank is None else str(self.rank),
            "scale": str(self.scale).lower(),
        }
        tensors = {"matrix": self.matrix.cpu().contiguous(), "offset": self.offset.cpu()}
        try:
            with atomic_path(path) as temporary:
                save_file(tensors, temporary, metadata=facts)
        except SafetensorError as error:
            raise FaceGeomError(f"Cannot write {path}: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> AffineMap:
        """Read a file that `save` wrote.

        Raises:
            FaceGeomError: When the file is missing or is not such a map.
        """
        try:
            with safe_open(path, framework="pt") as file:
                facts = file.metadata() or {}
                if facts.get("format") != "facegeom_lit.affine_map":
                    raise FaceGeomError(f"{path} is a safetensors file, but not an affine map.")
                return cls(
                    file.get_tensor("matrix"),
                    file.get_tensor("offset"),
                    method=facts["method"],
                    bias=facts["bias"] == "true",
                    ridge=float(facts["ridge"]) if facts["ridge"] else None,
                    count=int(facts["count"]),
                    rank=int(facts["rank"]) if facts.get("rank") else None,
                    scale=facts.get("scale") == "true",
                )
        except (OSError, SafetensorError, KeyError) as error:
            raise FaceGeomError(f"{path} cannot be read as an affine map: {error}") from error
