"""Reads vision models of the Hugging Face hub, or of a folder in its layout, as face models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import read_json
from facegeom_lit.models.backbones.hugging_face import HuggingFace, encoder_config
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.storage import CARD, HUB, weights_hash
from facegeom_lit.models.weights.fit import fill
from facegeom_lit.models.weights.hugging_face_processor import input_facts, interpolation

PROCESSORS = ("preprocessor_config.json", "processor_config.json")


class Source(NamedTuple):
    """Where a model is: a folder, or an id and a revision on the hub."""

    where: str
    revision: str | None
    local: bool


def is_hugging_face(path: str | Path) -> bool:
    """Whether this is `hf:<id>`, or a folder whose config.json names a model type.

    A folder with a card of our own is not.
    """
    if str(path).startswith(HUB):
        return True
    config = Path(path) / "config.json"
    if not config.is_file() or (Path(path) / CARD).is_file():
        return False
    try:
        return "model_type" in read_json(config)
    except (FaceGeomError, TypeError):
        return False


def read_hugging_face(
    source: str | Path,
    *,
    pooling: str = "auto",
    dimension: int | None = None,
    size: Sequence[int] | None = None,
) -> FaceModel:
    """Read a vision model as a face model.

    Nothing in a file is executed: weights come from safetensors alone, and code beside them is
    never looked at. From the hub, `transformers` keeps a copy, and honours HF_HOME, HF_TOKEN and
    HF_HUB_OFFLINE.

    Args:
        source: A folder with config.json, model.safetensors and preprocessor_config.json, or
            `hf:<organisation>/<name>`, with `@<revision>` behind it where it shall be pinned.
        pooling: As of `HuggingFace`.
        dimension: As of `HuggingFace`; the new linear map has random weights.
        size: As of `HuggingFace`; None takes what the image processor gives.

    Returns:
        The model on the CPU, in evaluation mode.

    Raises:
        FaceGeomError: When it cannot be had, is no vision model, or is not complete.
    """
    from transformers import PreTrainedConfig

    _be_quiet()
    at = _locate(source)
    config: dict[str, Any] = _from_library(
        at, lambda: PreTrainedConfig.get_config_dict(at.where, revision=at.revision)[0]
    )
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise FaceGeomError(f"{at.where}: config.json names no `model_type`. Copy it again.")
    commit = config.get("_commit_hash")
    at = at._replace(revision=commit or at.revision)
    if _file(at, "adapter_config.json") is not None:
        raise FaceGeomError(
            f"{at.where} holds an adapter, whose own file says which weights it belongs to. Merge "
            "it (peft's merge_and_unload) and save the whole model."
        )
    try:
        wanted = encoder_config(config)
    except FaceGeomError as error:
        raise FaceGeomError(f"{at.where}: {error}") from error
    processor, name = _processor(at)
    facts = input_facts(processor, f"{at.where}/{name}")
    if size is not None:
        facts["size"] = tuple(size)
    try:
        with torch.device("meta"):  # a configuration may state any size
            sketch = HuggingFace(wanted.to_dict(), pooling, None, facts["size"])
        _check_size(sketch, at)
        backbone = HuggingFace(wanted.to_dict(), pooling, dimension, facts["size"])
    except FaceGeomError as error:
        raise FaceGeomError(f"{at.where}: {error}") from error
    _fill(backbone, wanted, at)
    card = ModelCard(
        name=Path(at.where).resolve().name if at.local else at.where.rpartition("/")[2],
        architecture="hugging_face",
        arguments={
            "config": backbone.config,
            "pooling": backbone.pooling,
            "dimension": dimension,
            "size": list(backbone.input_size),
        },
        dimension=backbone.dimension,
        **facts,
        licence=_licence(at),
        source=_origin(at, commit),
        training={"notes": _notes(backbone, processor, dimension)},
    )
    model = FaceModel(backbone, card)
    model.card = replace(card, hash=weights_hash(model))
    return model.eval()


def _locate(source: str | Path) -> Source:
    text = str(source)
    if text.startswith(HUB):
        name, _, revision = text.removeprefix(HUB).partition("@")
        return Source(name, revision or None, local=False)
    return Source(str(Path(text).expanduser()), None, local=True)


def _check_size(sketch: HuggingFace, at: Source) -> None:
    """Refuse a network of more numbers than the folder has bytes of weights, or with some outside.

    Raises:
        FaceGeomError: When it is one.
    """
    needed = sum(parameter.numel() for parameter in sketch.parameters())
    there = sum(file.stat().st_size for file in Path(at.where).glob("*.safetensors"))
    shards = Path(at.where) / "model.safetensors.index.json"
    if at.local and shards.is_file() and (names := read_json(shards)):
        places = names.get("weight_map") if isinstance(names, dict) else None
        if not isinstance(places, dict) or not all(_is_beside(name) for name in places.values()):
            raise FaceGeomError(f"{shards} does not name files of its own folder. Copy it again.")
    if at.local and there and needed > there:
        raise FaceGeomError(
            f"{at.where} cannot be read as a Hugging Face model: config.json states {needed:,} "
            f"numbers, the safetensors beside it have {there:,} bytes. Copy both again."
        )


def _is_beside(name: Any) -> bool:
    return isinstance(name, str) and Path(name).name == name


def _fill(backbone: HuggingFace, config: Any, at: Source) -> None:
    """Put the published tensors into the network, all that it has."""
    loaded, report = _from_library(
        at,
        lambda: type(backbone.network).from_pretrained(  # type: ignore[attr-defined]
            at.where,
            revision=at.revision,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        ),
    )
    expected = backbone.network.state_dict()
    absent = [name for name in expected if name in report["missing_keys"]]
    if absent:
        raise FaceGeomError(
            f"{at.where} lacks {len(absent)} tensors that pooling={backbone.pooling} of a "
            f"{backbone.model_type!r} needs: {', '.join(absent[:4])}. Choose another pooling, or "
            "the weights that belong to this config.json."
        )
    state: dict[str, Tensor] = loaded.state_dict()
    found = {name: state[name] for name in expected}
    fill(backbone.network, found, source=at.where, network_name=type(loaded).__name__, names={})


def _processor(at: Source) -> tuple[Mapping[str, Any], str]:
    for name in PROCESSORS:
        path = _file(at, name)
        if path is not None:
            content = read_json(path)
            if isinstance(content, Mapping):
                content = content.get("image_processor", content)
            if isinstance(content, Mapping) and {"size", "max_num_patches"} & set(content):
                return content, name
    raise FaceGeomError(
        f"{at.where} has no {PROCESSORS[0]}, so how its images are scaled and normalised is not "
        "known, and guessing it wrong spoils every embedding unseen. Put the file that was "
        "published with the weights there."
    )


def _file(at: Source, name: str) -> Path | None:
    from transformers.utils import cached_file

    found = _from_library(
        at,
        lambda: cached_file(
            at.where,
            name,
            revision=at.revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        ),
    )
    return None if found is None else Path(found)


def _licence(at: Source) -> str:
    """The licence in the header of the model's README."""
    path = _file(at, "README.md")
    if path is None:
        return "not stated"
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        header = yaml.safe_load(text.split("---", 2)[1]) if text.startswith("---") else None
    except (yaml.YAMLError, IndexError, ValueError, RecursionError):
        header = None
    stated = header.get("license_name") or header.get("license") if isinstance(header, dict) else ""
    # Not str() of anything else: nested references would unfold to gigabytes.
    return stated if isinstance(stated, str) and stated else "not stated"


