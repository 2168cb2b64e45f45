"""Gives batch norms that an export had folded away their statistics back.

A folded batch norm stands in the imported network as one that adds a bias and does nothing else:
mean 0, variance 1. In evaluation mode that is exact. In training mode it would standardise its
channels by the batch, and the network would be another one. With the activations' own mean and
variance in it, and its weight and bias such that evaluation stays what it was, both modes agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.face_model import FaceModel

FOLDED = "folded_batch_norm"
"""Key of `ModelCard.training` that imported models with folded batch norms carry."""
FEWEST_IMAGES = 32
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


@torch.no_grad()
def calibrate_batch_norm(model: FaceModel, images: Iterable[Tensor]) -> int:
    """Set the statistics of folded batch norms from crops; embeddings stay what they are.

    Batch norms with statistics of their own are left alone. In a distributed run every process
    gives its part of the crops, and all come to the same result. Call it before the optimiser and
    any wrapper take the model.

    Args:
        model: An imported model; changed in place, left in the mode it was in. Its card loses
            `training["folded_batch_norm"]`.
        images: Batches of aligned RGB crops (B, 3, 112, 112), uint8 or float in 0–255: at least 32
            crops, better some thousands, of the kind that training will show.

    Returns:
        The number of batch norms that were set; 0 when none is folded.

    Raises:
        FaceGeomError: When there are too few crops, or activations are not finite.
    """
    norms = {name: m for name, m in model.backbone.named_modules() if _is_folded(m)}
    if norms:
        for name, statistics in _observe(model, norms, images).items():
            _set(norms[name], *statistics)
        training: dict[str, Any] = {k: v for k, v in model.card.training.items() if k != FOLDED}
        model.card = replace(model.card, training=training)
    return len(norms)


def _is_folded(module: nn.Module) -> bool:
    """Whether a module is a batch norm without statistics: what a folded one is, and stays.

    Training with batch norms in evaluation mode moves its weight and bias alone.
    """
    if not isinstance(module, BatchNorm) or module.running_mean is None:
        return False
    assert module.running_var is not None
    identity = torch.full_like(module.running_var, 1 - module.eps)
    return bool((module.running_mean == 0).all()) and torch.equal(module.running_var, identity)


def _observe(
    model: FaceModel, norms: dict[str, nn.Module], images: Iterable[Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and variance of each channel before each norm, by name, in double precision."""
    sums: dict[str, Tensor] = {}

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].float().transpose(0, 1).flatten(1)
            variance, mean = (t.double().cpu() for t in torch.var_mean(x, 1, correction=0))
            count = torch.full_like(mean, x.shape[1])
            # Sums of squares are safe here: these are doubles.
            found = torch.stack([count, count * mean, count * (variance + mean**2)])
            sums[name] = sums[name] + found if name in sums else found

        return hook

    handles = [norm.register_forward_pre_hook(watch(name)) for name, norm in norms.items()]
    training, device = model.training, next(model.parameters()).device
    model.eval()
    seen = 0
    try:
        for batch in images:
            model(batch.to(device))
            seen += len(batch)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    total = _over_processes(torch.tensor(float(seen), dtype=torch.float64), device)
    if total < FEWEST_IMAGES:
        raise FaceGeomError(
            f"Calibrating the batch norms of {model.card.name!r} takes at least {FEWEST_IMAGES} "
            f"crops, got {int(total)}."
        )
    statistics = {}
    for name, values in sums.items():
        count, first, second = _over_processes(values, device)
        mean = first / count
        variance = (second / count - mean**2).clamp(min=0)
        if not bool((mean.isfinite() & variance.isfinite()).all()):
            raise FaceGeomError(
                f"Model {model.card.name!r} has activations before {name} that are not finite. "
                "Check its mean, std and color_order, and the crops."
            )
        statistics[name] = (mean, variance)
    return statistics


def _set(norm: nn.Module, mean: Tensor, variance: Tensor) -> None:
    """Put statistics into a norm that had none, and undo them by its weight and bias."""
    assert isinstance(norm, BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.bias.copy_(norm.bias.double().cpu() + norm.weight.double().cpu() * mean)
    norm.weight.copy_(norm.weight.double().cpu() * (variance + norm.eps).sqrt())


def _over_processes(values: Tensor, device: torch.device) -> Tensor:
    """The sum over all processes of a distributed run; the values themselves in a single one."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return values
    shared = values.to(device)
    torch.distributed.all_reduce(shared)
    return shared.cpu()
