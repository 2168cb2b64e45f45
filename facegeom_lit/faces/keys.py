"""Keys of a batch, in one place: the dataset writes them, models and callbacks read them."""

from __future__ import annotations

from typing import Final

IMAGE: Final = "image"
"""uint8 (B, 3, H, W), RGB, 0–255."""

LABEL: Final = "label"
"""int64 (B,): dense index into `FaceSet.classes`."""

INDEX: Final = "index"
"""int64 (B,): row of the face set; distributed evaluation removes repeated rows by it."""

ATTRIBUTE: Final = "attribute"
"""float32 (B,): value of the targeted attribute, NaN where it is unknown."""
