"""The map file: one safetensors file whose card stands in its metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_path
from facegeom_lit.geometry.alignment.affine import AffineMap
from facegeom_lit.migration.card import MapCard
from facegeom_lit.migration.migration_map import MigrationMap
from facegeom_lit.migration.names import SIZE, from_tensor, to_tensor
from facegeom_lit.migration.profile import Profile

KEY = "facegeom_lit.migration_map"
"""Of the metadata. One key: the order of several would change from file to file."""
CONTENT = "content"
"""Of the card in the file: the hash of all else, by which a damaged copy is known."""


def save_map(path: str | Path, migration: MigrationMap) -> str:
    """Write a map, whole or not at all; the same map gives the same bytes.

    Args:
        path: The file, `.safetensors`.
        migration: The map.

    Returns:
        SHA-256 of the file, as 64 hex digits.

    Raises:
        FaceGeomError: When the file has another suffix or cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix != ".safetensors":
        raise FaceGeomError(f"A map is a safetensors file: {path} must end in .safetensors.")
    mapping, profile = migration.mapping, migration.profile
    tensors = {
        "matrix": mapping.matrix.float().cpu().contiguous(),
        "offset": mapping.offset.float().cpu().contiguous(),
        "mean": profile.mean,
        "covariance": profile.covariance.contiguous(),
        "people": to_tensor(migration.people),
    }
    card = migration.card.to_json()
    card[CONTENT] = _content_hash(card, tensors)
    text = json.dumps(card, sort_keys=True, allow_nan=False)
    content = save(tensors, metadata={KEY: text})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return sha256(content).hexdigest()


def load_map(path: str | Path) -> MigrationMap:
    """Read a file that `save_map` wrote.

    Raises:
        FaceGeomError: When the file is missing, damaged, or no such map.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FaceGeomError(f"The map {path} does not exist, or is no file. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise FaceGeomError(
            f"{path} is no safetensors file, or is damaged: {error}. Copy it again."
        ) from error
    if text is None:
        raise FaceGeomError(
            f"{path} is a safetensors file, but no map. `facegeom migrate old=… new=… anchors=… "
            "map=…` writes one."
        )
    value = _parsed(text, path)
    written = value.pop(CONTENT, None)
    card = MapCard.from_json(value, str(path))
    _check_tensors(tensors, card, path)
    if written != _content_hash(value, tensors):
        raise FaceGeomError(f"{path} is not as it was written: it is damaged. Copy it again.")
    mapping = AffineMap(
        tensors["matrix"],
        tensors["offset"],
        method=card.method,
        bias=card.bias,
        ridge=card.ridge,
        count=card.images,
        rank=card.rank,
        scale=card.scale,
    )
    profile = Profile(tensors["mean"], tensors["covariance"])
    return MigrationMap(mapping, profile, from_tensor(tensors["people"]), card)


def map_hash(migration: MigrationMap) -> str:
    """SHA-256 of what a map does to a template, as 64 hex digits; of its expectations nothing."""
    card, digest = migration.card, sha256()
    digest.update(json.dumps([asdict(card.old), asdict(card.new)], sort_keys=True).encode())
    for tensor in (migration.mapping.matrix, migration.mapping.offset):
        digest.update(tensor.float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _content_hash(card: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    digest = sha256(json.dumps(card, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FaceGeomError(f"{path}: its card is no JSON object. Copy the file again.")
    return value


def _check_tensors(tensors: dict[str, Tensor], card: MapCard, path: Path) -> None:
    p, q = card.old.dimension, card.new.dimension
    people = tensors["people"].shape[:1] if "people" in tensors else (card.people,)
    expected: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "matrix": ((p, q), torch.float32),
        "offset": ((q,), torch.float32),
        "mean": ((p,), torch.float64),
        "covariance": ((p, p), torch.float64),
        "people": ((*people, SIZE), torch.uint8),
    }
    for name, (shape, dtype) in expected.items():
        tensor = tensors.get(name)
        if tensor is None or tuple(tensor.shape) != shape or tensor.dtype != dtype:
            found = "none" if tensor is None else f"{tensor.dtype} of shape {tuple(tensor.shape)}"
            raise FaceGeomError(
                f"{path}: {name!r} must be {dtype} of shape {shape}, as its card says, but there "
                f"is {found}. Copy the file again."
            )
        if dtype != torch.uint8 and not bool(tensor.isfinite().all()):
            raise FaceGeomError(f"{path}: {name!r} holds NaN or infinity. Copy the file again.")
