"""Small networks beside the face models, on disk in half precision with a card of their own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import read_json
from facegeom_lit.models.storage import CARD, WEIGHTS, weights_hash, write_folder
from facegeom_lit.models.weights.fit import fill
from facegeom_lit.models.weights.read import read_state


def saved_hash(network: nn.Module) -> str:
    """SHA-256 of a network's weights as `save_network` writes them."""
    return weights_hash(copy.deepcopy(network).half().float())


def save_network(network: nn.Module, folder: str | Path, card: Mapping[str, Any]) -> None:
    """Write `model.safetensors` (float16) and `card.json` with its hash, whole or not at all.

    Raises:
        FaceGeomError: When the files cannot be written.
    """
    state = {
        name: tensor.detach().cpu().half().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    write_folder(Path(folder), state, {**card, "hash": saved_hash(network)})


def read_card(folder: Path, kind: str, fields: Sequence[str], remedy: str = "") -> dict[str, Any]:
    """Read the card of a network of some kind ("attribute regressor").

    Raises:
        FaceGeomError: When a file is missing, or the card does not hold just these fields.
    """
    article = "an" if kind[0] in "aeiou" else "a"
    for name in (WEIGHTS, CARD):
        if not (folder / name).is_file():
            raise FaceGeomError(f"{folder} holds no {kind}: {name} is missing.{remedy}")
    card = read_json(folder / CARD)
    if not isinstance(card, dict) or set(card) != set(fields):
        raise FaceGeomError(
            f"{folder / CARD} is no card of {article} {kind}: it must hold {', '.join(fields)}."
        )
    return card


def fill_network(network: nn.Module, folder: Path, card: Mapping[str, Any], described: str) -> None:
    """Load the weights of a folder into a network, float32, and compare them with the card.

    Raises:
        FaceGeomError: When they are damaged, do not fit, or are not those of the card.
    """
    file = folder / WEIGHTS
    fill(network, read_state(file), source=file, network_name=described, names={})
    if card["hash"] != (found := weights_hash(network)):
        raise FaceGeomError(
            f"{folder / CARD} contradicts {file}: its hash is {str(card['hash'])[:12]}…, that of "
            f"the weights {found[:12]}…. Copy the folder again as a whole."
        )
