"""What the configuration of `facegeom analyze` says to measure, checked."""

from __future__ import annotations

from importlib.util import find_spec
from typing import get_args

from omegaconf import DictConfig, ListConfig

from facegeom_lit.commands.analyze_sets import SCALES
from facegeom_lit.commands.check import INFINITE, SEED, Numbers, check_values, check_wandb
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.macroscale import MacroscaleSettings, Outliers
from facegeom_lit.evaluation.microscale import MicroscaleSettings, Resampling
from facegeom_lit.evaluation.rules import rules_named
from facegeom_lit.evaluation.shape import Clouds
from facegeom_lit.geometry.lattice_geometry import MeanDistance
from facegeom_lit.geometry.macroscale.probes import FoldsBy
from facegeom_lit.geometry.shape.topology import HIGHEST

NUMBERS: Numbers = {
    "microscale.null_permutations": (True, 0, INFINITE),
    "microscale.bins": (True, 1, 10_000),
    "microscale.reach": (False, 1e-6, 1e6),
    "macroscale.per_modality": (True, 2, INFINITE),
    "macroscale.draws": (True, 1, INFINITE),
    "macroscale.permutations": (True, 0, INFINITE),
    "shape.homology": (True, 0, HIGHEST),
    "macroscale.outliers.k": (True, 1, INFINITE),
    "macroscale.outliers.fewest": (True, 2, INFINITE),
    "rendered.identities": (True, 1, INFINITE),
    "rendered.nodes": (True, 2, INFINITE),
    "bootstrap.resamples": (True, 1, INFINITE),
    "bootstrap.level": (False, 1e-6, 1 - 1e-6),
    "seed": SEED,
    "batch_size": (True, 1, INFINITE),
    "workers": (True, 0, INFINITE),
}
SWITCHES = ("microscale.include_self",)


def check_choices(cfg: DictConfig) -> list[str] | None:
    """Check the keys that are of neither scale; return the attributes that are asked for.

    Raises:
        FaceGeomError: Which names the key.
    """
    check_values(cfg, NUMBERS, SWITCHES)
    if cfg.scale not in SCALES:
        raise FaceGeomError(f"scale must be one of {', '.join(SCALES)}, got {cfg.scale!r}.")
    if cfg.shape.clouds not in get_args(Clouds):
        raise FaceGeomError(
            f"shape.clouds must be one of {', '.join(get_args(Clouds))}, got {cfg.shape.clouds!r}."
        )
    if cfg.shape.clouds != "none" and cfg.shape.homology and find_spec("gudhi") is None:
        raise FaceGeomError(
            f"shape.homology={cfg.shape.homology} needs an extra: "
            "pip install 'facegeom-lit[topology]'. Without it, leave shape.homology=0."
        )
    check_wandb(cfg)
    if cfg.attributes is None:
        return None
    if not isinstance(cfg.attributes, ListConfig) or not cfg.attributes:
        raise FaceGeomError(
            f"attributes must be a list of names, or null, got {cfg.attributes}. Write e.g. "
            "attributes=[pose,age]."
        )
    return list(map(str, cfg.attributes))


def microscale_of(cfg: DictConfig) -> MicroscaleSettings:
    """Return what the configuration says of the microscale.

    Raises:
        FaceGeomError: When a value is out of range, or of the wrong kind.
    """
    given = cfg.microscale
    if not isinstance(given.rules, ListConfig) or not given.rules:
        raise FaceGeomError(
            f"microscale.rules must be a list of neighbourhoods, got {given.rules}. Write e.g. "
            "microscale.rules=[ball_0.6,knn_10]."
        )
    most = given.max_neighbors
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise FaceGeomError(
            f"microscale.max_neighbors must be a whole number at least 1, or null, got {most!r}."
        )
    if given.mean_distance not in get_args(MeanDistance):
        raise FaceGeomError(
            f"microscale.mean_distance must be {' or '.join(get_args(MeanDistance))}, got "
            f"{given.mean_distance!r}."
        )
    try:
        rules = rules_named(given.rules, include_self=given.include_self, max_neighbors=most)
    except FaceGeomError as error:
        raise FaceGeomError(f"microscale.rules: {error}") from None
    return MicroscaleSettings(
        rules=rules,
        mean_distance=given.mean_distance,
        null_permutations=given.null_permutations,
        bins=given.bins,
        reach=float(given.reach),
        resampling=_resampling(cfg),
    )


def macroscale_of(cfg: DictConfig) -> MacroscaleSettings:
    """Return what the configuration says of the macroscale.

    Raises:
        FaceGeomError: When a value is of the wrong kind.
    """
    given = cfg.macroscale
    if given.probes is not None and given.probes not in get_args(FoldsBy):
        raise FaceGeomError(
            f"macroscale.probes must be {', '.join(get_args(FoldsBy))} or null, got "
            f"{given.probes!r}."
        )
    outliers = given.outliers
    if outliers is not None and not isinstance(outliers, DictConfig):
        raise FaceGeomError(
            f"macroscale.outliers must be null or hold k and fewest, got {outliers!r}."
        )
    return MacroscaleSettings(
        per_modality=given.per_modality,
        draws=given.draws,
        permutations=given.permutations,
        probes=given.probes,
        outliers=None if outliers is None else Outliers(outliers.k, outliers.fewest),
        resampling=_resampling(cfg),
    )


def _resampling(cfg: DictConfig) -> Resampling:
    return Resampling(cfg.bootstrap.resamples, cfg.bootstrap.level, cfg.seed)
