"""What a configuration says is checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.attributes import BASELINE, AttributeSpec, attribute
from facegeom_lit.errors import FaceGeomError

INFINITE = math.inf
SEED = (True, 0, 2**32 - 1)
Numbers = Mapping[str, tuple[bool, float, float]]
# Key → (whole number?, lowest, highest) of the numbers that would be refused late or never.
NUMBERS: Numbers = {
    "seed": SEED,
    "trainer.max_epochs": (True, 1, INFINITE),
    "trainer.check_val_every_n_epoch": (True, 1, INFINITE),
    "objective.weight": (False, 0, INFINITE),
    "objective.batches": (False, 1, INFINITE),
    "objective.ridge": (False, 1e-12, INFINITE),
    "training.lr": (False, 1e-12, INFINITE),
    "training.head_lr": (False, 1e-12, INFINITE),
    "training.layer_decay": (False, 1e-12, 1),
    "training.weight_decay": (False, 0, INFINITE),
    "training.head_warmup_epochs": (True, 0, INFINITE),
    "training.warmup_steps": (True, 0, INFINITE),
    "training.identities_per_batch": (True, 1, INFINITE),
    "training.images_per_identity": (True, 2, INFINITE),
    "training.curves": (True, 0, INFINITE),
    "training.evaluation_batch": (True, 1, INFINITE),
    "training.workers": (True, 0, INFINITE),
    "tuning.lora.rank": (True, 1, INFINITE),
    "tuning.lora.alpha": (False, 1e-12, INFINITE),
    "tuning.lora.dropout": (False, 0, 1),
    "callbacks.class_mean_head.images": (True, 0, INFINITE),
    # of some jobs only
    "prior.code_dim": (True, 1, INFINITE),
    "prior.cache_mib": (True, 0, INFINITE),
    "prior.autoencoder.epochs": (True, 1, INFINITE),
    "prior.autoencoder.batch_size": (True, 1, INFINITE),
    "prior.autoencoder.lr": (False, 1e-12, INFINITE),
    "prior.autoencoder.warmup_steps": (True, 0, INFINITE),
    "prior.autoencoder.perceptual": (False, 0, INFINITE),
    "prior.autoencoder.latent_noise": (False, 0, INFINITE),
    "prior.autoencoder.latent_weight": (False, 0, INFINITE),
    "prior.flow.epochs": (True, 1, INFINITE),
    "prior.flow.batch_size": (True, 1, INFINITE),
    "prior.flow.lr": (False, 1e-12, INFINITE),
    "prior.flow.warmup_steps": (True, 0, INFINITE),
    "prior.flow.ema": (False, 0, 1),
    "prior.flow.drop_identity": (False, 0, 1),
    "prior.flow.drop_attributes": (False, 0, 1),
    "regressor.epochs": (True, 1, INFINITE),
    "regressor.batch_size": (True, 1, INFINITE),
    "regressor.lr": (False, 1e-12, INFINITE),
    "regressor.warmup_steps": (True, 0, INFINITE),
    "regressor.weight_decay": (False, 0, INFINITE),
    # of some data sources only
    "data.judge_every": (True, 2, INFINITE),
    "data.judge_people": (True, 2, INFINITE),
    "data.lattice_nodes": (True, 2, INFINITE),
    "data.verification_people": (True, 2, INFINITE),
    "data.verification_images": (True, 2, INFINITE),
}
SWITCHES = (
    "rerun",
    "evaluation.baseline",
    "training.mirror",
    "training.freeze_batch_norm",
)
LORA = {"rank", "alpha", "dropout"}
OPEN = ("data.columns.", "reference.models.", "trainer.", "logger.", "callbacks.", "hydra.")
"""Where a user may add keys with `+`; elsewhere an added key would be read by nobody."""

CURVED = tuple(f"facegeom_lit.training.sources.{name}" for name in ("generated", "labelled"))
"""The data sources that can give curves to train on."""

EDITED = "facegeom_lit.training.edited.edited"
"""The only data source whose faces are edits."""


def check_config(cfg: DictConfig) -> None:
    """Refuse what cannot work.

    Raises:
        FaceGeomError: With the key and the remedy.
    """
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise FaceGeomError(f"{missing[0]} is not set; give it on the command line: {missing[0]}=…")
    check_values(cfg, NUMBERS, SWITCHES)
    lora = cfg.tuning.lora
    if lora is not None and (not OmegaConf.is_dict(lora) or set(lora) != LORA):
        raise FaceGeomError(
            f"tuning.lora must be null or hold {', '.join(sorted(LORA))}, got {lora}. Choose "
            "tuning=lora, and change single keys below it."
        )
    _check_added_keys()
    measured = cfg.evaluation.measured
    if not OmegaConf.is_list(measured) or not measured:
        raise FaceGeomError(f"evaluation.measured must be a list of attributes, got {measured}.")
    for name in measured:
        attribute(name)
    if cfg.gates and cfg.data._target_ != EDITED:
        raise FaceGeomError(
            "gates judge edits of given photos; with this data nothing reads them. Choose "
            "data=edited, or gates=none (and a synthesis that draws: diffusion, renderer)."
        )
    if cfg.training.curves == 1:
        raise FaceGeomError(
            "training.curves must be at least 2 curves of each identity in a batch (an energy "
            "compares them), or 0 for none, got 1."
        )
    if cfg.training.curves and cfg.data._target_ not in CURVED:
        raise FaceGeomError(
            "training.curves needs training faces that move along the attribute alone. Choose "
            "data=generated or data=labelled, or training.curves=0."
        )
    epochs, warmup = cfg.trainer.max_epochs, cfg.training.head_warmup_epochs
    if warmup >= epochs:
        raise FaceGeomError(
            f"training.head_warmup_epochs={warmup} leaves no epoch of trainer.max_epochs={epochs} "
            "to train the backbone in."
        )
    many = cfg.trainer.devices not in (1, "1", "auto")
    if many and in_sweep():
        raise FaceGeomError(
            "A sweep (-m) with trainer.devices other than 1 would start every process's own "
            "sweep. Use one device per job, or launch the runs one by one."
        )


def check_values(cfg: DictConfig, numbers: Numbers, switches: Sequence[str] = ()) -> None:
    """Refuse numbers that are none or out of range, and switches that are neither true nor false.

    Args:
        cfg: The configuration.
        numbers: Key → (whole number?, lowest, highest); those that `cfg` lacks are passed over.
        switches: Keys that must be true or false.

    Raises:
        FaceGeomError: Which names the key.
    """
    for key, (whole, low, high) in numbers.items():
        parent, _, name = key.rpartition(".")
        node = OmegaConf.select(cfg, parent) if parent else cfg
        if isinstance(node, DictConfig) and name in node:
            _check_number(key, OmegaConf.select(cfg, key), whole, low, high)
    for key in switches:
        if not isinstance(OmegaConf.select(cfg, key), bool):
            raise FaceGeomError(f"{key} must be true or false, got {OmegaConf.select(cfg, key)!r}.")


def check_wandb(cfg: DictConfig) -> None:
    """Raise FaceGeomError unless `wandb` says how a result is logged."""
    if cfg.wandb not in ("none", "offline", "online"):
        raise FaceGeomError(f"wandb must be none, offline or online, got {cfg.wandb!r}.")


def _check_added_keys() -> None:
    """Refuse a `+key` that nothing reads."""
    if not HydraConfig.initialized():
        return
    for override in HydraConfig.get().overrides.task:
        key = override.partition("=")[0]
        if key.startswith("+") and not key.lstrip("+").startswith(OPEN):
            raise FaceGeomError(
                f"Unknown key {key.lstrip('+')!r}: nothing reads it. Keys can be added with + only "
                f"below {', '.join(prefix.rstrip('.') for prefix in OPEN)}."
            )


def in_sweep() -> bool:
    """Whether this process runs a job of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def target_attribute(cfg: DictConfig) -> AttributeSpec | None:
    """Return the targeted attribute, or None for the baseline.

    Raises:
        FaceGeomError: When the configuration contradicts itself.
    """
    values: Any = OmegaConf.to_container(cfg.attribute, resolve=True)
    if values["name"] == BASELINE:
        return None
    attribute(values["name"])
    return AttributeSpec.from_mapping(values)


def _check_number(key: str, value: Any, whole: bool, low: float, high: float) -> None:
    kinds = (int,) if whole else (int, float)
    number = isinstance(value, kinds) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        bounds = f"at least {low:g}" if high == INFINITE else f"from {low:g} to {high:g}"
        raise FaceGeomError(f"{key} must be {kind} {bounds}, got {value!r}.")
