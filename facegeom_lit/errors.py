"""The one error that a user's input can cause."""

from __future__ import annotations


class FaceGeomError(ValueError):
    """Bad input: the message names the culprit (file, key, row) and the remedy.

    The command line prints the message alone, without a traceback, and exits with code 1.
    """
