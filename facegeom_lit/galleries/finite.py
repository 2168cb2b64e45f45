"""NaN and infinity in embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError

_EXPONENT = np.uint16(0x7C00)
"""Bits of a float16 that are all set in NaN and infinity alone."""


REMEDY = "Embed those images again, or leave the rows out."


def check_finite(rows: NDArray[Any], what: str, first: int = 0, remedy: str = REMEDY) -> None:
    """Refuse embeddings that are not finite.

    Args:
        rows: (n, D), floating-point.
        what: Where they come from, for the message.
        first: Number of the first row there.
        remedy: What to do about it, for the message.

    Raises:
        FaceGeomError: Which names the rows, counted from 0.
    """
    if _finite(rows):
        return
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    shown = ", ".join(map(str, (broken[:5] + first).tolist())) + ("…" if len(broken) > 5 else "")
    raise FaceGeomError(
        f"{what} has NaN or infinity in {len(broken)} rows: {shown} (counted from 0). {remedy}"
    )


def _finite(rows: NDArray[Any]) -> bool:
    if rows.dtype == np.float16:  # for which NumPy's own test is ten times slower
        bits = rows.view(np.uint16) & _EXPONENT
        return not bool((bits == _EXPONENT).any())
    return bool(np.isfinite(rows).all())
