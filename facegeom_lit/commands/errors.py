"""How a command ends when the user's input is at fault, or the user stops it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from hydra.errors import InstantiationException

from facegeom_lit.commands.check import in_sweep
from facegeom_lit.errors import FaceGeomError

DISK_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
}

P = ParamSpec("P")
R = TypeVar("R")


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    if not in_sweep():
        raise SystemExit(1) from None
    from facegeom_lit.commands.sweep import note_failure  # slow, and help shall come at once

    note_failure(message)  # the other jobs go on; the sweep ends with a failure


def reporting_errors(command: Callable[P, R]) -> Callable[P, R | None]:
    """Turn bad input into one message and exit code 1, and Ctrl-C into exit code 130.

    In a sweep bad input ends the job alone.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return command(*args, **kwargs)
        except FaceGeomError as error:
            _fail(str(error))
        except InstantiationException as error:  # Hydra's wrapping of what a class refused
            refused = isinstance(error.__cause__, FaceGeomError)
            _fail(str(error.__cause__ if refused else error))
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            again = "Mend that, then run the same command again: what was complete is kept."
            _fail(f"Cannot write: {error}. {again}")
        except KeyboardInterrupt as interrupt:
            again = "Interrupted. Run the same command again: it continues where it was."
            print(str(interrupt) or again, file=sys.stderr)
            raise SystemExit(130) from None
        return None

    return run
