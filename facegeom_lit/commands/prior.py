"""`python train.py experiment=prior`: train the diffusion prior and package it as a pipeline."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import lightning as L
import torch
from diffusers import AutoencoderDC, FlowMatchEulerDiscreteScheduler, UNet2DConditionModel
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from facegeom_lit.commands.check import check_config
from facegeom_lit.commands.coverage import given_or_rendered
from facegeom_lit.commands.prior_conditions import attribute_ranges, identity_codes
from facegeom_lit.commands.stages import fit
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.files import atomic_folder, atomic_path
from facegeom_lit.models import FaceModel, load_face_model
from facegeom_lit.models.embed import model_hash
from facegeom_lit.reporting.run_record import versions
from facegeom_lit.synthesis.prior.conditions import AttributeScale
from facegeom_lit.synthesis.prior.identity_space import IdentityKind
from facegeom_lit.synthesis.prior.latent_scale import LatentScale
from facegeom_lit.synthesis.prior.pipeline import FacePrior
from facegeom_lit.training.prior.autoencoder import AutoencoderModule
from facegeom_lit.training.prior.flow import FlowModule
from facegeom_lit.training.prior.latents import LatentDataset, encode_faces

PRIOR = "prior"
ELSEWHERE = ("export=", "paths.", "logger", "rerun=", "hydra")
"""Overrides that say where something is kept, which a recipe does not hold."""


def run(cfg: DictConfig) -> None:
    """Train what is missing of the prior and package it.

    Raises:
        FaceGeomError: When the configuration or the faces cannot be used.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    check_config(cfg)
    if cfg.prior is None:
        raise FaceGeomError("job=prior needs the group prior; use experiment=prior.")
    if cfg.prior.identity not in get_args(IdentityKind):
        raise FaceGeomError(
            f"prior.identity must be one of {', '.join(get_args(IdentityKind))}, got "
            f"{cfg.prior.identity!r}."
        )
    if cfg.rerun and _first():
        for name in (PRIOR, "checkpoints", "csv"):
            shutil.rmtree(folder / name, ignore_errors=True)
    if not (folder / PRIOR).is_dir():
        faces = given_or_rendered(cfg, cfg.prior.faces)
        model = load_face_model(Path(cfg.prior.identity_model).expanduser())
        autoencoder = fitted_autoencoder(cfg, folder, faces, model)
        prior = fitted_prior(cfg, folder, faces, model, autoencoder)
        if _first():
            package(prior, folder / PRIOR, recipe_of(cfg, faces), training_log(folder))
    if not _first():
        return
    if cfg.export:
        with atomic_folder(Path(cfg.export).expanduser()) as aside:
            shutil.copytree(folder / PRIOR, aside, dirs_exist_ok=True)
    print(f"prior: {cfg.export or folder / PRIOR}")
    print(f"output: {folder}")


def fitted_autoencoder(
    cfg: DictConfig, folder: Path, faces: FaceSet, model: FaceModel
) -> AutoencoderDC:
    """Return the trained autoencoder, from the cache when the same was trained before.

    Raises:
        FaceGeomError: When its weights are not finite.
    """
    choices, key = cfg.prior.autoencoder, autoencoder_key(cfg, faces, model)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    network: AutoencoderDC = instantiate(choices.network, _convert_="all")
    kept = _cache(cfg) / f"autoencoder-{key}.safetensors"
    if kept.is_file():
        network.load_state_dict(load_file(kept))
        return network.eval()
    module = AutoencoderModule(
        network.to(memory_format=torch.channels_last),
        model,
        lr=choices.lr,
        warmup_steps=choices.warmup_steps,
        perceptual=choices.perceptual,
        latent_noise=choices.latent_noise,
        latent_weight=choices.latent_weight,
        seed=cfg.seed,
    )
    data = FaceDataset(faces, cache_mib=cfg.prior.cache_mib)
    trainer = fit(cfg, folder, f"autoencoder-{key}", module, data, choices)
    check_finite(network, "prior.autoencoder.lr")
    if trainer.is_global_zero:
        with atomic_path(kept) as temporary:
            state = {name: value.contiguous() for name, value in network.state_dict().items()}
            save_file(state, temporary)
    trainer.strategy.barrier("the autoencoder is kept")
    return network.eval()


