"""Writes face models as the state dict of InsightFace's `arcface_torch` (`backbone.pth`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_path
from facegeom_lit.models.backbones.registry import complete_arguments
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.storage import load_face_model, weights_hash
from facegeom_lit.models.weights.export_onnx import check_finite
from facegeom_lit.models.weights.export_preprocessing import is_bare

SUFFIXES = (".pth", ".pt")
# Arguments that `arcface_torch` takes too, and what they may be (None: anything). All others must
# have our defaults.
_TAKES: dict[str, dict[str, tuple[Any, ...] | None]] = {
    **{f"iresnet{n}": {"dimension": None, "dropout": None} for n in (18, 34, 50, 100, 200)},
    "mobilefacenet": {"dimension": None, "blocks": None, "scale": (2, 4)},
    # Its transformer always has a mask token, which ours has where it is trained with masks.
    "arcface_vit": {"dimension": None, "channels": None, "depth": None, "mask_ratio": (0.1, 0.05)},
}


def check_arcface_torch(card: ModelCard) -> None:
    """Refuse a model that `arcface_torch` has no network for.

    Raises:
        FaceGeomError: Which says what to use.
    """
    takes = _TAKES.get(card.architecture)
    if takes is None:
        raise FaceGeomError(
            f"Model {card.name!r} is of the architecture {card.architecture}; the layout of "
            f"arcface_torch has {', '.join(_TAKES)}. Use format=onnx or format=safetensors."
        )
    defaults = complete_arguments(card.architecture, {})
    for key, value in complete_arguments(card.architecture, card.arguments).items():
        known = takes.get(key, (defaults[key],))
        if known is not None and value not in known:
            raise FaceGeomError(
                f"Model {card.name!r} is {card.architecture} with {key}={value}; that of "
                f"arcface_torch has {key}={' or '.join(map(str, known))}. Use format=onnx or "
                "format=safetensors."
            )
    if not is_bare(card):
        raise FaceGeomError(
            f"Model {card.name!r} takes {card.color_order}, mean {card.mean}, std {card.std}; a "
            "state dict cannot say so, and arcface_torch feeds RGB with 127.5 and 127.5. Use "
            "format=onnx, which carries it, or format=safetensors."
        )


def export_arcface_torch(model: FaceModel, path: str | Path) -> None:
    """Write the state dict that `arcface_torch`'s `get_model(...).load_state_dict` takes.

    Args:
        model: The model.
        path: The file, .pth or .pt; one that exists is replaced.

    Raises:
        FaceGeomError: When the layout has no such network, the weights hold NaN, the file does
            not give them back, or cannot be written. Then no file is written.
    """
    path = Path(path).expanduser()
    if path.suffix not in SUFFIXES:
        raise FaceGeomError(f"A state dict must end in {' or '.join(SUFFIXES)}; got {path}.")
    check_arcface_torch(model.card)
    check_finite(model)
    state = {
        # The counters of batch norms are whole numbers, all else is float32 there.
        name: tensor.detach().cpu().to(torch.float32 if tensor.is_floating_point() else None)
        for name, tensor in model.backbone.state_dict().items()
    }
    with atomic_path(path) as temporary:
        torch.save(state, temporary)
        if weights_hash(load_face_model(temporary)) != weights_hash(model):
            raise FaceGeomError(f"{path} would not give back the weights; nothing was written.")
