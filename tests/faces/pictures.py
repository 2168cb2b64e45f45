from __future__ import annotations

import numpy as np

from facegeom_lit.faces.codec import encode


def picture(seed: int, size: int = 112) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def rows_of(count: int, size: int = 8) -> list[dict[str, object]]:
    return [
        {
            "identity": f"p{i // 4}",
            "image": encode(picture(i, size), "png", 95),
            "split": "train" if i % 2 else "test",
            "seed": i,
            "age": 20.0 + i if i % 3 else None,
        }
        for i in range(count)
    ]
