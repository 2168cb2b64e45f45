"""What is measured of attributes in templates, of geometry through maps, and of ensembles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facegeom_lit.evaluation.alignment.maps import MapChoice

PREFERRED = "ridge"
"""The map that is taken, or shown, where none is named."""


@dataclass(frozen=True)
class LeakageSettings:
    """Which attributes probes read from templates.

    Attributes:
        attributes: Their names; None: all; a number: so many, the most evenly divided ones of
            each set; empty or 0: none.
        pairs: (source, target) of each; None: all.
        map: Name of the map; None: `PREFERRED`, or else the last one.
    """

    attributes: tuple[str, ...] | int | None = 10
    pairs: tuple[tuple[str, str], ...] | None = None
    map: str | None = None


@dataclass(frozen=True)
class SurvivalSettings:
    """Which attribute geometry is followed through maps.

    Attributes:
        attributes: Names of labelled attributes and of curves; None: all; empty: none.
        pairs: (source, target) of each; None: all.
        map: Name of the map; None: `PREFERRED`, or else the last one.
        per_modality: At most so many people with an attribute, and as many without, for KS.
        draws: How often one image of each is drawn anew.
    """

    attributes: tuple[str, ...] | None = None
    pairs: tuple[tuple[str, str], ...] | None = None
    map: str | None = None
    per_modality: int = 200
    draws: int = 3


@dataclass(frozen=True)
class FusionSettings:
    """Which models are fused.

    Attributes:
        groups: Models of each ensemble, two or more; None: all models of a set together, and each
            of them with the best single one; empty: none.
        map: Name of the map into the common space; None: `PREFERRED`, or else the last one.
    """

    groups: tuple[tuple[str, ...], ...] | None = None
    map: str | None = None


def chosen_map(maps: Sequence[MapChoice], name: str | None) -> MapChoice:
    """The map of that name; None: `PREFERRED`, or else the last one."""
    wanted = PREFERRED if name is None else name
    return next((choice for choice in maps if choice.name == wanted), maps[-1])
