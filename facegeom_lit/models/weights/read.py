"""Reads a file of weights without running anything that it holds."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.weights.unfolding import MOST, unfolds

PICKLED = (".pth", ".pt", ".ckpt", ".bin", ".tar")
WRAPPERS = (
    *("state_dict_backbone", "net_state_dict", "state_dict", "model_state_dict"),
    *("model", "backbone", "net"),
)
"""Keys under which training scripts keep the network's tensors in a checkpoint."""

HARMLESS = ("pytorch_lightning", "lightning", "lightning_fabric", "argparse", "pathlib", "numpy")
"""Packages whose objects training scripts put beside the tensors. They are not made: something
without any behaviour is put in their place."""

_SLACK = 1 << 20
"""Bytes by which a file may claim more than it has, for headers and rounding."""


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds.

    Attributes:
        state: The network's tensors by their names in the file.
        aside: The other parts of the file, such as "state_optimizer".
    """

    state: dict[str, Tensor]
    aside: tuple[str, ...] = ()


class Ignored:
    """Stands where a checkpoint holds an object that no weights are in; it keeps nothing."""

    def __new__(cls, *values: Any) -> Ignored:  # noqa: D102
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None: ...


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file onto the CPU.

    A checkpoint is unwrapped, and the "module." that `DataParallel` puts before names removed.

    Args:
        path: As for `read_checkpoint`.

    Returns:
        Tensors by name.

    Raises:
        FaceGeomError: As `read_checkpoint` does.
    """
    state = read_checkpoint(path).state
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a weights file onto the CPU: a state dict, or a training checkpoint that holds one.

    Args:
        path: A .safetensors file, or a .pth, .pt, .ckpt, .bin or .tar that `torch.save` wrote.

    Returns:
        Its tensors, and the names of what else there is.

    Raises:
        FaceGeomError: When the file is missing, truncated, of another kind, claims more than it
            has, or holds anything besides plain values and tensors.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FaceGeomError(f"Weights file {path} {what}. Check the path.")
    if path.suffix == ".safetensors":
        try:
            found = Checkpoint(load_file(path))
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error
    elif path.suffix in PICKLED:
        found = _unwrap(_unpickle(path), path)
    else:
        raise FaceGeomError(
            f"Weights file {path} has the suffix {path.suffix!r}; known are .safetensors, "
            f"{', '.join(PICKLED)}."
        )
    _check_tensors(found.state, path)
    return found


def _unpickle(path: Path) -> Any:
    _check_archive(path)
    _check_unfolding(path)
    try:
        with torch.serialization.safe_globals(_stand_ins(path)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Weights only load failed" in str(error) and "GLOBAL" in str(error):
            raise FaceGeomError(
                f"{path} holds Python objects besides tensors, and reading those would run code "
                "from the file. Save its state dict alone, as safetensors."
            ) from error
        raise _damaged(path, error) from error
    except Exception as error:  # what a hostile pickle makes torch stumble over has no end
        raise _damaged(path, error) from error


def _check_archive(path: Path) -> None:
    """Refuse an archive that runs code when opened, or that unpacks to more than it is."""
    try:
        if not is_zipfile(path):
            return
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from error
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise FaceGeomError(
            f"{path} is a TorchScript program; reading it would run its code. Save its state dict "
            "alone: torch.save(torch.jit.load(file).state_dict(), ...), where it comes from a "
            "source that you trust."
        )
    claimed = sum(entry.file_size for entry in entries)
    if claimed > path.stat().st_size + _SLACK:
        raise _exaggerates(path, claimed)


def _check_unfolding(path: Path) -> None:
    """Refuse a pickle that names its parts again and again until nobody can look through them."""
    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:
                pickles = [n for n in archive.namelist() if n.endswith("data.pkl")]
                endless = any(unfolds(BytesIO(archive.read(name))) for name in pickles)
        else:
            with path.open("rb") as file:  # torch's older format: five pickles, then the numbers
                endless = any(unfolds(file) for _ in range(5))
    except Exception:  # reading the file itself says what is wrong with it
        return
    if endless:
        raise FaceGeomError(
            f"{path} holds objects that would unfold to more than {MOST:,} parts. It is damaged or "
            "made to fill the memory: do not use it."
        )


def _stand_ins(path: Path) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Something harmless for each object of a training script's that the file names."""
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception:  # reading the file itself says what is wrong with it
        return []
    return [
        # Lightning's AttributeDict is filled like a dict.
        (OrderedDict if name.endswith("AttributeDict") else Ignored, name)
        for name in named
        if name.partition(".")[0] in HARMLESS
    ]


def _unwrap(content: Any, path: Path) -> Checkpoint:
    if not isinstance(content, dict):
        raise _no_state_dict(path, type(content).__name__)
    wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), dict)), None)
    state = content if wrapper is None else content[wrapper]
    if not state or not any(isinstance(value, Tensor) for value in state.values()):
        raise _no_state_dict(path, str(list(content)))
    others = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if others:
        raise _no_state_dict(path, f"tensors, but also {others}")
    if not all(isinstance(name, str) for name in state):
        raise _no_state_dict(path, "tensors whose names are no text")
    plain = int | float | str | bool | None
    aside = [
        str(key)
        for key, value in content.items()
        if wrapper not in (None, key) and not isinstance(value, plain)
    ]
    return Checkpoint(dict(state), tuple(aside))


def _check_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that are no plain arrays, or larger than what the file can hold."""
    size = path.stat().st_size
    claimed = 0
    seen = set()
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise FaceGeomError(
                f"{path}: tensor {name} is sparse, quantised or without values. Save the state "
                "dict with plain floating-point tensors."
            )
        if tensor.numel() == 0:
            raise FaceGeomError(f"{path}: tensor {name} is empty, {tuple(tensor.shape)}.")
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            claimed += storage.nbytes()
        if tensor.numel() * tensor.element_size() > storage.nbytes():
            claimed += tensor.numel() * tensor.element_size()
    if claimed > size + _SLACK:
        raise _exaggerates(path, claimed)


def _no_state_dict(path: Path, found: str) -> FaceGeomError:
    return FaceGeomError(
        f"{path} holds no state dict: looked for tensors by name, at the top or under "
        f"{', '.join(WRAPPERS)}; found {found[:200]}."
    )


def _exaggerates(path: Path, claimed: int) -> FaceGeomError:
    return FaceGeomError(
        f"{path} claims to hold {claimed:,} bytes of tensors in {path.stat().st_size:,} bytes of "
        "file. It is damaged or made to fill the memory: do not use it."
    )


def _damaged(path: Path, error: Exception) -> FaceGeomError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return FaceGeomError(
        f"{path} is truncated or is no weights file ({reason[:160]}). Copy or download it again."
    )
