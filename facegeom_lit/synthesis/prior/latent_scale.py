"""Between the autoencoder's latents and those that the flow sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LatentScale:
    """Mean and deviation of each latent channel: the flow sees latents of zero mean and unit size.

    Args:
        mean: (C,).
        std: (C,).
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, latents: Tensor) -> LatentScale:
        """Measure latents (N, C, H, W)."""
        std, mean = torch.std_mean(latents.double(), dim=(0, 2, 3))
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def to_flow(self, latents: Tensor) -> Tensor:
        """Return the latents (N, C, H, W) as the flow sees them."""
        return (latents - self._plane(self.mean, latents)) / self._plane(self.std, latents)

    def to_decoder(self, latents: Tensor) -> Tensor:
        """Undo `to_flow`."""
        return latents * self._plane(self.std, latents) + self._plane(self.mean, latents)

    @staticmethod
    def _plane(values: tuple[float, ...], like: Tensor) -> Tensor:
        return like.new_tensor(values).view(1, -1, 1, 1)
