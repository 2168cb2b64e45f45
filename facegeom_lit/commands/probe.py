"""`facegeom probe`: is a model's card likely wrong about colour order or normalisation?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facegeom_lit.commands.check import INFINITE, SEED, check_values
from facegeom_lit.commands.composition import compose_config, path_given
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.opening import open_evaluation
from facegeom_lit.models import load_face_model
from facegeom_lit.models.color_probe import probe


def main(overrides: Sequence[str]) -> None:
    """Feed the model in all the usual ways, print how well each separates, and a verdict.

    Raises:
        FaceGeomError: When model or faces cannot be read, there are too few crops, or, with
            `strict`, the card is likely wrong.
    """
    cfg = compose_config("probe", overrides)
    model = path_given(cfg, "model", "FOLDER or FILE")
    if cfg.faces is None:
        raise FaceGeomError("faces is not set; give it on the command line: faces=FOLDER or FILE.")
    check_values(cfg, {"seed": SEED, "images": (True, 2, INFINITE)}, ("strict",))
    opened: Any = open_evaluation(cfg.faces)
    faces = getattr(opened, "faces", opened)
    if faces is None:
        raise FaceGeomError(f"faces={cfg.faces} holds embeddings alone; a probe needs images.")
    report = probe(load_face_model(model), faces, seed=cfg.seed, images=cfg.images)
    print("\n".join(report.lines()))
    if cfg.strict and report.suspicious:
        raise FaceGeomError(f"strict: the card of {report.model} is likely wrong, see above.")
