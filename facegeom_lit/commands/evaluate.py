"""`facegeom evaluate`: measure face models on sets, or the quality of a synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

MODELS = ("model", "data", "embeddings")
"""Keys that ask for an evaluation of face models."""


def main(overrides: Sequence[str]) -> None:
    """Evaluate face models where `model`, `data` or `embeddings` is given, else a synthesis.

    Raises:
        FaceGeomError: When the configuration is wrong, or something cannot be read or written.
    """
    given = {override.partition("=")[0].lstrip("+~").partition(".")[0] for override in overrides}
    subject = "models" if given & set(MODELS) else "synthesis"
    import_module(f"facegeom_lit.commands.evaluate_{subject}").main(overrides)
