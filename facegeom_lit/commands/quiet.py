"""Keep what a user cannot act on out of the terminal."""

from __future__ import annotations

import logging
import warnings

_NOISE = (
    r".*isinstance\(treespec, LeafSpec\).*",  # between lightning and torch
    r".*does not have many workers.*",  # decoded images are kept in memory
    r".*smaller than the logging interval.*",
    r".*Checkpoint directory .* exists.*",  # that is how a run resumes
    r".*module\(s\) in eval mode at the start of training.*",  # the frozen critic of a loss
)
_CHATTER = ("Tip:", "GPU available", "TPU available")


def _plainly(message: Warning | str, category: type[Warning], *_: object, **__: object) -> str:
    """Leave out the line of code, of which a user has no use."""
    name = "warning" if category is UserWarning else category.__name__
    return f"{name}: {message}\n"


def quiet() -> None:
    """Silence advertisements, and warnings about things that are so on purpose."""
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message)
    warnings.formatwarning = _plainly
    for name in ("lightning.pytorch", "lightning.fabric"):  # they print for themselves
        logging.getLogger(name).propagate = False
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: not any(word in record.getMessage() for word in _CHATTER)
    )
