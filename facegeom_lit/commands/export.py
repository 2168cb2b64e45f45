"""`facegeom export`: write a face model in a form that other tools load, and check it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig, ListConfig
from torch import Tensor

from facegeom_lit.commands.composition import compose_config
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.opening import open_faces
from facegeom_lit.faces.sizes import check_crops
from facegeom_lit.files import plain_name
from facegeom_lit.models import FaceModel, load_face_model, save_face_model
from facegeom_lit.models.storage import CARD, WEIGHTS
from facegeom_lit.models.weights.export_onnx import check_finite, export_onnx
from facegeom_lit.models.weights.export_pack import check_pack, export_pack
from facegeom_lit.models.weights.export_preprocessing import is_bare
from facegeom_lit.models.weights.export_state import check_arcface_torch, export_arcface_torch
from facegeom_lit.reporting.export_table import Export, print_exports

SUFFIXES = {"onnx": (".onnx",), "arcface_torch": (".pth", ".pt"), "safetensors": (), "pack": ()}
"""Formats, and how a file of each ends; the last two are folders."""
WEIGHTS_SUFFIX = Path(WEIGHTS).suffix


def main(overrides: Sequence[str]) -> None:
    """Write the model in every format asked for, each whole or not at all, and print a table.

    Raises:
        FaceGeomError: When the configuration is wrong, or a format cannot hold the model.
    """
    cfg = compose_config("export", overrides)
    for key in ("model", "output"):
        if cfg[key] is None:
            raise FaceGeomError(f"{key} is missing: facegeom export model=FOLDER output=x.onnx")
    model = load_face_model(str(cfg.model))
    name = str(cfg.name or plain_name(model.card.name))
    places = destinations(cfg, name)
    check_finite(model)
    if "arcface_torch" in places:
        check_arcface_torch(model.card)
    if "pack" in places:
        check_pack(places["pack"], name, _detector(cfg))
    faces = read_crops(cfg.faces, cfg.max_faces) if cfg.faces else None
    exports = [_write(kind, path, model, name, cfg, faces) for kind, path in places.items()]
    print_exports(exports, model.card.licence, notes(exports, model))
    if "pack" in places:
        root = str(places["pack"].resolve())
        print(f"from insightface.app import FaceAnalysis\napp = FaceAnalysis({name=}, {root=})")
    print(f"output: {Path(str(cfg.output)).expanduser()}")


def destinations(cfg: DictConfig, name: str) -> dict[str, Path]:
    """Where each format is written, by format.

    Raises:
        FaceGeomError: When a format is unknown, or `output` ends unlike its format.
    """
    output = Path(str(cfg.output)).expanduser()
    by_suffix = {suffix: kind for kind, ends in SUFFIXES.items() for suffix in ends}
    if cfg.format is None:
        known = {"", *by_suffix, WEIGHTS_SUFFIX}
        if output.suffix not in known and not output.is_dir():
            raise FaceGeomError(
                f"output={output} ends in {output.suffix!r}, which is no format. Known: "
                f"{', '.join(by_suffix)}, none for a folder; or choose format=."
            )
        kinds = [by_suffix.get(output.suffix, "safetensors")]
    else:
        kinds = list(cfg.format) if isinstance(cfg.format, ListConfig) else [cfg.format]
    if unknown := [kind for kind in kinds if kind not in SUFFIXES]:
        raise FaceGeomError(f"format must be one of {', '.join(SUFFIXES)}, got {unknown[0]!r}.")
    if not kinds:
        raise FaceGeomError(f"format is an empty list; name some of {', '.join(SUFFIXES)}.")
    ends = SUFFIXES[kinds[0]] if len(kinds) == 1 else ()
    if ends and output.suffix not in ends:
        wanted = f"a file that ends in {' or '.join(ends)}"
    elif not ends and output.suffix in {*by_suffix, WEIGHTS_SUFFIX}:
        wanted = "a folder"
    else:
        wanted = None
    if wanted:
        raise FaceGeomError(
            f"{' and '.join(kinds)} is written to {wanted}; got output={output}. Name another."
        )
    if len(kinds) == 1:
        return {kinds[0]: output}
    inside = {"onnx": f"{name}.onnx", "arcface_torch": "backbone.pth", "safetensors": "model"}
    return {kind: output / inside.get(kind, "") for kind in kinds}


def read_crops(path: str, count: int) -> Tensor:
    """Read at most `count` crops, evenly spaced, as uint8 (N, 3, 112, 112).

    Raises:
        FaceGeomError: When `count` is not positive, or the faces cannot be read.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise FaceGeomError(f"max_faces must be positive, got {count!r}.")
    faces = open_faces(path, verify=False)  # a training set may hold millions; look at these alone
    rows = torch.linspace(0, len(faces) - 1, min(count, len(faces))).round().long()
    chosen = check_crops(faces.select(rows))
    images = torch.stack([torch.from_numpy(chosen.image(row)) for row in range(len(chosen))])
    return images.permute(0, 3, 1, 2).contiguous()


def notes(exports: Sequence[Export], model: FaceModel) -> list[str]:
    """Say what a user of the files must know."""
    lines = [f"{export.path} was there and has been replaced" for export in exports if export.again]
    reports = [export.parity for export in exports if export.parity]
    if reports and not is_bare(model.card):
        lines.append("the graph begins with the model's preprocessing: feed RGB, 0–255, 112×112")
    if any(report.insightface is None for report in reports):
        lines.append("insightface is not installed here, so the file was not tried in it")
    if any(report.single for report in reports):
        lines.append("the file takes one image at a time, as the graph that it came from does")
    if model.card.distance == "euclidean":
        lines.append("compare raw embeddings by Euclidean distance, not by insightface's cosine")
    return lines


def _write(
    kind: str, path: Path, model: FaceModel, name: str, cfg: DictConfig, faces: Tensor | None
) -> Export:
    written = path / "models" / name if kind == "pack" else path
    again = (written / CARD if kind == "safetensors" else written).exists()
    parity = None
    if kind == "onnx":
        parity = export_onnx(model, path, faces=faces)
    elif kind == "pack":
        parity = export_pack(model, path, name, _detector(cfg), faces=faces)
    elif kind == "arcface_torch":
        export_arcface_torch(model, path)  # compares what it reads back
    else:
        save_face_model(model, path)
        load_face_model(path)  # compares the hash with the weights
    return Export(written, kind, parity, again)


def _detector(cfg: DictConfig) -> Path:
    if cfg.detector_file is None:
        raise FaceGeomError(
            "format=pack needs detector_file=FILE.onnx: FaceAnalysis loads no pack without a face "
            "detector, such as the det_10g.onnx of an InsightFace pack, or OpenCV's YuNet."
        )
    return Path(str(cfg.detector_file)).expanduser()
