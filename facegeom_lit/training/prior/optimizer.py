"""The optimiser that the prior's networks share."""

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
