"""What the configuration of `facegeom align` says to measure, checked."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from facegeom_lit.commands.align_sections import (
    SECTION_NUMBERS,
    model_pairs,
    section_settings,
)
from facegeom_lit.commands.check import INFINITE, SEED, Numbers, check_values, check_wandb
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.maps import MapChoice, map_choices
from facegeom_lit.evaluation.alignment.section_settings import chosen_map
from facegeom_lit.evaluation.alignment.settings import (
    AlignmentSettings,
    JudgeSettings,
    LadderSettings,
)

INSIDE = 1e-6, 1 - 1e-6
"""Of shares and rates, which are neither 0 nor 1."""
NUMBERS: Numbers = {
    "rendered.identities": (True, 4, INFINITE),
    "rendered.images_per_identity": (True, 2, INFINITE),
    "fit_share": (False, *INSIDE),
    "judging.kept_out": (False, *INSIDE),
    "null_permutations": (True, 0, INFINITE),
    "similarity.permutations": (True, 0, INFINITE),
    "similarity.neighbors": (True, 1, INFINITE),
    "ladders.subsets": (True, 1, INFINITE),
    **SECTION_NUMBERS,
    "bootstrap.resamples": (True, 0, INFINITE),
    "bootstrap.level": (False, *INSIDE),
    "seed": SEED,
    "batch_size": (True, 1, INFINITE),
    "workers": (True, 0, INFINITE),
}
SWITCHES = ("bias", "scale", "flip")


def settings_of(cfg: DictConfig) -> AlignmentSettings:
    """Return what the configuration says to measure.

    Raises:
        FaceGeomError: When a value is out of range or of the wrong kind; the message names it.
    """
    check_values(cfg, NUMBERS, SWITCHES)
    check_wandb(cfg)
    cut = cfg.families.cut
    if cut is not None and not (_is_number(cut) and cut >= 0):
        raise FaceGeomError(f"families.cut must be a number of at least 0, or null, got {cut!r}.")
    maps = map_choices(
        OmegaConf.to_container(OmegaConf.create({"maps": cfg.maps}))["maps"],  # type: ignore
        {key: cfg[key] for key in ("bias", "scale", "ridge", "rank")},
    )
    leakage, survival, fusion = section_settings(cfg, maps)
    return AlignmentSettings(
        maps=maps,
        fit_share=cfg.fit_share,
        judge=JudgeSettings(
            ks=tuple(sorted({1, *(_whole(cfg, "judging.ranks") or ())})),
            fars=_rates(cfg, "judging.fars"),
            fpirs=_rates(cfg, "judging.fpirs"),
            kept_out=cfg.judging.kept_out,
            resamples=cfg.bootstrap.resamples,
            level=cfg.bootstrap.level,
            seed=cfg.seed,
        ),
        null_permutations=cfg.null_permutations,
        neighbors=cfg.similarity.neighbors,
        similarity_permutations=cfg.similarity.permutations,
        ladders=LadderSettings(
            pairs=model_pairs(cfg, "ladders.pairs"),
            ranks=_whole(cfg, "ladders.ranks"),
            anchors=_whole(cfg, "ladders.anchors"),
            maps=_ladder_maps(cfg, maps),
            subsets=cfg.ladders.subsets,
        ),
        leakage=leakage,
        survival=survival,
        fusion=fusion,
        seed=cfg.seed,
    )


def _ladder_maps(cfg: DictConfig, maps: tuple[MapChoice, ...]) -> tuple[str, ...]:
    given = cfg.ladders.maps
    known = [choice.name for choice in maps]
    if given is None:
        return (chosen_map(maps, None).name,)
    if not OmegaConf.is_list(given):
        raise FaceGeomError(f"ladders.maps must be a list of names of maps, got {given}.")
    names = tuple(map(str, given))
    if unknown := [name for name in names if name not in known]:
        raise FaceGeomError(
            f"ladders.maps names {unknown[0]!r}, which maps does not hold. It holds: "
            f"{', '.join(known)}."
        )
    return names


def _whole(cfg: DictConfig, key: str) -> tuple[int, ...] | None:
    given = OmegaConf.select(cfg, key)
    if given is None:
        return None
    whole = OmegaConf.is_list(given) and all(type(v) is int and v >= 1 for v in given)
    if not whole or not given:
        raise FaceGeomError(f"{key} must be a list of whole numbers at least 1, got {given}.")
    return tuple(given)


def _rates(cfg: DictConfig, key: str) -> tuple[float, ...]:
    given = OmegaConf.select(cfg, key)
    if not OmegaConf.is_list(given) or not all(_is_number(v) and 0 < v < 1 for v in given):
        raise FaceGeomError(f"{key} must be a list of numbers between 0 and 1, got {given}.")
    return tuple(map(float, given))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
