"""Parameter groups with discriminative learning rates: the deeper a stage, the gentler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel

BACKBONE = "backbone."


def parameter_groups(
    model: FaceModel,
    others: Iterable[nn.Module],
    *,
    lr: float,
    head_lr: float,
    layer_decay: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Sort parameters into optimiser groups.

    The stage nearest to the embedding learns at `lr`, each one before it at `layer_decay` times
    the rate of the next. Vectors (biases, normalisation, PReLU slopes) are not decayed.

    Args:
        model: The face model; its `stages()` are ordered from input to output.
        others: Modules that learn at `head_lr`: the head, an objective with parameters.
        lr: Learning rate of the last stage.
        head_lr: Learning rate of `others`.
        layer_decay: Factor between neighbouring stages, in (0, 1]; 1 = one rate for all.
        weight_decay: Weight decay of matrices and kernels.

    Returns:
        Groups with `params`, `lr`, `weight_decay` and `name`; names of backbone groups begin
        with `backbone.`. Frozen parameters (`requires_grad` false) are left out.

    Raises:
        FaceGeomError: When `layer_decay` is out of range, or nothing is left to train.
    """
    if not 0 < layer_decay <= 1:
        raise FaceGeomError(f"training.layer_decay must lie in (0, 1], got {layer_decay}.")
    stages = model.stages()
    rated = [
        (f"{BACKBONE}{name}", stage, lr * layer_decay ** (len(stages) - 1 - depth))
        for depth, (name, stage) in enumerate(stages)
    ]
    rated += [(f"head.{depth}", module, head_lr) for depth, module in enumerate(others)]
    groups = []
    for name, module, rate in rated:
        trained = [p for p in module.parameters() if p.requires_grad]
        for suffix, decay, chosen in (
            ("", weight_decay, [p for p in trained if p.dim() > 1]),
            ("/vectors", 0.0, [p for p in trained if p.dim() <= 1]),
        ):
            if chosen:
                groups.append(
                    {"params": chosen, "lr": rate, "weight_decay": decay, "name": name + suffix}
                )
    if not groups:
        raise FaceGeomError("Every parameter is frozen: nothing to train.")
    return groups
