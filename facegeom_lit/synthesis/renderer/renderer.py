"""FaceRenderer: faces from identity vectors and facial attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from facegeom_lit.attributes import AttributeSpec, vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.renderer.identity import COORDINATES, draw_identities
from facegeom_lit.synthesis.renderer.scene import SIZE, project_landmarks, render_face


class FaceRenderer:
    """A parametric face: a 3-D head, its light and its background, in plain tensors.

    No learned weights. Each face is rendered on its own and on one thread, which keeps its planes
    in the processor's cache and makes every image independent, to the bit, of what else is in the
    batch and of the number of threads. To use more cores, render in more processes.

    Example:
        >>> renderer = FaceRenderer()
        >>> people = renderer.identity([1, 2])
        >>> renderer(people, {"pose": torch.tensor([0.0, 30.0])}, seeds=[5, 6]).shape
        torch.Size([2, 3, 112, 112])
    """

    size: int = SIZE
    identity_dim: int = len(COORDINATES)

    def __init__(self) -> None:
        self._specs: dict[str, AttributeSpec] = {
            name: spec for name, spec in vocabulary().items() if spec.kind == "facial"
        }

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the facial attributes."""
        return tuple(self._specs)

    def identity(self, seeds: Sequence[int]) -> Tensor:
        """Identity vectors (B, identity_dim), uniform in [-1, 1]; one seed, one person."""
        return draw_identities(seeds)

    def __call__(
        self, identity: Tensor, attributes: Mapping[str, Tensor], seeds: Sequence[int]
    ) -> Tensor:
        """Render a batch.

        Args:
            identity: (B, identity_dim), from `identity` or between such vectors.
            attributes: (B,) values of some of `attributes`; the others take their defaults.
            seeds: B integers for what is neither identity nor attribute: background, strands,
                colour and height of the light, sensor grain.

        Returns:
            uint8 (B, 3, 112, 112), RGB.

        Raises:
            FaceGeomError: For an unknown attribute, a value out of range or not finite, or
                lengths that do not agree.
        """
        faces = self._faces(identity, attributes)
        if len(seeds) != len(faces):
            raise FaceGeomError(
                f"{len(faces)} identities but {len(seeds)} seeds: give one seed for each image."
            )
        jobs = [(face, int(seed)) for face, seed in zip(faces, seeds, strict=True)]
        if not jobs:
            return torch.empty(0, 3, SIZE, SIZE, dtype=torch.uint8)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return torch.stack([render_face(face, seed) for face, seed in jobs])
        finally:
            torch.set_num_threads(threads)

    def landmarks(self, identity: Tensor, attributes: Mapping[str, Tensor]) -> Tensor:
        """Eye centres, nose tip, mouth corners in crop pixels (x, y): (B, 5, 2).

        Args:
            identity: As in the call.
            attributes: As in the call.

        Raises:
            FaceGeomError: As in the call.
        """
        faces = self._faces(identity, attributes)
        return torch.tensor([project_landmarks(face) for face in faces]).reshape(-1, 5, 2)

    def _faces(self, identity: Tensor, attributes: Mapping[str, Tensor]) -> list[dict[str, float]]:
        """One dictionary of identity coordinates and attribute values per image."""
        if identity.ndim != 2 or identity.shape[1] != self.identity_dim:
            raise FaceGeomError(
                f"identity must have shape (B, {self.identity_dim}), got {tuple(identity.shape)}."
            )
        if not torch.isfinite(identity).all() or (identity.abs() > 1.0).any():
            raise FaceGeomError(
                "identity must be finite and in [-1, 1]; use FaceRenderer.identity."
            )
        for name, values in attributes.items():
            self._check(name, values, len(identity))
        columns = {
            name: attributes[name].tolist()
            if name in attributes
            else [spec.default] * len(identity)
            for name, spec in self._specs.items()
        }
        return [
            dict(zip(COORDINATES, row, strict=True))
            | {name: float(column[i]) for name, column in columns.items()}
            for i, row in enumerate(identity.tolist())
        ]

    def _check(self, name: str, values: Tensor, count: int) -> None:
        if name not in self._specs:
            raise FaceGeomError(
                f"Unknown facial attribute {name!r}; the renderer has: {', '.join(self._specs)}."
            )
        spec = self._specs[name]
        if values.shape != (count,):
            raise FaceGeomError(
                f"Attribute {name!r} must have shape ({count},), got {tuple(values.shape)}."
            )
        bad = ~((values >= spec.low - 1e-6) & (values <= spec.high + 1e-6))
        if bad.any():
            row = int(bad.nonzero()[0])
            raise FaceGeomError(
                f"Attribute {name!r} is {float(values[row])} in row {row}; it must be in "
                f"[{spec.low:g}, {spec.high:g}]{' ' + spec.unit if spec.unit else ''}."
            )
