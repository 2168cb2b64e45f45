"""A prior with random weights, small enough to draw hundreds of faces a second."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderDC, FlowMatchEulerDiscreteScheduler, UNet2DConditionModel

from facegeom_lit.attributes import vocabulary
from facegeom_lit.synthesis.prior.identity_space import IdentitySpace
from facegeom_lit.synthesis.prior.pipeline import FacePrior


def tiny_prior(space: IdentitySpace | None = None) -> FacePrior:
    torch.manual_seed(0)
    space = space or IdentitySpace()
    ranges = {n: [s.low, s.high] for n, s in vocabulary().items() if s.kind == "facial"}
    autoencoder = AutoencoderDC(
        latent_channels=8,
        encoder_block_out_channels=(8, 16, 16, 32),
        decoder_block_out_channels=(8, 16, 16, 32),
        encoder_layers_per_block=(0, 1, 1, 1),
        decoder_layers_per_block=(0, 1, 1, 1),
        encoder_qkv_multiscales=((), (), (), ()),
        decoder_qkv_multiscales=((), (), (), ()),
    )
    unet = UNet2DConditionModel(
        sample_size=14,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        mid_block_type="UNetMidBlock2D",
        block_out_channels=(16, 16),
        layers_per_block=1,
        attention_head_dim=8,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        class_embed_type="projection",
        projection_class_embeddings_input_dim=space.code_dim + len(ranges) + 2,
        cross_attention_dim=16,
    )
    return FacePrior(
        autoencoder.eval(),
        unet.eval(),
        FlowMatchEulerDiscreteScheduler(),
        space,
        attributes=ranges,
        latent_mean=[0.1 * channel for channel in range(8)],
        latent_std=[1.0 + 0.1 * channel for channel in range(8)],
    )


def save_tiny_prior(folder: Path) -> Path:
    prior = tiny_prior()
    prior.save_pretrained(folder)
    return folder
