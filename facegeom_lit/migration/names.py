"""People of whom a file shall know that they were there, but not who they are."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import torch
from torch import Tensor

SIZE = 32
"""Bytes of a hash."""


def hashed_names(names: Iterable[str]) -> frozenset[bytes]:
    """SHA-256 of each name. Whoever has a name can ask for it; nobody can list them."""
    return frozenset(sha256(name.encode()).digest() for name in names)


def to_tensor(hashes: frozenset[bytes]) -> Tensor:
    """The hashes in increasing order, uint8 (P, 32)."""
    ordered = bytearray(b"".join(sorted(hashes)))
    return torch.frombuffer(ordered, dtype=torch.uint8).view(-1, SIZE)


def from_tensor(rows: Tensor) -> frozenset[bytes]:
    """What `to_tensor` laid out."""
    return frozenset(row.tobytes() for row in rows.numpy())