def _origin(at: Source, commit: str | None) -> str:
    if at.local:
        return f"a folder in the Hugging Face layout, {Path(at.where).resolve().name}"
    return f"huggingface.co/{at.where}, revision {commit or at.revision or 'not known'}"


def _notes(backbone: HuggingFace, processor: Mapping[str, Any], dimension: int | None) -> list[str]:
    import transformers

    notes = [f"tensor names of transformers {transformers.__version__}"]
    if (how := interpolation(processor)) != "bilinear":
        notes.append(
            f"published with {how} resizing; crops are resized bilinearly here, for an aligned "
            "face of 112 pixels about one grey level of 255 apart"
        )
    if dimension is not None:
        notes.append("the projection is new and has random weights")
    return notes


def _from_library(at: Source, read: Callable[[], Any]) -> Any:
    """Call the library, with one message for whatever it raises."""
    try:
        return read()
    except Exception as error:  # of transformers, huggingface_hub, safetensors or torch
        raise FaceGeomError(_problem(at, error)) from error


def _problem(at: Source, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if not at.local:
        return (
            f"{HUB}{at.where} cannot be had from the hub ({type(error).__name__}: {reason}). Check "
            "the id, and HF_TOKEN where access is restricted. Without network: download it where "
            f"there is one (hf download {at.where}), copy the cache (HF_HOME) and set "
            "HF_HUB_OFFLINE=1, or give the downloaded folder instead."
        )
    folder = Path(at.where)
    if not list(folder.glob("*.safetensors")) and list(folder.glob("*.bin")):
        return (
            f"{folder} holds its weights as pickles (.bin), which can carry code; only safetensors "
            "are read. Where you trust them, convert: AutoModel.from_pretrained(folder)."
            "save_pretrained(folder)."
        )
    return f"{folder} cannot be read as a Hugging Face model ({type(error).__name__}: {reason})."


def _be_quiet() -> None:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
