"""Where a model stands: a hub id or a local folder in, a local folder and its hash out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import file_digest, sha256
from pathlib import Path

from facegeom_lit.errors import FaceGeomError

DECISIVE = ("**/*.safetensors", "**/*.json", "**/*.txt", "**/*.model")
"""Weights, configuration and tokenizers of a pipeline."""


def find_folder(model: str, key: str, download: Callable[[str], str | Path]) -> Path:
    """Return the folder of a model: the local one, else the hub's, from its cache where it can.

    Args:
        model: A local folder or a hub id such as `timbrooks/instruct-pix2pix`.
        key: The configuration key that holds it, for errors.
        download: Gets a hub id's files and returns their folder. It is tried once.

    Raises:
        FaceGeomError: When there is no such folder and the hub does not give the files.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model.startswith(("/", ".", "~")) or model.count("/") != 1:
        raise FaceGeomError(f"{key}={model}: there is no such folder, and it is no hub id.")
    try:
        return Path(download(model))
    except Exception as error:  # a dozen kinds, from httpx, huggingface_hub and diffusers
        local = model.split("/")[1]
        raise FaceGeomError(
            f"{key}={model}: no such folder here, and the Hugging Face hub did not give it "
            f"({_reason(error)}). Where there is a network, run\n"
            f"    hf download {model} --local-dir {local}\n"
            f"and point there: {key}={local}"
        ) from None


def files_hash(folder: Path, patterns: Iterable[str] = DECISIVE) -> str:
    """Hash the files below a folder that match the patterns, by name and content."""
    digest = sha256()
    for file in sorted({file for pattern in patterns for file in folder.glob(pattern)}):
        if file.is_file():
            digest.update(file.relative_to(folder).as_posix().encode())
            with file.open("rb") as stream:
                digest.update(file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error  # diffusers wraps the network's own words in a long sentence
    lines = str(cause).strip().splitlines()
    return (
        f"{type(cause).__name__}: {lines[0].split('. ')[0][:200].rstrip('.')}"
        if lines
        else type(cause).__name__
    )
