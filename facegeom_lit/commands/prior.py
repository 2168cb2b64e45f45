"""`python train.py experiment=prior`: train the diffusion prior and package it as a pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast, get_args

import lightning as L
import torch
from diffusers import (
    AutoencoderDC,
    FlowMatchEulerDiscreteScheduler,
    ModelMixin,
    UNet2DConditionModel,
)
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning.pytorch.callbacks import EMAWeightAveraging
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file, save_file
from torch import Tensor

from facegeom_lit.attributes import vocabulary
from facegeom_lit.commands.check import check_config
from facegeom_lit.commands.coverage import given_or_rendered
from facegeom_lit.commands.stages import fit
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.identities import check_identities
from facegeom_lit.files import atomic_path
from facegeom_lit.models import FaceModel, load_face_model, weights_hash
from facegeom_lit.models.embed import embed_cached, model_hash
from facegeom_lit.reporting.run_record import versions
from facegeom_lit.synthesis.prior.conditions import AttributeScale
from facegeom_lit.synthesis.prior.identity_space import (
    IdentityKind,
    IdentitySpace,
    other_image_templates,
)
from facegeom_lit.synthesis.prior.latent_scale import LatentScale
from facegeom_lit.synthesis.prior.pipeline import FacePrior
from facegeom_lit.training.prior.autoencoder import AutoencoderModule
from facegeom_lit.training.prior.flow import FlowModule
from facegeom_lit.training.prior.latents import LatentDataset, encode_faces

PRIOR = "prior"


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
    if not (folder / PRIOR).is_dir():
        L.seed_everything(cfg.seed, workers=True, verbose=False)
        faces = given_or_rendered(cfg, cfg.prior.faces)
        model = load_face_model(Path(cfg.prior.identity_model).expanduser())
        autoencoder = fitted_autoencoder(cfg, faces, model)
        prior = fitted_prior(cfg, folder, faces, model, autoencoder)
        for part in (prior.autoencoder, prior.unet):  # half the size; opened as float32 again
            part.half()
        recipe = json.dumps(_recipe(cfg, faces), indent=2) + "\n"
        extra = {"recipe.json": recipe, "training_log.csv": _training_log(folder)}
        save_whole(prior, folder / PRIOR, extra)
    if cfg.export:
        shutil.copytree(folder / PRIOR, cfg.export, dirs_exist_ok=True)
    print(f"prior: {cfg.export or folder / PRIOR}")
    print(f"output: {folder}")


def fitted_autoencoder(cfg: DictConfig, faces: FaceSet, model: FaceModel) -> AutoencoderDC:
    """Return the trained autoencoder, from the cache when the same was trained before."""
    choices = cfg.prior.autoencoder
    network: AutoencoderDC = instantiate(choices.network, _convert_="all")
    kept = _cache(cfg) / f"autoencoder-{autoencoder_key(cfg, faces, model)}"
    if kept.is_dir():
        return cast(AutoencoderDC, network.from_pretrained(kept)).eval()
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
    fit(cfg, kept.with_name(f".{kept.name}"), "autoencoder", module, data, choices)
    save_whole(network, kept, {})
    return network.eval()


def fitted_prior(
    cfg: DictConfig, folder: Path, faces: FaceSet, model: FaceModel, autoencoder: AutoencoderDC
) -> FacePrior:
    """Train the flow over the autoencoder's latents and put the pipeline together."""
    key = autoencoder_key(cfg, faces, model)
    latents = cached_tensor(
        _cache(cfg) / f"latents-{key}.safetensors", lambda: encode_faces(autoencoder, faces)
    )
    scale = LatentScale.of(latents)
    space, codes = identity_codes(cfg, faces, model)
    ranges = attribute_ranges(faces)
    values = AttributeScale(ranges).rows(
        torch.stack([faces.attribute(name) for name in ranges], dim=1)
    )
    network: UNet2DConditionModel = instantiate(
        cfg.prior.network,
        in_channels=latents.shape[1],
        out_channels=latents.shape[1],
        projection_class_embeddings_input_dim=space.code_dim + len(ranges) + 2,
        _convert_="all",
    )
    choices = cfg.prior.flow
    module = FlowModule(
        network.to(memory_format=torch.channels_last),
        **{
            name: choices[name]
            for name in ("lr", "warmup_steps", "drop_identity", "drop_attributes")
        },
    )
    data = LatentDataset(scale.to_flow(latents), codes, values)
    average = EMAWeightAveraging(decay=choices.ema)
    fit(cfg, folder, "flow", module, data, choices, (average,))
    return FacePrior(
        autoencoder,
        network.eval(),
        FlowMatchEulerDiscreteScheduler(),
        space,
        attributes={name: list(pair) for name, pair in ranges.items()},
        latent_mean=list(scale.mean),
        latent_std=list(scale.std),
    )


