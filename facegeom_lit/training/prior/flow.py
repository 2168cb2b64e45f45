"""The prior itself: a flow from noise to latents, told who and with which attributes."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.prior.conditions import condition_vector
from facegeom_lit.synthesis.prior.pipeline import TIME
from facegeom_lit.training.prior.latents import ATTRIBUTES, CODE, LATENT
from facegeom_lit.training.prior.optimizer import cosine_adamw, step_generator


class FlowModule(L.LightningModule):
    """Trains a network to predict the velocity of a straight path from latent to noise.

    Rectified flow (Liu et al., ICLR 2023) with logit-normal noise levels (Esser et al., ICML
    2024), which weight the middle of the path as min-SNR weighting does for diffusion.

    Args:
        network: Predicts velocities, conditioned by `condition_vector`.
        lr: Peak learning rate.
        warmup_steps: Steps over which it rises.
        drop_identity: Share of training images whose identity is not told.
        drop_attributes: Share whose attributes are not told, independently of that.
        seed: Of the noise.
    """

    def __init__(
        self,
        network: UNet2DConditionModel,
        *,
        lr: float = 5e-4,
        warmup_steps: int = 200,
        drop_identity: float = 0.1,
        drop_attributes: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.lr = lr
        self.warmup_steps = warmup_steps
        self.drop_identity = drop_identity
        self.drop_attributes = drop_attributes
        self.seed = seed

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one batch of latents."""
        latents = batch[LATENT]
        count = len(latents)
        drawn: dict[str, Any] = {
            "generator": step_generator(self, self.seed),
            "device": self.device,
        }
        noise = torch.randn(latents.shape, **drawn)
        level = torch.randn(count, **drawn).sigmoid()
        told = [
            (torch.rand(count, **drawn) >= share).float()
            for share in (self.drop_identity, self.drop_attributes)
        ]
        condition = condition_vector(batch[CODE], batch[ATTRIBUTES], *told)
        mix = level[:, None, None, None]
        noisy = torch.lerp(latents, noise, mix).contiguous(memory_format=torch.channels_last)
        velocity = self.network(noisy, level * TIME, None, class_labels=condition).sample
        loss = F.mse_loss(velocity.float(), noise - latents)
        if not bool(loss.isfinite()):
            raise FaceGeomError(
                f"The loss is {loss.item()} at step {self.global_step}; lower prior.flow.lr."
            )
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return AdamW, rising linearly and falling as a cosine."""
        return cosine_adamw(self, self.network.parameters(), self.lr, self.warmup_steps)
