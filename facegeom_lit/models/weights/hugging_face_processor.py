"""What an image processor's configuration says of a network's input, as fields of a model card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from facegeom_lit.errors import FaceGeomError

RESAMPLING = {0: "nearest", 1: "Lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "Hamming"}
"""Pillow's numbers."""


def input_facts(processor: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Translate an image processor's configuration.

    A processor multiplies by `rescale_factor`, then takes `image_mean` and `image_std`; a card
    counts in 0–255. Cutting out the centre has no use on aligned faces: the whole crop becomes
    what the processor would cut out.

    Args:
        processor: `preprocessor_config.json`, or `image_processor` of `processor_config.json`.
        where: The file, for messages.

    Returns:
        The card's `size`, `mean`, `std`, `color_order` and `fit`.

    Raises:
        FaceGeomError: When it does not say how large or how normalised the input is.

    Example:
        >>> half = {"size": 224, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        >>> input_facts(half, "x")["size"], input_facts(half, "x")["mean"]
        ((224, 224), (127.5, 127.5, 127.5))
    """
    # In x·factor − offset, as EfficientNets are fed, the offset is one more mean.
    factor = processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 1.0
    if not isinstance(factor, int | float) or not factor > 0:
        raise FaceGeomError(f"{where}: 'rescale_factor' must be a positive number, got {factor!r}.")
    offset = 1.0 if processor.get("rescale_offset", False) else 0.0
    mean, std = [0.0] * 3, [1.0] * 3
    if processor.get("do_normalize", True):
        mean, std = (_three(processor, key, where) for key in ("image_mean", "image_std"))
    return {
        "size": _size(processor, where),
        "mean": tuple(round((value + offset) / factor, 6) for value in mean),
        "std": tuple(round(value / factor, 6) for value in std),
        "color_order": "BGR" if processor.get("do_flip_channel_order", False) else "RGB",
        "fit": "resize",
    }


def interpolation(processor: Mapping[str, Any]) -> str:
    """How the processor resizes, in words.

    Example:
        >>> interpolation({"resample": 3})
        'bicubic'
    """
    return RESAMPLING.get(processor.get("resample", -1), "not stated")


def _size(processor: Mapping[str, Any], where: str) -> tuple[int, int]:
    patches, patch = processor.get("max_num_patches"), processor.get("patch_size")
    if isinstance(patches, int) and isinstance(patch, int):  # SigLIP 2: as many as fit a square
        return (math.isqrt(patches) * patch,) * 2
    cut = processor.get("do_center_crop", False) and "crop_size" in processor
    key = "crop_size" if cut else "size"
    found = processor.get(key)
    if isinstance(found, int):
        return found, found
    if isinstance(found, Mapping):
        for names in (("height", "width"), ("shortest_edge",) * 2, ("longest_edge",) * 2):
            if all(isinstance(found.get(name), int) for name in names):
                return found[names[0]], found[names[1]]
    raise FaceGeomError(
        f"{where} does not say how large images are: {key!r} is {found!r}, expected pixels or "
        "height and width. Take the file that was published with the weights."
    )


def _three(processor: Mapping[str, Any], key: str, where: str) -> list[float]:
    found = processor.get(key)
    values: list[Any] = found if isinstance(found, list) else [found] * 3
    if len(values) != 3 or not all(isinstance(value, int | float) for value in values):
        raise FaceGeomError(
            f"{where}: {key!r} must hold three numbers, got {found!r}. Take the file that was "
            "published with the weights."
        )
    return [float(value) for value in values]
