"""Files of embeddings whose attributes or curves lead astray."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from hostile.cases import add, written

PEOPLE = np.arange(12) // 3
EMBEDDINGS = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)


def archive(**arrays: Any) -> bytes:
    """A file of embeddings of twelve images with further arrays."""
    file = BytesIO()
    np.savez_compressed(file, identity=PEOPLE, model=EMBEDDINGS, **arrays)
    return file.getvalue()


def labelled(values: Any, names: Any) -> Mapping[str, Any]:
    return {"attributes": values, "attribute_names": names}


ONES = np.ones((12, 2), np.int8)
FILES: dict[str, Mapping[str, Any]] = {
    "attributes of other rows": labelled(ONES[:5], ["a", "b"]),
    "attributes of other columns": labelled(ONES, ["a", "b", "c"]),
    "attributes of text": labelled(ONES.astype(str), ["a", "b"]),
    "attributes without a matrix": {"attribute_names": ["a", "b"]},
    "attributes of one name": labelled(ONES, ["a", "a"]),
    "attributes of infinity": labelled(np.full((12, 2), np.inf), ["a", "b"]),
    "attribute of objects": {"a": np.array([{}] * 12, object)},
    "names of 10 MB": labelled(ONES[:, :1], ["x" * 10_000_000, "b"]),
    "curves out of range": {"curves_a": [[0, 1, 12]]},
    "curves below zero": {"curves_a": [[0, 1, -1]]},
    "curves of 10^18": {"curves_a": np.array([[0, 1, 10**18]])},
    "curves of 2^64": {"curves_a": np.array([[0, 1, 2**64 - 1]], np.uint64)},
    "curves of fractions": {"curves_a": [[0.0, 1.0, 2.0]]},
    "curves of two steps": {"curves_a": [[0, 1]]},
    "curves of two people": {"curves_a": [[0, 1, 3]]},
    "curves of nothing": {"curves_a": np.zeros((0, 3), np.int64)},
    "curves of no attribute": {"curves_": [[0, 1, 2]]},
}
for title, arrays in FILES.items():
    add(title, "analysis", written("given.npz", archive(**arrays)))
