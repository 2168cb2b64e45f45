"""Puts tensors into a network, or says tensor by tensor why they do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError

SHOWN = 4
"""How many tensors of each kind of mismatch a message names."""


def fill(
    network: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str | Path,
    network_name: str,
    names: Mapping[str, str],
) -> None:
    """Load tensors into a network strictly; only the counters of batch norms may be absent.

    Args:
        network: The network to fill.
        state: Tensors by their names in `network`.
        source: The file they come from, for messages.
        network_name: What the network is, for messages.
        names: Name in the file of each tensor, where that differs.

    Raises:
        FaceGeomError: When a tensor is missing, left over, of another shape or kind, or not finite.
    """
    compare(network, state, source=source, network_name=network_name, names=names)
    # The counters of batch norms, which do not change what a network computes, stay out.
    found = {name: tensor for name, tensor in state.items() if _counts(name)}
    broken = [_label(n, names) for n in found if not bool(torch.isfinite(found[n]).all())]
    if broken:
        raise FaceGeomError(
            f"{source} holds values that are not finite in {_first(broken)}. Use an earlier "
            "checkpoint: this one comes from a training that diverged."
        )
    network.load_state_dict(found, strict=False)


def compare(
    network: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str | Path,
    network_name: str,
    names: Mapping[str, str],
    looks_like: str = "",
) -> None:
    """Check names, shapes and kinds of tensors against a network, which may be on torch's meta.

    Args:
        network: The network that they shall fill.
        state: Tensors by their names in `network`.
        source: The file they come from, for messages.
        network_name: What the network is, for messages.
        names: Name in the file of each tensor, where that differs.
        looks_like: The published network that the names were recognised as, for messages.

    Raises:
        FaceGeomError: When a tensor is missing, left over, or of another shape or kind.
    """
    expected = {name: tensor for name, tensor in network.state_dict().items() if _counts(name)}
    found = {name: tensor for name, tensor in state.items() if _counts(name)}
    missing = [_show(n, names, expected[n]) for n in expected if n not in found]
    surplus = [f"{names.get(n, n)} {tuple(found[n].shape)}" for n in found if n not in expected]
    reshaped = [
        f"{_label(n, names)} expected {tuple(expected[n].shape)} found {tuple(found[n].shape)}"
        for n in expected
        if n in found and expected[n].shape != found[n].shape
    ]
    integers = [
        _label(n, names)
        for n in expected
        if n in found and expected[n].is_floating_point() > found[n].is_floating_point()
    ]
    problems = (
        ("missing", missing),
        ("left over", surplus),
        ("of another shape", reshaped),
        ("of whole numbers", integers),
    )
    if any(which for _, which in problems):
        seems = f"looks like {looks_like}, but " if looks_like else ""
        raise FaceGeomError(
            f"{source} {seems}does not fit {network_name}: "
            + "; ".join(
                f"{len(which)} tensor{'s' * (len(which) > 1)} {what}: {_first(which)}"
                for what, which in problems
                if which
            )
            + ". Name the architecture and arguments that these weights were trained with."
        )


def _counts(name: str) -> bool:
    return not name.endswith("num_batches_tracked")


def _label(name: str, names: Mapping[str, str]) -> str:
    return f"{names[name]} (here {name})" if names.get(name, name) != name else name


def _show(name: str, names: Mapping[str, str], tensor: Tensor) -> str:
    return f"{_label(name, names)} {tuple(tensor.shape)}"


def _first(items: list[str]) -> str:
    return ", ".join(items[:SHOWN]) + (", …" if len(items) > SHOWN else "")
