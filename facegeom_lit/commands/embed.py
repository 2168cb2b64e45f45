"""`facegeom embed`: the embeddings of a set, as an enrolled gallery."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor

from facegeom_lit.commands.check import INFINITE, Numbers, check_values
from facegeom_lit.commands.composition import path_given
from facegeom_lit.commands.generate import prediction_trainer
from facegeom_lit.commands.sources import check_models, compose_with_sources
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.measure import evaluation_set_hash, faces_of
from facegeom_lit.evaluation.named import named_sources
from facegeom_lit.evaluation.sharded_embedding import ShardedEmbedding
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.opening import EvaluationSet, open_evaluation
from facegeom_lit.faces.pairs import PairSet
from facegeom_lit.faces.template_set import TemplateSet
from facegeom_lit.files import check_writable
from facegeom_lit.galleries.gallery import EMBEDDINGS
from facegeom_lit.galleries.opening import format_of
from facegeom_lit.galleries.receipt import finished
from facegeom_lit.galleries.writing import write_gallery
from facegeom_lit.models import FaceModel, load_face_model
from facegeom_lit.models.embed import model_hash

NUMBERS: Numbers = {"batch_size": (True, 1, INFINITE), "workers": (True, 0, INFINITE)}
SWITCHES = ("flip", "normalize")
DTYPES = ("float32", "float16")


def main(overrides: Sequence[str]) -> None:
    """Embed every image of a set, and print the gallery as the last line.

    It holds the embeddings, who each image shows (`identity`) and its `path`, where the set knows
    them, its attributes, and as facts: `model` (`model_hash`), `card`, `distance`, `flip`,
    `normalized` and `set` (the hash of the set). Embeddings are kept in the cache by parts, so that
    a command that was stopped goes on where it was. Several processes share the parts out
    (`trainer`), and the first writes the gallery.

    Raises:
        FaceGeomError: When the configuration is wrong, the output exists and is another, or
            something cannot be read or written.
    """
    cfg = compose_with_sources("embed", overrides)
    output = _output(cfg)
    name, source = _only(cfg, "model")
    check_models({name: source})
    data = open_evaluation(_only(cfg, "data")[1])
    faces = faces_of(data)
    if faces is None:
        raise FaceGeomError("data holds embeddings alone; give a set with its images.")
    model = load_face_model(source)
    facts = facts_of(cfg, model, data)
    job = sha256(json.dumps([facts, model_hash(model), cfg.dtype]).encode()).hexdigest()
    digest, started = finished(output, job), time.perf_counter()
    if digest is None:
        trainer = prediction_trainer(cfg)
        embedding = ShardedEmbedding(
            model,
            faces,
            Path(cfg.paths.cache) / "embeddings",
            flip=cfg.flip,
            batch_size=cfg.batch_size,
            workers=cfg.workers,
        )
        embedding.compute(trainer)
        if not trainer.is_global_zero:
            return
        columns = columns_of(data, faces)
        digest = write_gallery(
            output,
            _chunks(embedding.parts(), cfg.normalize),
            count=len(faces),
            dimension=model.card.dimension,
            dtype=cfg.dtype,
            columns=columns,
            model=model_hash(model),
            facts=facts,
            key=_key(output, model, {*columns, *facts}),
            job=job,
        )
        print(f"images_per_second: {len(faces) / (time.perf_counter() - started):.1f}")
    print(f"embeddings: {len(faces)} x {model.card.dimension} {cfg.dtype}\nsha256: {digest}")
    print(f"output: {output}")


def facts_of(cfg: DictConfig, model: FaceModel, data: EvaluationSet) -> dict[str, str]:
    """Return what a gallery says of its embeddings, but for the model."""
    return {
        "card": model.card.name,
        "distance": model.card.distance,
        "flip": str(cfg.flip).lower(),
        "normalized": str(cfg.normalize).lower(),
        "set": evaluation_set_hash(data),
    }


def columns_of(data: EvaluationSet, faces: FaceSet) -> dict[str, NDArray[Any]]:
    """Return what stands beside each embedding, as far as the set knows it."""
    columns: dict[str, NDArray[Any]] = {}
    if isinstance(data, TemplateSet):
        columns = {"template": data.templates.numpy(), "media": data.media.numpy()}
    elif not isinstance(data, PairSet) or data.named:
        columns = {"identity": np.asarray(faces.classes)[faces.labels.numpy()]}
    paths = faces.table["path"]
    if paths.null_count < len(paths):
        columns["path"] = np.asarray([path or "" for path in paths.to_pylist()])
    attributes = ((name, faces.attribute(name).numpy()) for name in faces.attributes)
    return columns | {name: column for name, column in attributes if not np.isnan(column).all()}


def _output(cfg: DictConfig) -> Path:
    check_values(cfg, NUMBERS, SWITCHES)
    if cfg.dtype not in DTYPES:
        raise FaceGeomError(f"dtype must be one of {', '.join(DTYPES)}, got {cfg.dtype!r}.")
    if cfg.get("embeddings") is not None:
        raise FaceGeomError("embeddings are there already: facegeom embed makes them from data=….")
    output = Path(path_given(cfg, "output", "gallery.safetensors")).expanduser()
    format_of(output)
    check_writable(output)
    return output


def _only(cfg: DictConfig, key: str) -> tuple[str, Any]:
    sources = named_sources(cfg[key], key)
    if len(sources) != 1:
        raise FaceGeomError(f"{key} must name one, got {len(sources)}. Write {key}=PATH.")
    return next(iter(sources.items()))


def _chunks(parts: Iterator[Tensor], normalize: bool) -> Iterator[NDArray[np.float32]]:
    for part in parts:
        yield (part / part.norm(dim=1, keepdim=True) if normalize else part).numpy()


def _key(output: Path, model: FaceModel, taken: set[str]) -> str | None:
    """Name of the matrix: in an `.npz` that of the model, by which tables call it."""
    if format_of(output) != ".npz":
        return None
    return EMBEDDINGS if model.card.name in taken else model.card.name
