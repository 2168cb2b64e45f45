"""How a command ends when the user's input is at fault, or the user stops it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar

from hydra.errors import InstantiationException

from facegeom_lit.commands.check import in_sweep
from facegeom_lit.errors import FaceGeomError

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}

P = ParamSpec("P")
R = TypeVar("R")


class JobFailedError(Exception):
    """A job of a sweep failed, and has said why; the other jobs go on."""


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    if in_sweep():
        raise JobFailedError(message) from None
    raise SystemExit(1) from None


def reporting_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn bad input into one message and exit code 1, and Ctrl-C into exit code 130.

    In a sweep bad input ends the job alone.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except FaceGeomError as error:
            _fail(f"error: {error}")
        except InstantiationException as error:  # Hydra's wrapping of what a class refused
            refused = isinstance(error.__cause__, FaceGeomError)
            _fail(f"error: {error.__cause__ if refused else error}")
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            again = "Mend that, then run the same command again: what was complete is kept."
            _fail(f"error: cannot write: {error}. {again}")
        except KeyboardInterrupt as interrupt:
            again = "Interrupted. Run the same command again: it continues where it was."
            print(str(interrupt) or again, file=sys.stderr)
            raise SystemExit(130) from None

    return run
