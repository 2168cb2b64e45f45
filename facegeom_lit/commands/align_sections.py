"""What the configuration of `facegeom align` says of probes, of survival and of ensembles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from facegeom_lit.commands.align_sets import OpenedSet
from facegeom_lit.commands.check import INFINITE, Numbers
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.maps import MapChoice
from facegeom_lit.evaluation.alignment.section_settings import (
    FusionSettings,
    LeakageSettings,
    SurvivalSettings,
)
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings

SECTION_NUMBERS: Numbers = {
    "survival.per_modality": (True, 6, INFINITE),
    "survival.draws": (True, 1, INFINITE),
}


def section_settings(
    cfg: DictConfig, maps: Sequence[MapChoice]
) -> tuple[LeakageSettings, SurvivalSettings, FusionSettings]:
    """Return what these sections measure.

    Args:
        cfg: The configuration; `SECTION_NUMBERS` are checked.
        maps: All that are fitted.

    Raises:
        FaceGeomError: When a value is of the wrong kind; the message names it.
    """
    attributes = cfg.leakage.attributes
    number = type(attributes) is int and attributes >= 0
    return (
        LeakageSettings(
            attributes if number else _names(cfg, "leakage.attributes", ", or a number"),
            model_pairs(cfg, "leakage.pairs"),
            _map(cfg, "leakage.map", maps),
        ),
        SurvivalSettings(
            _names(cfg, "survival.attributes"),
            model_pairs(cfg, "survival.pairs"),
            _map(cfg, "survival.map", maps),
            cfg.survival.per_modality,
            cfg.survival.draws,
        ),
        FusionSettings(_groups(cfg), _map(cfg, "fusion.map", maps)),
    )


def model_pairs(cfg: DictConfig, key: str) -> tuple[tuple[str, str], ...] | None:
    """Return pairs of models (source, target); None for all.

    Raises:
        FaceGeomError: When the value is neither all, none, nor a list of pairs.
    """
    given = OmegaConf.select(cfg, key)
    if given in ("all", "none"):
        return None if given == "all" else ()
    pairs: Any = OmegaConf.to_container(given) if OmegaConf.is_list(given) else None
    if not pairs or not all(isinstance(p, list) and len(p) == 2 and p[0] != p[1] for p in pairs):
        raise FaceGeomError(
            f"{key} must be all, none, or a list of [SOURCE, TARGET], got {given}. Write "
            f"e.g. '{key}=[[old,new],[new,old]]'."
        )
    return tuple((str(source), str(target)) for source, target in pairs)


def check_models(settings: AlignmentSettings, models: Iterable[str]) -> None:
    """Raise FaceGeomError unless all pairs and ensembles are of known models."""
    known = tuple(models)
    named = {
        "ladders.pairs": settings.ladders.pairs,
        "leakage.pairs": settings.leakage.pairs,
        "survival.pairs": settings.survival.pairs,
        "fusion.groups": settings.fusion.groups,
    }
    for key, groups in named.items():
        for group in groups or ():
            if unknown := [name for name in group if name not in known]:
                raise FaceGeomError(
                    f"{key} names {unknown[0]!r}, which is no model. There are: {', '.join(known)}."
                )


def check_attributes(settings: AlignmentSettings, opened: Mapping[str, OpenedSet]) -> None:
    """Raise FaceGeomError unless all attributes that are named are in a set."""
    labels: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    for data in (each.aligned for each in opened.values()):
        labels |= data.labelled.values if data.labelled else {}
        curves |= data.curves.rows if data.curves else {}
    read, followed = settings.leakage.attributes, settings.survival.attributes
    for key, names, known in (
        ("leakage.attributes", () if isinstance(read, int) else read or (), labels),
        ("survival.attributes", followed or (), labels | curves),
    ):
        if unknown := [name for name in names if name not in known]:
            raise FaceGeomError(
                f"{key} names {unknown[0]!r}, which no set has. They have: "
                f"{', '.join(known) or 'none'}."
            )


def _names(cfg: DictConfig, key: str, or_else: str = "") -> tuple[str, ...] | None:
    given = OmegaConf.select(cfg, key)
    if given in ("all", "none"):
        return None if given == "all" else ()
    if not OmegaConf.is_list(given) or not given:
        raise FaceGeomError(
            f"{key} must be all, none, a list of attributes{or_else}, got {given!r}."
        )
    return tuple(map(str, given))


def _groups(cfg: DictConfig) -> tuple[tuple[str, ...], ...] | None:
    given = cfg.fusion.groups
    if given in ("all", "none"):
        return None if given == "all" else ()
    groups: Any = OmegaConf.to_container(given) if OmegaConf.is_list(given) else None
    if not groups or not all(isinstance(g, list) and len(g) == len(set(g)) > 1 for g in groups):
        raise FaceGeomError(
            f"fusion.groups must be all, none, or lists of two or more models, got {given}. Write "
            "e.g. 'fusion.groups=[[a,b],[a,b,c]]'."
        )
    return tuple(tuple(map(str, group)) for group in groups)


def _map(cfg: DictConfig, key: str, maps: Sequence[MapChoice]) -> str | None:
    name = OmegaConf.select(cfg, key)
    if name is not None and name not in (known := [choice.name for choice in maps]):
        raise FaceGeomError(
            f"{key} names {name!r}, which maps does not hold. It holds: {', '.join(known)}."
        )
    return name
