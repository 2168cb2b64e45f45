"""The diffusion prior as a diffusers pipeline: a folder that `from_pretrained` opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from diffusers import (
    AutoencoderDC,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    UNet2DConditionModel,
)
from diffusers.utils.logging import disable_progress_bar
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.prior.conditions import AttributeScale, condition_vector
from facegeom_lit.synthesis.prior.identity_space import IdentitySpace
from facegeom_lit.synthesis.prior.latent_scale import LatentScale

TIME = 1000.0
"""The network is told the noise level times this, as diffusers' schedulers do."""

Values = Sequence[Mapping[str, float]]
"""For each face its attributes by name, in their own units."""


class FacePrior(DiffusionPipeline):
    """Draws aligned faces from noise, told who and with which attributes.

    Args:
        autoencoder: Faces to latents and back.
        unet: Predicts the velocity from latent to noise, conditioned by `condition_vector`.
        scheduler: A flow-matching scheduler of diffusers.
        identity_space: Where identity codes come from.
        attributes: Name → [low, high] of every attribute that the prior knows, in order.
        latent_mean: Mean of each latent channel.
        latent_std: Standard deviation of each latent channel.
    """

    model_cpu_offload_seq = "unet->autoencoder"

    def __init__(
        self,
        autoencoder: AutoencoderDC,
        unet: UNet2DConditionModel,
        scheduler: FlowMatchEulerDiscreteScheduler,
        identity_space: IdentitySpace,
        attributes: dict[str, list[float]] | None = None,
        latent_mean: list[float] | None = None,
        latent_std: list[float] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            autoencoder=autoencoder,
            unet=unet,
            scheduler=scheduler,
            identity_space=identity_space,
        )
        self.register_to_config(
            attributes=attributes, latent_mean=latent_mean, latent_std=latent_std
        )
        self.scale = AttributeScale(attributes or {})
        self.latent_scale = LatentScale(tuple(latent_mean or ()), tuple(latent_std or ()))

    @torch.inference_mode()
    def __call__(
        self,
        codes: Tensor | None,
        attributes: Values | None,
        noise: Tensor,
        *,
        steps: int = 4,
        identity_scale: float = 1.0,
        attribute_scale: float = 1.0,
    ) -> Tensor:
        """Draw faces.

        Args:
            codes: (B, K) identity codes; None: anybody.
            attributes: Values of every attribute for each face; None: any.
            noise: (B, C, H, W), from `noise`: what is neither identity nor attribute.
            steps: Number of steps from noise to latent.
            identity_scale: Classifier-free guidance by identity; 1 = none.
            attribute_scale: Classifier-free guidance by attributes; 1 = none.

        Returns:
            uint8 (B, 3, 112, 112), RGB.

        Raises:
            FaceGeomError: When an attribute is missing or a number of steps is not positive.
        """
        known = self.condition(codes, attributes, len(noise))
        latents = self.denoise(
            noise.to(self.device),
            known,
            steps=steps,
            identity_scale=identity_scale,
            attribute_scale=attribute_scale,
        )
        return self.decode(latents)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """Return (B, C, H, W) standard normal noise, one CPU generator per face.

        So a face depends neither on the batch that it is drawn in nor on the device.
        """
        config = self.unet.config
        shape = (config.in_channels, config.sample_size, config.sample_size)
        return torch.stack(
            [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        )

    def condition(self, codes: Tensor | None, attributes: Values | None, count: int) -> Tensor:
        """Return the condition (B, K + A + 2) of `count` faces; None is left untold."""
        space, known = self.identity_space, len(self.scale.ranges)
        who = torch.zeros(count, space.code_dim) if codes is None else codes
        what = torch.zeros(count, known) if attributes is None else self.scale(attributes)
        told = [torch.full((count,), float(part is not None)) for part in (codes, attributes)]
        return condition_vector(who.cpu(), what, *told).to(self.device)

    def denoise(
        self,
        latents: Tensor,
        condition: Tensor,
        *,
        steps: int,
        identity_scale: float = 1.0,
        attribute_scale: float = 1.0,
        level: float = 1.0,
    ) -> Tensor:
        """Follow the flow from noise level `level` (1 = noise) to latents (level 0).

        Args:
            latents: (B, C, H, W) at `level`.
            condition: (B, K + A + 2).
            steps: Number of steps.
            identity_scale: See the call.
            attribute_scale: See the call.
            level: Where to begin.
        """
        if steps < 1:
            raise FaceGeomError(f"The prior's number of steps must be positive, got {steps}.")
        levels = [level * (1 - step / steps) for step in range(steps + 1)]
        # Schedulers append the final 0 themselves.
        self.scheduler.set_timesteps(sigmas=levels[:-1], device=latents.device)
        for time in self.scheduler.timesteps:
            velocity = self.velocity(latents, time, condition, identity_scale, attribute_scale)
            latents = self.scheduler.step(velocity, time, latents).prev_sample
        return latents

    def invert(self, latents: Tensor, condition: Tensor, *, steps: int, level: float) -> Tensor:
        """Follow the flow backwards from latents to what they came from at noise level `level`.

        `denoise` from there with the same condition leads back, up to the steps' errors; with
        another one it redraws the face with that changed and, the lower the level, the rest kept.

        Args:
            latents: (B, C, H, W) of faces.
            condition: (B, K + A + 2) of those faces.
            steps: Steps of this way.
            level: In (0, 1].
        """
        for step in range(steps):
            now, ahead = level * step / steps, level * (step + 1) / steps
            # The middle of a step: at noise level 0 itself the network was hardly ever asked.
            time = latents.new_tensor((now + ahead) / 2 * TIME)
            latents = latents + (ahead - now) * self._network(latents, time, condition)
        return latents

    def velocity(
        self,
        latents: Tensor,
        time: Tensor,
        condition: Tensor,
        identity_scale: float = 1.0,
        attribute_scale: float = 1.0,
    ) -> Tensor:
        """Return the network's velocity, guided by identity and attributes separately.

        v(none) + s_i (v(identity) - v(none)) + s_a (v(both) - v(identity)): Brooks et al., CVPR
        2023, equation 3. A scale of 1 costs nothing.
        """
        if identity_scale == attribute_scale == 1.0:
            return self._network(latents, time, condition)
        width = self.identity_space.code_dim + 1
        who = torch.cat((condition[:, :width], torch.zeros_like(condition[:, width:])), 1)
        told = torch.cat((torch.zeros_like(condition), who, condition))
        none, identity, both = self._network(latents.repeat(3, 1, 1, 1), time, told).chunk(3)
        return none + identity_scale * (identity - none) + attribute_scale * (both - identity)

    def _network(self, latents: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        return cast(Tensor, self.unet(latents, time, None, class_labels=condition).sample)

    def decode(self, latents: Tensor) -> Tensor:
        """Return uint8 (B, 3, H, W) of latents as the flow sees them."""
        faces = self.autoencoder.decode(self.latent_scale.to_decoder(latents)).sample
        return ((faces + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents, as the flow sees them, of uint8 (B, 3, H, W)."""
        latents = self.autoencoder.encode(images.to(self.device).float() / 127.5 - 1).latent
        return self.latent_scale.to_flow(latents)

    @classmethod
    def open(cls, folder: Any) -> FacePrior:
        """Open a folder that `save_pretrained` wrote; in float32, on the CPU.

        Raises:
            FaceGeomError: When it is none, or damaged.
        """
        try:
            disable_progress_bar()  # it takes a moment
            pipeline = cls.from_pretrained(
                str(folder), dtype=torch.float32, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise FaceGeomError(
                f"{folder} holds no prior that can be opened ({error}). Train one with `python "
                "train.py experiment=prior`, or point synthesis.maker.model elsewhere."
            ) from error
        pipeline.unet.eval()
        pipeline.autoencoder.eval()
        return cast(FacePrior, pipeline)
