"""Recognises a layout of weights by the names of its tensors, and supplies its card."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.weights.layouts import LAYOUTS, Draft, Layout
from facegeom_lit.models.weights.rename import rename

WRAPPERS = frozenset(
    ("module", "_orig_mod", "model", "net", "network", "backbone", "encoder", "features")
)
"""Names under which code keeps a network in a larger module: what may stand before its names."""

HEADS = frozenset(
    (
        *("head", "fc", "parallel_fc", "classifier", "logits", "margin", "metric_fc", "arcface"),
        *("softmax_fc", "module_partial_fc", "partial_fc", "pfc", "product", "loss", "criterion"),
    )
)
"""Names under which code keeps what is only for training: class centres and losses."""

ENOUGH = 0.5
"""Share of a file's tensors that must have the names of a layout."""


@dataclass(frozen=True)
class Known:
    """Weights of a known layout.

    Attributes:
        title: What the network is called where it was published, such as "AdaFace IR-50"; empty
            for one of our own.
        state: Tensors by their names in our network.
        card: How to feed the network.
        names: Name in the file of each tensor of `state`.
        modules: Module name in the file, by ours, where they differ.
        prefix: What stands before the network's names in the file.
        aside: Tensors of the file that belong to a head, with their shapes.
    """

    title: str
    state: dict[str, Tensor]
    card: ModelCard
    names: dict[str, str]
    modules: dict[str, str]
    prefix: str
    aside: tuple[str, ...]

    def original(self, name: str) -> str:
        """The name that a tensor of our network has, or would have, in the file."""
        module, dot, leaf = name.rpartition(".")
        return self.names.get(name, f"{self.prefix}{self.modules.get(module, module)}{dot}{leaf}")


def recognise(state: Mapping[str, Tensor]) -> Known | None:
    """Recognise the layout of a state dict.

    It may stand under prefixes in any nesting, with a classification head beside it. A layout is
    recognised although some of its tensors are missing: filling the network then names them.

    Args:
        state: Tensors by their names in the file.

    Returns:
        The tensors renamed for our network, with their card; None for an unknown layout.
    """
    weights = [name for name in state if not (_counts(name) or _is_head(name))]
    prefixes = sorted(_prefixes(state), key=len)
    matches, layout, prefix = max(
        (
            (_matches(layout, prefix, weights), layout, prefix)
            for layout in LAYOUTS
            for prefix in prefixes
        ),
        key=lambda match: match[0],
    )
    if not matches or matches < ENOUGH * len(weights):
        return None
    inside = {name for name in state if _has_name(layout, prefix, name)}
    heads = [name for name in state if name not in inside and _is_head(name)]
    bare = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name in inside}
    classifier = {
        name.removeprefix(prefix): state[name] for name in heads if name.startswith(prefix)
    }
    draft = layout.draft({**classifier, **bare}, prefix)
    return _assemble(state, draft, bare, heads, prefix)


def arrange(state: Mapping[str, Tensor], card: ModelCard, expected: Collection[str]) -> Known:
    """Arrange a state dict for the network of a card, whose names it bears under some prefix.

    Args:
        state: Tensors by their names in the file.
        card: Card of the network.
        expected: Names of the network's tensors.

    Returns:
        The tensors by their names in the network, as far as they are there.
    """
    prefix = max(
        sorted(_prefixes(state), key=len),
        key=lambda prefix: sum(f"{prefix}{name}" in state for name in expected),
    )
    bare = {name: state[f"{prefix}{name}"] for name in expected if f"{prefix}{name}" in state}
    inside = {f"{prefix}{name}" for name in bare}
    heads = [name for name in state if name not in inside and _is_head(name)]
    return _assemble(state, Draft("", card), bare, heads, prefix)


def _assemble(
    state: Mapping[str, Tensor],
    draft: Draft,
    bare: dict[str, Tensor],
    heads: list[str],
    prefix: str,
) -> Known:
    renamed, names = rename(bare, draft.modules)
    names = {ours: prefix + theirs for ours, theirs in names.items()}
    taken = {*names.values(), *heads}
    # Under names that no network has, so that filling ours finds them left over.
    surplus = {f"/{name}": tensor for name, tensor in state.items() if name not in taken}
    return Known(
        draft.title,
        draft.adapt(renamed) | surplus,
        draft.card,
        names | {name: name.removeprefix("/") for name in surplus},
        {ours: theirs for theirs, ours in draft.modules.items()},
        prefix,
        tuple(f"{name} {tuple(state[name].shape)}" for name in heads),
    )


def _prefixes(names: Mapping[str, Tensor]) -> set[str]:
    """Every prefix made of wrappers that some name begins with, the empty one among them."""
    found = {""}
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts)):
            if parts[length - 1] not in WRAPPERS:
                break
            found.add(".".join(parts[:length]) + ".")
    return found


def _matches(layout: Layout, prefix: str, names: list[str]) -> int:
    return sum(_has_name(layout, prefix, name) for name in names)


def _has_name(layout: Layout, prefix: str, name: str) -> bool:
    return name.startswith(prefix) and bool(layout.pattern.fullmatch(name, len(prefix)))


def _is_head(name: str) -> bool:
    parts = name.split(".")
    return next((part for part in parts if part not in WRAPPERS), parts[-1]) in HEADS


def _counts(name: str) -> bool:
    return name.endswith("num_batches_tracked")
