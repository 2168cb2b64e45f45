"""How a command ends when the user's input is at fault, or the user stops it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from hydra.errors import InstantiationException

from facegeom_lit.errors import FaceGeomError

P = ParamSpec("P")
R = TypeVar("R")


def reporting_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn bad input into one message and exit code 1, and Ctrl-C into exit code 130."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except FaceGeomError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        except InstantiationException as error:  # Hydra's wrapping of what a class refused
            print(f"error: {error.__cause__ or error}", file=sys.stderr)
            raise SystemExit(1) from None
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            again = "free some, then run the same command again: what was complete is kept"
            print(f"error: no space left on the disk ({error}); {again}.", file=sys.stderr)
            raise SystemExit(1) from None
        except KeyboardInterrupt as interrupt:
            again = "Interrupted. Run the same command again: it continues where it was."
            print(str(interrupt) or again, file=sys.stderr)
            raise SystemExit(130) from None

    return run