def identity_codes(
    cfg: DictConfig, faces: FaceSet, model: FaceModel
) -> tuple[IdentitySpace, Tensor]:
    """Return the identity space and the code of each face, (N, K).

    Raises:
        FaceGeomError: When the faces have no such codes.
    """
    if cfg.prior.identity == "rendered":
        if faces.card.get("source") != "renderer":
            raise FaceGeomError(
                f"{faces!r} was not made by the renderer, so nobody knows its people's "
                "coordinates. Choose prior.identity=embeddings."
            )
        space = IdentitySpace()
        people = space.draw([int(name.lstrip("r")) for name in faces.classes])
        return space, people[faces.labels]
    check_identities(faces, 2)
    embeddings = embed_cached(model, faces, Path(cfg.paths.cache) / "embeddings")
    templates = other_image_templates(embeddings, faces.labels)
    space = IdentitySpace.fit(templates, cfg.prior.code_dim, weights_hash(model))
    return space, space.of_templates(templates)


def attribute_ranges(faces: FaceSet) -> dict[str, tuple[float, float]]:
    """Return the range of every attribute that varies in the faces.

    Raises:
        FaceGeomError: When none does, or a value is unknown.
    """
    known = vocabulary()
    ranges: dict[str, tuple[float, float]] = {}
    for name in faces.attributes:
        values = faces.attribute(name)
        if bool(values.isnan().any()):
            raise FaceGeomError(
                f"{faces!r}: {int(values.isnan().sum())} faces have no value of {name!r}. The "
                "prior learns attributes from faces that are labelled throughout."
            )
        if float(values.min()) == float(values.max()):
            continue
        own = (float(values.min()), float(values.max()))
        ranges[name] = (known[name].low, known[name].high) if name in known else own
    if not ranges:
        raise FaceGeomError(f"{faces!r} has no attribute that varies: nothing to condition on.")
    return ranges


def autoencoder_key(cfg: DictConfig, faces: FaceSet, model: FaceModel) -> str:
    """Return a hash of all that decides the autoencoder."""
    choices = OmegaConf.to_container(cfg.prior.autoencoder)
    facts = [faces.hash, model_hash(model), choices, cfg.seed, cfg.trainer.precision]
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def cached_tensor(file: Path, compute: Callable[[], Tensor]) -> Tensor:
    """Return the tensor that stands in `file`, or compute it and put it there."""
    if not file.is_file():
        with atomic_path(file) as temporary:
            save_file({"tensor": compute()}, temporary)
    return load_file(file)["tensor"]


def _cache(cfg: DictConfig) -> Path:
    return Path(cfg.paths.cache) / "prior"


def _recipe(cfg: DictConfig, faces: FaceSet) -> dict[str, Any]:
    """Return how the prior came to be."""
    return {
        "command": " ".join(["python train.py", *HydraConfig.get().overrides.task]),
        "seed": cfg.seed,
        "faces": {"hash": faces.hash, "images": len(faces), "people": len(faces.classes)},
        "config": OmegaConf.to_container(cfg, resolve=True),
        "versions": versions(),
    }


def _training_log(folder: Path) -> str:
    """Return the logged losses of every session of the flow as one table."""
    lines: list[str] = []
    for table in sorted(folder.glob("csv/session_*/metrics.csv")):
        rows = table.read_text().splitlines()
        lines += rows if not lines else rows[1:]
    return "\n".join(lines) + "\n"


def save_whole(network: ModelMixin | FacePrior, folder: Path, extra: dict[str, str]) -> None:
    """Save a diffusers object; its folder appears whole or not at all.

    Args:
        network: Model or pipeline.
        folder: Where it shall stand.
        extra: Text files beside it, by name.
    """
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    network.save_pretrained(aside)
    for name, text in extra.items():
        (aside / name).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
