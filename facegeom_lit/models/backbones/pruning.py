"""Finds the parts of a network that others wrote: its blocks, and what its output never uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError


class PassThrough(nn.Module):
    """Returns its first input, whatever else it is given."""

    def forward(self, first: Tensor, *_: object, **__: object) -> Tensor:
        """Return `first`."""
        return first


def unused_parameters(network: nn.Module, output: Tensor) -> set[str]:
    """Names of the parameters that `output` does not depend on.

    Args:
        network: The network, every parameter of which asks for a gradient. On the meta device this
            costs neither memory nor arithmetic.
        output: What it computed, with its graph.
    """
    named = dict(network.named_parameters())
    gradients = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    return {name for name, found in zip(named, gradients, strict=True) if found is None}


def prune(network: nn.Module, unused: Collection[str]) -> None:
    """Take parameters out of a network whose output does not depend on them.

    A module of unused parameters alone lets its input pass (it may still be called); a single
    unused parameter becomes None.
    """
    for name, child in list(network.named_children()):
        own = {f"{name}.{parameter}" for parameter, _ in child.named_parameters()}
        if own and own <= set(unused):
            setattr(network, name, PassThrough())
        else:
            prune(child, {u.removeprefix(f"{name}.") for u in unused if u in own})
    for name in unused:
        if name in network._parameters:
            setattr(network, name, None)


def main_blocks(network: nn.Module) -> nn.ModuleList:
    """The outermost list of modules that holds most of the parameters.

    Raises:
        FaceGeomError: When the network has no list of modules.
    """
    lists = list(_outermost_lists(network))
    if not lists:
        raise FaceGeomError(f"A {type(network).__name__} has no list of blocks to tell apart.")
    return max(lists, key=lambda blocks: sum(p.numel() for p in blocks.parameters()))


def _outermost_lists(module: nn.Module) -> Iterable[nn.ModuleList]:
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield child
        else:
            yield from _outermost_lists(child)


def parts_around(network: nn.Module, blocks: nn.ModuleList) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Everything but the blocks, in the order of registration: what is before, what is after.

    Parameters that stand alone beside the blocks (positions, class tokens) count as before.
    """
    before, after = nn.ModuleList(), nn.ModuleList()

    def sort(module: nn.Module) -> None:
        alone = [p for p in module._parameters.values() if p is not None]
        if alone:
            before.append(nn.ParameterList(alone))
        passed = False
        for child in module.children():
            if child is blocks:
                passed = True
            elif any(inner is blocks for inner in child.modules()):
                sort(child)
                passed = True
            else:
                (after if passed else before).append(child)

    sort(network)
    return before, after
