"""Which weights of a backbone learn: stages that stand still, low-rank adapters."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import peft
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel


def freeze_stages(model: FaceModel, frozen: int | Sequence[str]) -> list[str]:
    """Let stages stand still.

    Args:
        model: The face model; changed in place.
        frozen: So many stages from the input on (negative: all but so many), or their names.

    Returns:
        The names of the stages that stand still.

    Raises:
        FaceGeomError: When there is no such stage.
    """
    stages = dict(model.stages())
    names = _stage_names(list(stages), frozen)
    for name in names:
        stages[name].requires_grad_(False)
    return names


def add_lora(
    model: FaceModel, *, rank: int, alpha: int, dropout: float, frozen: Sequence[str] = ()
) -> list[str]:
    """Freeze every weight and put low-rank adapters beside convolutions and linear layers.

    LoRA (Hu et al., ICLR 2022) through `peft`. A new adapter changes nothing: one of its factors is
    zero. Grouped convolutions, whose adapters could not be merged, and the insides of
    `nn.MultiheadAttention`, which bypasses its layers, get none.

    Args:
        model: The face model; changed in place. `merge_lora` gives it back its form.
        rank: Rank of the adapters.
        alpha: Their output is multiplied by `alpha / rank`.
        dropout: Probability of zeroing an adapter's input.
        frozen: Stages without adapters.

    Returns:
        The names of the adapted layers.

    Raises:
        FaceGeomError: When a value is out of range, or no layer is left to adapt.
    """
    if rank < 1 or not alpha > 0 or not 0 <= dropout < 1:
        raise FaceGeomError(
            "tuning.lora needs rank ≥ 1, alpha > 0 and dropout in [0, 1), got "
            f"{rank}, {alpha} and {dropout}."
        )
    model.requires_grad_(False)
    still = {id(m) for name, stage in model.stages() if name in frozen for m in stage.modules()}
    bypassed = {
        id(part)
        for module in model.backbone.modules()
        if isinstance(module, nn.MultiheadAttention)
        for part in module.modules()
    }
    adapted = [
        name
        for name, module in model.backbone.named_modules()
        if id(module) not in still | bypassed and _adaptable(module)
    ]
    if not adapted:
        raise FaceGeomError(
            f"Model {model.card.name!r} has no convolution or linear layer to adapt outside the "
            "frozen stages. Choose tuning=full."
        )
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=_exactly(adapted)
    )
    peft.inject_adapter_in_model(config, model.backbone)
    for module in model.backbone.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            # Torch's fast path for evaluation reads the weights alone, without their adapters.
            module.activation_relu_or_gelu = 0
    return adapted


def merge_lora(model: FaceModel) -> FaceModel:
    """Return a copy with the adapters added into the weights; without adapters, `model` itself.

    Raises:
        FaceGeomError: When the merged weights are not finite.
    """
    if not any(isinstance(module, BaseTunerLayer) for module in model.modules()):
        return model
    merged = copy.deepcopy(model)
    for name, module in list(merged.backbone.named_modules()):
        if not isinstance(module, BaseTunerLayer):
            continue
        try:
            module.merge(safe_merge=True)
        except ValueError as error:
            raise FaceGeomError(
                f"The adapter of {name} holds NaN or infinity ({error}). Lower training.lr."
            ) from error
        parent, _, leaf = name.rpartition(".")
        setattr(merged.backbone.get_submodule(parent), leaf, module.get_base_layer())
    return merged


def _adaptable(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.groups == 1
    return isinstance(module, nn.Linear)


def _exactly(names: Sequence[str]) -> str:
    """Return a pattern for these names alone: a list would match every name that ends alike."""
    return "|".join(name.replace(".", r"\.") for name in names)


def _stage_names(known: list[str], frozen: int | Sequence[str]) -> list[str]:
    if isinstance(frozen, bool | str) or not isinstance(frozen, int | Sequence):
        raise FaceGeomError(
            f"tuning.frozen must be a whole number or a list of stages, got {frozen!r}. The "
            f"backbone has: {', '.join(known)}."
        )
    if isinstance(frozen, int):
        if abs(frozen) > len(known):
            raise FaceGeomError(
                f"tuning.frozen={frozen}, but the backbone has {len(known)} stages: "
                f"{', '.join(known)}."
            )
        return known[:frozen]
    if unknown := [name for name in frozen if name not in known]:
        raise FaceGeomError(
            f"tuning.frozen names {unknown[0]!r}, which is no stage of this backbone. It has: "
            f"{', '.join(known)}."
        )
    return list(frozen)
