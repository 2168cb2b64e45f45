"""What all editors by diffusers pipelines share: settings, sizes, batches and seeds."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from inspect import getfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.devices import chosen_device, one_thread
from facegeom_lit.synthesis.editors import pipelines, settings
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.editors.folders import files_hash
from facegeom_lit.synthesis.editors.pipelines import (
    KEY,
    Loading,
    find_pipeline,
    load_pipeline,
    place,
)
from facegeom_lit.synthesis.maker import source_hash
from facegeom_lit.synthesis.photometric import Pixels

_RUNNING = ("model", "revision", "batch_size", "attention_slicing", "cpu_offload", "device")


@dataclass(kw_only=True)
class PipelineEditor(ABC):
    """Edits photos by a diffusers pipeline.

    A photo is enlarged to the pipeline's own size, edited, and shrunk back. Its noise comes from
    its own CPU generator. On a CPU one photo is edited at a time on one thread, so that the result
    is the same to the last bit whatever the batch; on a GPU, photos whose edits agree in all that
    a call shares (strength, guidance) go in batches, which there can change the rounding.

    Args:
        model: Hub id of a pipeline, or a local folder.
        size: Side of the square image that the pipeline works on, in pixels.
        steps: Denoising steps.
        guidance: How strongly the wording pulls at the largest change.
        dtype: float32, float16 or bfloat16.
        device: auto (a GPU when there is one), cpu, cuda, cuda:1, mps, ...
        batch_size: Photos that are edited at once on a GPU.
        attention_slicing: Compute attention in parts: less memory, slower.
        cpu_offload: Keep on the GPU only the part that is at work: less memory, slower.
        revision: Branch, tag or commit on the hub; None: its main branch.
        variant: Of the weight files, e.g. fp16; None: the plain ones.

    Raises:
        FaceGeomError: When a value cannot work; the message names its key.
    """

    name: ClassVar[str]
    pipeline: ClassVar[str]  # class in diffusers
    multiple: ClassVar[int] = 8  # that the size must be of: pixels of one latent
    one_by_one: ClassVar[bool] = False  # the pipeline cannot edit several photos differently

    model: str
    size: int
    steps: int
    guidance: float
    dtype: str = "float32"
    device: str = "auto"
    batch_size: int = 1
    attention_slicing: bool = False
    cpu_offload: bool = False
    revision: str | None = None
    variant: str | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        settings.check_size("size", self.size, self.multiple)
        settings.check_whole("steps", self.steps)
        settings.check_number("guidance", self.guidance, low=1)
        settings.check_whole("batch_size", self.batch_size)
        settings.check_dtype(self.dtype)
        device = chosen_device(self.device, f"{KEY}.device")
        if self.cpu_offload and device.type == "cpu":
            raise FaceGeomError(
                "synthesis.editor.cpu_offload=true moves parts between the CPU and an accelerator, "
                f"but device={self.device} is the CPU here; set it to false."
            )
        self._loading = Loading(
            self.dtype,
            device,
            self.attention_slicing,
            self.cpu_offload,
            self.revision,
            self.variant,
        )

    @cached_property
    def version(self) -> str:
        """Changes whenever the same edit would give another image: code, weights, settings."""
        values = {key: value for key, value in asdict(self).items() if key not in _RUNNING}
        values |= {"class": type(self).__name__, "weights": self._weights_hash()}
        values["device"] = self._loading.device.type  # each kind rounds in its own way
        kinds = [kind for kind in type(self).__mro__ if issubclass(kind, PipelineEditor)]
        sources = [*map(getfile, kinds), settings.__file__, pipelines.__file__]
        values["source"] = source_hash(map(Path, sources))
        return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def edit(self, photos: Sequence[Pixels], edits: Sequence[Edit]) -> list[Pixels]:
        """Return one image for each photo: see `Editor`.

        Raises:
            FaceGeomError: When an attribute has no wording, the pipeline is not to be had, or it
                gives something that is no image.
        """
        done: dict[int, Pixels] = {}
        with one_thread(self._loading.device):
            for batch, shared in self._batches(edits):
                images = self._run([photos[i] for i in batch], [edits[i] for i in batch], shared)
                for index, image in zip(batch, images, strict=True):
                    done[index] = _shrink(image, photos[index].shape[0], self.dtype)
        return [done[index] for index in range(len(photos))]

    @abstractmethod
    def _shared(self, edit: Edit) -> dict[str, float]:
        """Return the arguments that are one number for a whole call of the pipeline."""

    @abstractmethod
    def _own(self, photo: Pixels, edit: Edit) -> dict[str, Any]:
        """Return the arguments that each photo has for itself."""

    def _run(self, photos: list[Pixels], edits: list[Edit], shared: dict[str, float]) -> np.ndarray:
        """Edit photos that agree in what is shared; return (B, size, size, 3) in 0–1."""
        own = [self._own(photo, edit) for photo, edit in zip(photos, edits, strict=True)]
        return self._pipe(
            **{key: [values[key] for values in own] for key in own[0]},
            **shared,
            num_inference_steps=self.steps,
            generator=[generator(edit) for edit in edits],
            output_type="np",
        ).images

    def _batches(self, edits: Sequence[Edit]) -> Iterator[tuple[list[int], dict[str, float]]]:
        alone = self.one_by_one or self._loading.device.type == "cpu"
        width = 1 if alone else self.batch_size
        groups: dict[tuple[tuple[str, float], ...], list[int]] = {}
        for index, edit in enumerate(edits):
            groups.setdefault(tuple(self._shared(edit).items()), []).append(index)
        for shared, members in groups.items():
            for start in range(0, len(members), width):
                yield members[start : start + width], dict(shared)

    def _enlarge(self, photo: Pixels) -> Image.Image:
        return Image.fromarray(photo).resize((self.size, self.size), Image.Resampling.BICUBIC)

    def _weights_hash(self) -> str:
        return files_hash(self._folder)

    @cached_property
    def _folder(self) -> Path:
        return find_pipeline(self.model, self._loading)

    @cached_property
    def _pipe(self) -> Any:
        return place(self._load(), self._loading)

    def _load(self) -> Any:
        return load_pipeline(self.pipeline, self._folder, self._loading)


def generator(edit: Edit) -> torch.Generator:
    """Return an edit's own source of noise, on the CPU: the same on every device."""
    return torch.Generator("cpu").manual_seed(edit.seed)


def _shrink(image: np.ndarray, side: int, dtype: str) -> Pixels:
    if not np.isfinite(image).all():
        raise FaceGeomError(
            f"The pipeline gives NaN in synthesis.editor.dtype={dtype}; use bfloat16 or float32."
        )
    pixels = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    # Pillow widens the filter by the factor of the reduction, so nothing aliases.
    return np.asarray(pixels.resize((side, side), Image.Resampling.BICUBIC))
