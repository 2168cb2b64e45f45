"""`facegeom import`: read published weights as a face model of our own format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.commands.check import SEED, check_values
from facegeom_lit.commands.composition import compose_config, path_given
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import read_json
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.backbones.backbone import CROP
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.storage import (
    CARD,
    WEIGHTS,
    load_face_model,
    save_face_model,
    weights_hash,
)


def main(overrides: Sequence[str]) -> None:
    """Import the model that the configuration names.

    Prints its card, what the file held besides, and the folder as its last line.

    Raises:
        FaceGeomError: When the file is no face model, the configuration is wrong, or the folder
            holds another model or cannot be written.
    """
    cfg = compose_config("import_model", overrides)
    source = path_given(cfg, "model", "FILE, a folder, or hf:NAME")
    check_values(cfg, {"seed": SEED})
    if cfg.name is not None and (not isinstance(cfg.name, str) or not cfg.name):
        raise FaceGeomError(f"name must be some text, got {cfg.name!r}.")
    model = _corrected(load_face_model(source, card=_described(cfg)), cfg)
    file_name = model.card.name.replace("/", "_")
    folder = Path(
        str(cfg.output or Path(path_given(cfg, "root", "FOLDER")) / file_name)
    ).expanduser()
    _check_free(folder, model)
    report = _probe(model, cfg)
    card = save_face_model(model, folder)
    for line in (*_lines(model, card), *report):
        print(line)
    print(f"output: {folder}")


def _described(cfg: DictConfig) -> ModelCard | None:
    """The card of a layout that is not known, from its architecture."""
    if cfg.architecture is None:
        if cfg.arguments is not None:
            raise FaceGeomError("arguments needs architecture, or leave both to the weights.")
        return None
    for key, kind in (("architecture", str), ("arguments", DictConfig)):
        if cfg[key] is not None and not isinstance(cfg[key], kind):
            raise FaceGeomError(
                f"{key}={cfg[key]} is no such thing. Write architecture=iresnet50 and "
                "arguments='{dimension: 128}'."
            )
    arguments: Any = OmegaConf.to_container(cfg.arguments) if cfg.arguments is not None else {}
    with torch.device("meta"):
        backbone = build_backbone(cfg.architecture, **arguments)
    return ModelCard(
        name=cfg.name or Path(str(cfg.model)).stem,
        architecture=cfg.architecture,
        arguments=arguments,
        dimension=backbone.dimension,
        size=backbone.input_size,
        fit="crop" if max(backbone.input_size) <= CROP else "resize",
    )


def _corrected(model: FaceModel, cfg: DictConfig) -> FaceModel:
    """The model with those fields of its card that the configuration states."""
    stated: Any = OmegaConf.to_container(cfg.card)
    changes = {key: value for key, value in stated.items() if value is not None}
    if cfg.name is not None:
        changes["name"] = cfg.name
    card = ModelCard.from_json({**model.card.to_json(), **changes}, "card")
    return FaceModel(model.backbone, card).eval()


def _check_free(folder: Path, model: FaceModel) -> None:
    if not any((folder / name).exists() for name in (CARD, WEIGHTS)):
        if folder.is_dir() and any(folder.iterdir()):
            raise FaceGeomError(f"output={folder} holds other files. Choose a new folder.")
        return
    found = read_json(folder / CARD) if (folder / CARD).is_file() else {}
    if not isinstance(found, dict) or found.get("hash") != weights_hash(model):
        raise FaceGeomError(f"output={folder} holds another model. Choose another folder.")


def _probe(model: FaceModel, cfg: DictConfig) -> list[str]:
    """What a few faces say about the colour order and the normalisation on the card."""
    if cfg.faces is None:
        return []
    from facegeom_lit.faces.opening import open_faces
    from facegeom_lit.models.color_probe import probe

    report = probe(model, open_faces(cfg.faces), seed=cfg.seed)
    if not report.suspicious:
        return report.lines()
    remedy = "Import it again with card.color_order, card.mean or card.std to correct this."
    return [*report.lines(), remedy]


def _lines(model: FaceModel, card: ModelCard) -> list[str]:
    facts = card.to_json()
    notes = facts.pop("training")
    aside = notes.pop("left_aside", [])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return [
        *(f"{key}: {value}" for key, value in {**facts, **notes}.items()),
        f"parameters: {parameters:,}",
        *(f"left aside: {name}" for name in aside),
    ]