def fitted_prior(
    cfg: DictConfig, folder: Path, faces: FaceSet, model: FaceModel, autoencoder: AutoencoderDC
) -> FacePrior:
    """Train the flow over the autoencoder's latents and put the pipeline together.

    Raises:
        FaceGeomError: When the faces cannot be used, or the weights are not finite.
    """
    choices, key = cfg.prior.flow, autoencoder_key(cfg, faces, model)
    latents = cached_tensor(
        _cache(cfg) / f"latents-{key}.safetensors", lambda: encode_faces(autoencoder, faces)
    )
    scale = LatentScale.of(latents)
    space, codes = identity_codes(cfg, faces, model)
    ranges = attribute_ranges(faces)
    values = AttributeScale(ranges).rows(
        torch.stack([faces.attribute(name) for name in ranges], dim=1)
    )
    # Again: whether the autoencoder came from the cache must not change what follows.
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    network: UNet2DConditionModel = instantiate(
        cfg.prior.network,
        in_channels=latents.shape[1],
        out_channels=latents.shape[1],
        projection_class_embeddings_input_dim=space.code_dim + len(ranges) + 2,
        _convert_="all",
    )
    module = FlowModule(
        network.to(memory_format=torch.channels_last),
        lr=choices.lr,
        warmup_steps=choices.warmup_steps,
        drop_identity=choices.drop_identity,
        drop_attributes=choices.drop_attributes,
        seed=cfg.seed,
    )
    data = LatentDataset(scale.to_flow(latents), codes, values)
    average = EMAWeightAveraging(decay=choices.ema)
    fit(cfg, folder, f"flow-{key}", module, data, choices, (average,))
    check_finite(network, "prior.flow.lr")
    return FacePrior(
        autoencoder,
        network.eval(),
        FlowMatchEulerDiscreteScheduler(),
        space,
        attributes={name: list(pair) for name, pair in ranges.items()},
        latent_mean=list(scale.mean),
        latent_std=list(scale.std),
    )


def autoencoder_key(cfg: DictConfig, faces: FaceSet, model: FaceModel) -> str:
    """Return a hash of all that decides the autoencoder."""
    choices = OmegaConf.to_container(cfg.prior.autoencoder)
    trained = [cfg.trainer[name] for name in ("precision", "gradient_clip_val", "devices")]
    facts = [faces.hash, model_hash(model), choices, cfg.seed, trained]
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def cached_tensor(file: Path, compute: Callable[[], Tensor]) -> Tensor:
    """Return the tensor that stands in `file`, or compute it and put it there."""
    if not file.is_file():
        with atomic_path(file) as temporary:
            save_file({"tensor": compute()}, temporary)
    return load_file(file)["tensor"]


def check_finite(network: nn.Module, key: str) -> None:
    """Refuse weights that are not finite, before anything is kept or made with them."""
    broken = [name for name, value in network.state_dict().items() if not value.isfinite().all()]
    if broken:
        raise FaceGeomError(f"The trained weights {broken[0]} are not finite. Lower {key}.")


def package(prior: FacePrior, folder: Path, recipe: dict[str, Any], log: str) -> None:
    """Save the pipeline with its recipe and training log; in half precision: half the size."""
    for part in (prior.autoencoder, prior.unet):
        part.half()
    with atomic_folder(folder) as aside:
        prior.save_pretrained(aside)
        (aside / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        (aside / "training_log.csv").write_text(log, encoding="utf-8")


def recipe_of(cfg: DictConfig, faces: FaceSet) -> dict[str, Any]:
    """Return how the prior came to be."""
    words = [w for w in HydraConfig.get().overrides.task if not w.startswith(ELSEWHERE)]
    return {
        "command": " ".join(["python train.py", *words]),
        "seed": cfg.seed,
        "faces": {"hash": faces.hash, "images": len(faces), "people": len(faces.classes)},
        "prior": OmegaConf.to_container(cfg.prior),
        "coverage": OmegaConf.to_container(cfg.synthesis.coverage),
        "trainer": OmegaConf.to_container(cfg.trainer),
        "versions": versions(),
    }


def training_log(folder: Path) -> str:
    """Return the logged losses of every session as one table; the stages restart at step 0."""
    rows: list[dict[str, str]] = []
    number = len(list(folder.glob("csv/session_*")))
    for session in range(number):
        table = folder / "csv" / f"session_{session}" / "metrics.csv"
        if table.is_file():
            with table.open(newline="") as file:
                rows += list(csv.DictReader(file))
    columns = dict.fromkeys(name for row in rows for name in row)
    text = StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _cache(cfg: DictConfig) -> Path:
    return Path(cfg.paths.cache) / "prior"


def _first() -> bool:
    return getattr(rank_zero_only, "rank", 0) == 0
