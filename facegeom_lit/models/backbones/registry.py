"""Backbones by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.arcface_vit import ArcFaceViT
from facegeom_lit.models.backbones.backbone import Backbone
from facegeom_lit.models.backbones.hugging_face import HuggingFace
from facegeom_lit.models.backbones.inception_resnet import InceptionResNetV1
from facegeom_lit.models.backbones.iresnet import BLOCKS, IResNet
from facegeom_lit.models.backbones.mobilefacenet import MobileFaceNet
from facegeom_lit.models.backbones.onnx_graph import OnnxGraph
from facegeom_lit.models.backbones.vit import VisionTransformer

ARCHITECTURES: dict[str, Callable[..., Backbone]] = {
    **{name: partial(IResNet, blocks) for name, blocks in BLOCKS.items()},
    "mobilefacenet": MobileFaceNet,
    "vit": VisionTransformer,
    "arcface_vit": ArcFaceViT,
    "inception_resnet_v1": InceptionResNetV1,
    "hugging_face": HuggingFace,
    "onnx_graph": OnnxGraph,
}
"""Constructors by architecture name; all arguments have defaults."""


def build_backbone(architecture: str, **arguments: Any) -> Backbone:
    """Make a backbone with fresh weights.

    Args:
        architecture: A key of `ARCHITECTURES`.
        **arguments: Arguments of that backbone, such as `dimension` and `width`.

    Returns:
        The backbone, in training mode.

    Raises:
        FaceGeomError: When the architecture or one of its arguments is unknown or unusable.

    Example:
        >>> build_backbone("mobilefacenet", width=0.5, dimension=64).dimension
        64
    """
    full = complete_arguments(architecture, arguments)
    try:
        return ARCHITECTURES[architecture](**full)
    except FaceGeomError:
        raise
    except (TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
        problem = f"Backbone {architecture!r} cannot be built from {full}: {error}."
        raise FaceGeomError(problem) from error


def complete_arguments(architecture: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an architecture with its defaults filled in; sequences become lists.

    Two sets of arguments build the same network exactly when these agree.

    Raises:
        FaceGeomError: When the architecture or one of the arguments is unknown.

    Example:
        >>> complete_arguments("iresnet18", {"width": 0.25})["dimension"]
        512
    """
    if architecture not in ARCHITECTURES:
        raise FaceGeomError(
            f"Unknown backbone architecture {architecture!r}{_guess(architecture, ARCHITECTURES)}. "
            f"Known: {', '.join(ARCHITECTURES)}."
        )
    parameters = inspect.signature(ARCHITECTURES[architecture]).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
    for name in arguments:
        if name not in defaults:
            raise FaceGeomError(
                f"Backbone {architecture!r} has no argument {name!r}{_guess(name, defaults)}. "
                f"It takes: {', '.join(defaults)}."
            )
    return {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in {**defaults, **arguments}.items()
    }


def _guess(name: str, known: dict[str, Any]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
