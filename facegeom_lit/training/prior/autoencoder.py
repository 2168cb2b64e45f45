"""The prior's autoencoder: faces to small latents and back."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from diffusers import AutoencoderDC
from torch import Tensor

from facegeom_lit.faces.keys import IMAGE
from facegeom_lit.models import FaceModel
from facegeom_lit.models.face_model import preprocess
from facegeom_lit.training.prior.optimizer import cosine_adamw, step_generator


def to_unit(images: Tensor) -> Tensor:
    """Turn uint8 images into float32 in [-1, 1], what the autoencoder takes and gives."""
    return images.float() / 127.5 - 1


class AutoencoderModule(L.LightningModule):
    """Trains an autoencoder on faces.

    The loss is L1 on pixels, L1 on what a frozen face model sees at each of its stages (a
    perceptual loss, Johnson et al., ECCV 2016, with the network that matters here), and a small
    weight on the latents' size. Noise on the latents makes near latents mean near faces, which is
    what the diffusion model needs: a variational autoencoder of fixed variance.

    Args:
        autoencoder: To be trained.
        critic: Frozen face model of the perceptual loss; None leaves it out.
        lr: Peak learning rate.
        warmup_steps: Steps over which it rises.
        perceptual: Weight of the perceptual loss.
        latent_noise: Standard deviation of the noise on the latents.
        latent_weight: Weight of their mean square.
        seed: Of the noise.
    """

    def __init__(
        self,
        autoencoder: AutoencoderDC,
        critic: FaceModel | None,
        *,
        lr: float = 1e-3,
        warmup_steps: int = 200,
        perceptual: float = 0.1,
        latent_noise: float = 0.1,
        latent_weight: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.critic = critic.requires_grad_(False).eval() if critic is not None else None
        self.lr = lr
        self.warmup_steps = warmup_steps
        self.perceptual = perceptual
        self.latent_noise = latent_noise
        self.latent_weight = latent_weight
        self.seed = seed

    def on_train_epoch_start(self) -> None:
        """Keep the critic as it is."""
        if self.critic is not None:
            self.critic.eval()

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one batch of images."""
        images = batch[IMAGE].contiguous(memory_format=torch.channels_last)
        images = images.flip(3) if self.global_step % 2 else images
        faces = to_unit(images)
        latents = self.autoencoder.encode(faces).latent
        generator = step_generator(self, self.seed)
        noise = torch.randn(latents.shape, generator=generator, device=self.device)
        noisy = latents + self.latent_noise * noise
        drawn = self.autoencoder.decode(noisy).sample
        pixel = F.l1_loss(drawn, faces)
        size = latents.float().square().mean()
        loss = pixel + self.latent_weight * size
        if self.critic is not None and self.perceptual > 0:
            seen = self._seen(drawn, images)
            loss = loss + self.perceptual * seen
            self.log("train/perceptual", seen)
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/l1", pixel, prog_bar=True)
        self.log("train/latent_size", size)
        return loss

    def _seen(self, drawn: Tensor, images: Tensor) -> Tensor:
        """Return the mean relative difference of the critic's stages."""
        assert self.critic is not None
        card = self.critic.card
        got = preprocess((drawn + 1) * 127.5, card)
        with torch.no_grad():
            wanted = preprocess(images, card)
        losses = []
        for name, stage in self.critic.backbone.stages():
            if name == "embedding":
                break
            got = stage(got)
            with torch.no_grad():
                wanted = stage(wanted)
            losses.append(F.l1_loss(got, wanted) / wanted.abs().mean())
        return torch.stack(losses).mean()

    def configure_optimizers(self) -> Any:
        """Return AdamW, rising linearly and falling as a cosine."""
        return cosine_adamw(self, self.autoencoder.parameters(), self.lr, self.warmup_steps)
