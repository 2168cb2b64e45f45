"""Reads a file of weights without running anything that it holds."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from facegeom_lit.errors import FaceGeomError

PICKLED = (".pth", ".pt", ".ckpt", ".bin", ".tar")
WRAPPERS = ("state_dict_backbone", "net_state_dict", "state_dict", "model_state_dict")
"""Keys under which training scripts keep the network's tensors in a checkpoint."""


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file onto the CPU.

    A checkpoint is unwrapped, and the "module." that `DataParallel` puts before names removed.

    Args:
        path: A .safetensors file, or a .pth, .pt, .ckpt, .bin or .tar that `torch.save` wrote.

    Returns:
        Tensors by name.

    Raises:
        FaceGeomError: When the file is missing, truncated, of another kind, or holds anything
            besides plain values and tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FaceGeomError(f"Weights file {path} does not exist. Check the path.")
    if path.suffix == ".safetensors":
        try:
            state = load_file(path)
        except SafetensorError as error:
            raise _damaged(path, error) from error
    elif path.suffix in PICKLED:
        state = _unwrap(_unpickle(path), path)
    else:
        raise FaceGeomError(
            f"Weights file {path} has the suffix {path.suffix!r}; known are .safetensors, "
            f"{', '.join(PICKLED)}."
        )
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _unpickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Weights only load failed" in str(error) and "GLOBAL" in str(error):
            raise FaceGeomError(
                f"{path} holds Python objects besides tensors, and reading those would run code "
                "from the file. Save its state dict alone, as safetensors."
            ) from error
        raise _damaged(path, error) from error
    except (EOFError, RuntimeError, BadZipFile, ValueError, KeyError, OSError) as error:
        raise _damaged(path, error) from error


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    wrapper = next((key for key in WRAPPERS if isinstance(content, dict) and key in content), None)
    state = content if wrapper is None else content[wrapper]
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(value, Tensor) for value in state.values())
    ):
        found = list(content) if isinstance(content, dict) else type(content).__name__
        raise FaceGeomError(
            f"{path} holds no state dict: looked for tensors by name, at the top or under "
            f"{', '.join(WRAPPERS)}; found {str(found)[:200]}."
        )
    return dict(state)


def _damaged(path: Path, error: Exception) -> FaceGeomError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return FaceGeomError(
        f"{path} is truncated or is no weights file ({reason[:160]}). Copy or download it again."
    )
