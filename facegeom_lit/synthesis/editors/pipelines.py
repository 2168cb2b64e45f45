"""Diffusers pipelines from the hub or a local folder: safetensors only, no code from files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors.folders import find_folder

KEY = "synthesis.editor"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Loading:
    """How a pipeline is loaded and where it runs.

    Args:
        dtype: A key of `DTYPES`.
        device: Where it runs.
        attention_slicing: Compute attention in parts: less memory, slower.
        cpu_offload: Keep on the device only the part that is at work.
        revision: Branch, tag or commit on the hub; None: its main branch.
        variant: Of the weight files, e.g. `fp16`; None: the plain ones.
    """

    dtype: str
    device: torch.device
    attention_slicing: bool = False
    cpu_offload: bool = False
    revision: str | None = None
    variant: str | None = None


def offline() -> bool:
    """Whether the user forbids the network, as huggingface_hub understands it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def find_pipeline(model: str, loading: Loading) -> Path:
    """Return the folder of a pipeline: see `find_folder`.

    Raises:
        FaceGeomError: When it is not to be had, or holds no pipeline.
    """

    def download(identifier: str) -> Path:
        diffusers = import_diffusers()
        return diffusers.DiffusionPipeline.download(
            identifier,
            revision=loading.revision,
            variant=loading.variant,
            use_safetensors=True,
            local_files_only=offline(),
            safety_checker=None,  # not fetched: see `load_pipeline`
        )

    folder = find_folder(model, f"{KEY}.model", download)
    if not (folder / "model_index.json").is_file():
        raise FaceGeomError(
            f"{KEY}.model={model}: {folder} has no model_index.json, so it is no diffusers "
            "pipeline. Point to the folder that holds one."
        )
    return folder


def load_pipeline(name: str, folder: Path, loading: Loading) -> Any:
    """Load a pipeline from its folder, onto the CPU.

    The safety checker is left out: a false alarm would put a black image into the face set.

    Args:
        name: Class in diffusers, such as `StableDiffusionInstructPix2PixPipeline`.
        folder: As `find_pipeline` returns it.
        loading: How.

    Raises:
        FaceGeomError: When a component is missing or damaged, or does not fit the class.
    """
    index = _index(folder)
    kwargs: dict[str, Any] = {}
    if "safety_checker" in index:
        kwargs |= {"safety_checker": None, "requires_safety_checker": False}
    if "XL" in index.get("_class_name", ""):
        kwargs["add_watermarker"] = False  # else it depends on what else is installed
    _check_components(folder, index, left_out=kwargs)
    diffusers = import_diffusers()
    try:
        return getattr(diffusers, name).from_pretrained(
            folder,
            dtype=DTYPES[loading.dtype],
            variant=loading.variant,
            use_safetensors=True,
            local_files_only=True,
            **kwargs,
        )
    except Exception as error:  # of every library that a component may come from
        raise FaceGeomError(
            f"{KEY}.model: {folder} ({index.get('_class_name')}) cannot be loaded as {name}: "
            f"{type(error).__name__}: {error}"
        ) from error


def place(pipeline: Any, loading: Loading) -> Any:
    """Put a pipeline where it runs, without its progress bars."""
    pipeline.set_progress_bar_config(disable=True)
    if loading.cpu_offload:
        device = loading.device
        if device.type == "cuda" and device.index is None:
            # the library would take the first GPU, in every process
            device = torch.device("cuda", torch.cuda.current_device())
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(loading.device)
    if loading.attention_slicing:
        pipeline.enable_attention_slicing()
    return pipeline


def import_diffusers() -> Any:
    """Import diffusers, quietly: its notes and bars would interrupt our own.

    Raises:
        FaceGeomError: When it or what its pipelines need is not installed.
    """
    try:
        import diffusers
        import transformers
    except ImportError as error:
        raise FaceGeomError(
            f"Editing needs a package that is not installed ({error}): "
            "pip install diffusers transformers accelerate peft"
        ) from None
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()
    return diffusers


def _index(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise FaceGeomError(
            f"{folder / 'model_index.json'} is damaged ({error}); download it again."
        ) from None


def _check_components(folder: Path, index: dict[str, Any], left_out: dict[str, Any]) -> None:
    """Name the component that is missing or damaged: the libraries' own errors often do not."""
    from safetensors import SafetensorError, safe_open

    for name, value in index.items():
        if name.startswith("_") or name in left_out or not isinstance(value, list) or not value[0]:
            continue
        if not (folder / name).is_dir():
            raise FaceGeomError(
                f"{KEY}.model: {folder} lacks its component {name!r}; download it again."
            )
        for file in (folder / name).glob("*.safetensors"):
            try:
                with safe_open(file, framework="pt"):
                    pass
            except (SafetensorError, OSError) as error:
                raise FaceGeomError(
                    f"{KEY}.model: component {name!r} is damaged: {file} ({error}); download it "
                    "again."
                ) from None
