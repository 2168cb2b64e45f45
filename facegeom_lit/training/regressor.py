"""Training of the attribute regressor."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from facegeom_lit.attributes import MIRRORED
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.keys import IMAGE, INDEX
from facegeom_lit.models.attribute_regressor import AttributeRegressor
from facegeom_lit.training.prior.optimizer import cosine_adamw, step_generator

_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16  # a Gaussian of standard deviation 1


class RegressorModule(L.LightningModule):
    """Fits a regressor to known attribute values: smooth L1 on values scaled to [-1, 1].

    Half of the images are mirrored, the sign of `MIRRORED` attributes with them, and every image
    is changed in brightness, contrast, hue, sharpness and noise, so that faces are measured by
    what they show: those of a lattice vary in the first three, those of another generator are a
    little soft or noisy.

    Args:
        regressor: To be trained.
        values: Known values (N, A) of the training faces, rows as batches index them.
        lr: Peak learning rate.
        warmup_steps: Steps over which it rises.
        weight_decay: Of AdamW.
        brightness: Standard deviation of the shift, as a fraction of full scale.
        contrast: Standard deviation of the gain, in octaves.
        hue: Standard deviation of the rotation, in degrees.
        noise: Largest standard deviation, as a fraction of full scale.
        blur: Largest share of a softened copy, in [0, 1].
        seed: Of mirroring and of these changes.

    Raises:
        FaceGeomError: When the values have another shape, or one is not known.
    """

    values: Tensor
    signs: Tensor

    def __init__(
        self,
        regressor: AttributeRegressor,
        values: Tensor,
        *,
        lr: float = 2e-3,
        warmup_steps: int = 200,
        weight_decay: float = 0.01,
        brightness: float = 0.15,
        contrast: float = 0.4,
        hue: float = 15.0,
        noise: float = 0.04,
        blur: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        names = regressor.attributes
        if values.ndim != 2 or values.shape[1] != len(names):
            raise FaceGeomError(
                f"`values` must have a column for each of the {len(names)} attributes, got shape "
                f"{tuple(values.shape)}."
            )
        unknown = [name for name, n in zip(names, values.isnan().sum(0), strict=True) if n]
        if unknown:
            raise FaceGeomError(
                f"Some faces have no value of {', '.join(unknown)}. Leave them out with "
                "regressor.attributes=[…]."
            )
        self.regressor = regressor
        self.lr = lr
        self.warmup_steps = warmup_steps
        self.weight_decay = weight_decay
        self.seed = seed
        self.jitter = {
            "brightness": brightness,
            "contrast": contrast,
            "hue": hue,
            "noise": noise,
            "blur": blur,
        }
        signs = torch.tensor([-1.0 if name in MIRRORED else 1.0 for name in names])
        self.register_buffer("values", values.float(), persistent=False)
        self.register_buffer("signs", signs, persistent=False)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one batch of images."""
        generator = step_generator(self, self.seed)
        known = self.values[batch[INDEX]]
        images, values = mirrored(batch[IMAGE], known, self.signs, generator)
        predicted = self.regressor.scaled(jittered(images, **self.jitter, generator=generator))
        loss = F.smooth_l1_loss(predicted, self.regressor.scale(values), beta=0.1)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return AdamW, rising linearly and falling as a cosine."""
        return cosine_adamw(
            self, self.regressor.parameters(), self.lr, self.warmup_steps, self.weight_decay
        )


def mirrored(
    images: Tensor, values: Tensor, signs: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mirror a random half of the images.

    Args:
        images: (B, 3, H, W).
        values: Their attribute values (B, A).
        signs: -1 for attributes whose value changes sign in a mirror, else 1; (A,).
        generator: Draws the half, on the images' device.

    Returns:
        Images and values.
    """
    flip = torch.rand(len(images), generator=generator, device=images.device) < 0.5
    images = torch.where(flip.view(-1, 1, 1, 1), images.flip(3), images)
    return images, torch.where(flip.unsqueeze(1), values * signs, values)


def jittered(
    images: Tensor,
    *,
    brightness: float,
    contrast: float,
    hue: float,
    noise: float,
    blur: float,
    generator: torch.Generator,
) -> Tensor:
    """Change each image in brightness, contrast, hue, sharpness and noise, as a camera would.

    Args:
        images: (B, 3, H, W), in 0–255.
        brightness: As of `RegressorModule`, and so the others.
        contrast: See there.
        hue: See there.
        noise: See there.
        blur: See there.
        generator: Draws the changes, on the images' device.

    Returns:
        Float32 (B, 3, H, W), within 0–255.
    """
    x = images.float()
    each = (len(x), 1, 1, 1)

    def normal(deviation: float) -> Tensor:
        drawn = torch.randn(each, generator=generator, device=x.device)
        return deviation * drawn.clamp(-2.5, 2.5)

    def uniform(high: float) -> Tensor:
        return high * torch.rand(each, generator=generator, device=x.device)

    x = (x + 255 * normal(brightness)).clamp(0, 255)
    x = ((x - 127.5) * 2 ** normal(contrast) + 127.5).clamp(0, 255)
    x = _hue_rotated(x, normal(hue)).clamp(0, 255)
    x = x + uniform(blur) * (_softened(x) - x)
    x = x + 255 * uniform(noise) * torch.randn(x.shape, generator=generator, device=x.device)
    return x.clamp(0, 255)


def _hue_rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn the colours of images (B, 3, H, W) about the grey axis by degrees (B, 1, 1, 1)."""
    angle = degrees.deg2rad()
    along = images.mean(1, keepdim=True)
    # Rodrigues' formula about (1, 1, 1) / √3, whose cross product with (r, g, b) is this
    across = (images.roll(1, 1) - images.roll(-1, 1)) / 3**0.5
    return images * angle.cos() + along * (1 - angle.cos()) + across * angle.sin()


def _softened(images: Tensor) -> Tensor:
    kernel = _BINOMIAL.to(images)
    kernel = torch.outer(kernel, kernel).expand(3, 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=3)
