"""What the trainings of the prior's networks share: the optimiser, and noise that repeats."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lightning as L
import torch
from torch import nn

from facegeom_lit.training.schedule import rate_factor


def cosine_adamw(
    module: L.LightningModule,
    parameters: Iterable[nn.Parameter],
    lr: float,
    warmup: int,
    weight_decay: float = 0.01,
) -> dict[str, Any]:
    """Return AdamW whose rate rises linearly over `warmup` steps and falls as half a cosine."""
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.99), weight_decay=weight_decay)
    total = int(module.trainer.estimated_stepping_batches)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_factor(step, start=0, warmup=warmup, total=total)
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def step_generator(module: L.LightningModule, seed: int) -> torch.Generator:
    """Return the generator of one step on one process.

    It follows from the seed and the step alone, so a resumed training sees the noise that an
    undisturbed one would have seen.
    """
    trainer = module.trainer
    number = (seed * 1_000_003 + trainer.global_step) * trainer.world_size + trainer.global_rank
    return torch.Generator(module.device).manual_seed(number)
