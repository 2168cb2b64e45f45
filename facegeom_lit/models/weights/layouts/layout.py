"""What a layout of weights is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor

from facegeom_lit.models.card import ModelCard

Tensors: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Draft:
    """What a layout makes of a file's tensors.

    Attributes:
        title: What the network is called where it was published, such as "AdaFace IR-50".
        card: How to feed it.
        modules: Our name of each of its modules, by theirs; empty where the names are the same.
        adapt: Changes tensors, by our names, where renaming alone does not do.
    """

    title: str
    card: ModelCard
    modules: Mapping[str, str] = field(default_factory=dict)
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict


@dataclass(frozen=True)
class Layout:
    """One published way to name a network's tensors.

    Attributes:
        pattern: The names, without prefix.
        draft: Takes the tensors by their names without prefix, and that prefix. Reads the
            architecture from names and shapes. A tensor may be missing: it then assumes the
            published size, and filling the network says what is missing.
    """

    pattern: re.Pattern[str]
    draft: Callable[[Tensors, str], Draft]


def size(state: Tensors, name: str, axis: int, published: int) -> int:
    """Length of a tensor along an axis; the published one when the tensor is missing.

    Example:
        >>> import torch
        >>> size({"fc.weight": torch.zeros(5, 7)}, "fc.weight", 1, 512), size({}, "fc", 0, 512)
        (7, 512)
    """
    tensor = state.get(name)
    return int(tensor.shape[axis]) if tensor is not None and tensor.ndim > axis else published


def count(state: Tensors, pattern: str) -> int:
    r"""How many blocks a network numbers: one more than the largest number among its names.

    Args:
        state: Tensors by name.
        pattern: Matches the start of a block's names; its group is the number.

    Example:
        >>> import torch
        >>> names = ("body.0.a", "body.1.a", "body.3.a")
        >>> count({name: torch.zeros(1) for name in names}, r"body\.(\d+)\.")
        4
    """
    found = {int(match[1][:6]) for name in state if (match := re.match(pattern, name))}
    # At most half of the blocks may be missing: a wild number asks for no wild network.
    return min(max(found, default=-1) + 1, 2 * len(found))
