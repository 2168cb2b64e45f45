"""Figures of an alignment by name: which are asked for, and what they need of a judge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.result import RECOVERED
from facegeom_lit.evaluation.alignment.settings import JudgeSettings
from facegeom_lit.geometry.verification import rate_name

_FIGURE = re.compile(r"rank(?P<rank>[1-9]\d*)|(?P<kind>tar|tpir)@(?P<rate>.+)")


def logged_names(key: str, figures: Sequence[str]) -> tuple[str, ...]:
    """Return the names that figures are logged under: `tar@0.01` → `tar@1e-2`.

    Args:
        key: Of the configuration, for messages.
        figures: `rank<k>`, `tpir@<rate>`, `tar@<rate>`, `eer`, `auc`, `recovered`; `rank1` must be
            among them.

    Raises:
        FaceGeomError: When one is unknown or rank1 is missing.

    Example:
        >>> logged_names("figures", ["rank1", "tar@0.01", "auc"])
        ('rank1', 'tar@1e-2', 'auc')
    """
    if isinstance(figures, str) or not isinstance(figures, Sequence):
        raise FaceGeomError(f"{key} must be a list, got {figures!r}. Write e.g. [rank1, auc].")
    names = tuple(dict.fromkeys(_logged(key, str(name)) for name in figures))
    if "rank1" not in names:
        raise FaceGeomError(f"{key} must hold rank1, got {list(figures)}.")
    return names


def judge_settings(names: Sequence[str]) -> JudgeSettings:
    """Return what a judge must measure for figures of these logged names; it draws nobody."""
    found = [match for name in names if (match := _FIGURE.fullmatch(name))]
    rates = [(match["kind"], float(match["rate"])) for match in found if match["kind"]]
    return JudgeSettings(
        ks=tuple(int(match["rank"]) for match in found if match["rank"]),
        fars=tuple(rate for kind, rate in rates if kind == "tar"),
        fpirs=tuple(rate for kind, rate in rates if kind == "tpir"),
        resamples=0,
    )


def _logged(key: str, name: str) -> str:
    found = _FIGURE.fullmatch(name)
    if name in ("eer", "auc", RECOVERED) or (found and found["rank"]):
        return name
    try:
        rate = float(found["rate"]) if found else 0.0
    except ValueError:
        rate = 0.0
    if found is None or not 0 < rate < 1:
        raise FaceGeomError(
            f"{key} may hold rank<k>, tpir@<rate>, tar@<rate> (rates between 0 and 1), eer, auc "
            f"and {RECOVERED}; got {name!r}."
        )
    return f"{found['kind']}@{rate_name(rate)}"
