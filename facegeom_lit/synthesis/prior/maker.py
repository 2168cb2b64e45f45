"""The diffusion prior as a maker of faces."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis import photometric
from facegeom_lit.synthesis.devices import chosen_device, one_thread
from facegeom_lit.synthesis.editors.folders import files_hash
from facegeom_lit.synthesis.maker import FaceMaker, source_hash
from facegeom_lit.synthesis.prior.pipeline import FacePrior
from facegeom_lit.synthesis.processes import Processes
from facegeom_lit.synthesis.recipe import Sample
from facegeom_lit.synthesis.renderer import identity as renderer_identity

_SOURCES = [
    *sorted(Path(__file__).parent.glob("*.py")),
    Path(str(renderer_identity.__file__)),  # who a number is
    Path(str(photometric.__file__)),
]
_DECISIVE = ("**/*.safetensors", "**/*config.json", "model_index.json")


class DiffusionMaker(FaceMaker):
    """Draws faces with the diffusion prior.

    A person is an identity code drawn from the person's number; what is neither identity nor
    attribute comes from the sample's noise, which all images of a lattice node share. On a CPU
    each face is drawn on its own and on one thread, which makes it independent, to the bit, of
    the batch and of the number of processes; on a GPU that holds up to rounding.

    Args:
        model: Folder of a `FacePrior`.
        steps: From noise to face.
        identity_scale: Classifier-free guidance by identity; 1 = none.
        attribute_scale: Classifier-free guidance by attributes; 1 = none.
        device: `cpu`, `cuda`, `cuda:1` …; `auto` = a GPU where there is one.
        batch_size: Faces drawn at once on a GPU.
        processes: How many draw at once on the CPU; None: one for each core.

    Raises:
        FaceGeomError: When there is no such prior or device, or a number is out of range.
    """

    name = "diffusion"

    def __init__(
        self,
        model: str | Path,
        steps: int = 4,
        identity_scale: float = 1.0,
        attribute_scale: float = 1.0,
        device: str = "auto",
        batch_size: int = 64,
        processes: int | None = None,
    ) -> None:
        super().__init__()
        for key, value in (("steps", steps), ("batch_size", batch_size)):
            if not isinstance(value, int) or value < 1:
                raise FaceGeomError(f"synthesis.maker.{key} must be at least 1, got {value}.")
        for key, scale in (
            ("identity_scale", identity_scale),
            ("attribute_scale", attribute_scale),
        ):
            if isinstance(scale, bool) or not isinstance(scale, int | float):
                raise FaceGeomError(f"synthesis.maker.{key} must be a number, got {scale!r}.")
        self.model = Path(model).expanduser()
        self._options = {
            "steps": steps,
            "identity_scale": float(identity_scale),
            "attribute_scale": float(attribute_scale),
        }
        self.device = chosen_device(device, "synthesis.maker.device")
        self.batch_size = batch_size
        self._processes = Processes(processes if self.device.type == "cpu" else 1)
        # The kind of device counts: each rounds in its own way.
        decides = (source_hash(_SOURCES), sorted(self._options.items()), self.device.type)
        facts = (folder_hash(self.model), *decides)
        self.version = sha256(repr(facts).encode()).hexdigest()[:12]

    def faces(self, samples: list[Sample]) -> list[NDArray[np.uint8]]:
        """Draw the faces."""
        size = 1 if self.device.type == "cpu" else self.batch_size
        return self._processes.map(
            _draw, samples, self.model, str(self.device), size, self._options
        )


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 of a pipeline's weights and configurations, recipe and log left out.

    Raises:
        FaceGeomError: When there are none.
    """
    if not any(folder.rglob("*.safetensors")):
        raise FaceGeomError(
            f"{folder} holds no prior. Train one with `python train.py experiment=prior`, or point "
            "synthesis.maker.model elsewhere."
        )
    return files_hash(folder, _DECISIVE)


@cache
def opened(model: Path, device: str) -> FacePrior:
    """Open a prior once in each process."""
    prior = FacePrior.open(model)
    if device == "cpu":  # convolutions are quicker so
        prior.unet.to(memory_format=torch.channels_last)
    prior.to(device)
    return prior


def _draw(
    samples: list[Sample], model: Path, device: str, size: int, options: dict[str, Any]
) -> list[NDArray[np.uint8]]:
    """Draw the faces of some samples, `size` at once."""
    prior = opened(model, device)
    drawn: list[Tensor] = []
    with one_thread(prior.device):
        for start in range(0, len(samples), size):
            part = samples[start : start + size]
            codes = prior.identity_space.draw([s.identity_seed for s in part])
            noise = prior.noise([s.seed for s in part])
            drawn.append(prior(codes, [s.attributes for s in part], noise, **options).cpu())
    return list(torch.cat(drawn).permute(0, 2, 3, 1).contiguous().numpy())
