"""Renames tensors by a table of module names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def rename(
    state: Mapping[str, Tensor], modules: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Rename tensors by a table of module names; tensors of other modules keep their names.

    Args:
        state: Tensors by their names in a file.
        modules: Our name by theirs, for whole modules.

    Returns:
        Tensors by our names, and their name by ours.

    Example:
        >>> rename({"bn.bias": Tensor()}, {"bn": "norm"})[1]
        {'norm.bias': 'bn.bias'}
    """
    names = {}
    for theirs in state:
        module, dot, leaf = theirs.rpartition(".")
        names[f"{modules.get(module, module)}{dot}{leaf}"] = theirs
    return {ours: state[theirs] for ours, theirs in names.items()}, names
