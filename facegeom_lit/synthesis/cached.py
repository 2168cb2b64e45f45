"""Face sets made once and found again by their recipe."""

from __future__ import annotations

from pathlib import Path

from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.synthesis.maker import Maker
from facegeom_lit.synthesis.writer import Producible, generate, production_hash


def prepare_face_set(
    recipe: Producible, maker: Maker, root: str | Path, *, progress: bool = True
) -> FaceSet:
    """Open `root/<split>-<production hash>`, making what is missing of it first.

    Args:
        recipe: What to make.
        maker: What makes it.
        root: Folder of all face sets, e.g. a run's cache.
        progress: Show a progress bar where there is something to make.

    Raises:
        FaceGeomError: When the set cannot be written.
    """
    name = f"{recipe.split}-{production_hash(recipe, maker)[:12]}"
    return generate(recipe, Path(root) / name, maker, progress)
