"""Editing given faces with the prior: back towards noise, and drawn again with one change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import attribute_regressor
from facegeom_lit.models.attribute_regressor import AttributeRegressor
from facegeom_lit.synthesis.devices import one_thread
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.maker import source_hash
from facegeom_lit.synthesis.photometric import Pixels
from facegeom_lit.synthesis.prior import pipeline
from facegeom_lit.synthesis.prior.maker import folder_hash, opened
from facegeom_lit.synthesis.processes import Processes


class PriorEditor:
    """Inverts a face to a noise level and draws it again with one attribute changed.

    The face's attributes are measured by a regressor; its identity stays untold and is carried by
    the inverted noise. What the prior's small autoencoder cannot hold (pores, grain, what rendered
    faces never showed it) is carried over from the photo: the edit is the photo plus the
    difference between the face drawn with the change and the face drawn without.

    Args:
        model: Folder of a `FacePrior`.
        regressor: Folder of an `AttributeRegressor` that measures what the prior is told.
        level: Noise level to go back to, in (0, 1]: the higher, the freer the change.
        steps: Steps there, and as many back.
        keep_detail: Share of the detail that is carried over, in [0, 1]; 0 = the drawn face alone.
        processes: How many edit at once; None: one for each core.

    Raises:
        FaceGeomError: When a setting is out of range, or the folders hold no such models.
    """

    name = "prior"

    def __init__(
        self,
        model: str | Path,
        regressor: str | Path,
        level: float = 0.7,
        steps: int = 12,
        keep_detail: float = 1.0,
        processes: int | None = None,
    ) -> None:
        if not 0 < level <= 1:
            raise FaceGeomError(f"synthesis.editor.level must lie in (0, 1], got {level}.")
        if not 0 <= keep_detail <= 1:
            raise FaceGeomError(
                f"synthesis.editor.keep_detail must lie in [0, 1], got {keep_detail}."
            )
        if not isinstance(steps, int) or steps < 1:
            raise FaceGeomError(f"synthesis.editor.steps must be at least 1, got {steps}.")
        self.model, self.regressor = (Path(path).expanduser() for path in (model, regressor))
        self._options = {"level": float(level), "steps": steps, "keep": float(keep_detail)}
        self._processes = Processes(processes)
        code = [*Path(pipeline.__file__).parent.glob("*.py"), Path(attribute_regressor.__file__)]
        facts = (
            folder_hash(self.model),
            AttributeRegressor.load(self.regressor).hash,
            source_hash([Path(__file__), *sorted(code)]),
            sorted(self._options.items()),
        )
        self.version = sha256(repr(facts).encode()).hexdigest()[:12]

    def edit(self, photos: Sequence[Pixels], edits: Sequence[Edit]) -> list[Pixels]:
        """Return one uint8 (112, 112, 3) RGB image for each photo, each made on its own."""
        jobs = list(zip(photos, edits, strict=True))
        return self._processes.map(_edit, jobs, self.model, self.regressor, self._options)


@cache
def _regressor(folder: Path) -> AttributeRegressor:
    return AttributeRegressor.load(folder)


@torch.inference_mode()
def _edit(
    jobs: list[tuple[Pixels, Edit]], model: Path, regressor: Path, options: dict[str, Any]
) -> list[Pixels]:
    with one_thread(torch.device("cpu")):
        return [_one(photo, edit, model, regressor, **options) for photo, edit in jobs]


def _one(
    photo: Pixels,
    edit: Edit,
    model: Path,
    regressor: Path,
    *,
    level: float,
    steps: int,
    keep: float,
) -> Pixels:
    prior, eye = opened(model, "cpu"), _regressor(regressor)
    image = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))[None]
    measured = dict(zip(eye.attributes, eye(image)[0].tolist(), strict=True))
    if edit.attribute.name not in prior.scale.ranges:
        raise FaceGeomError(
            f"The prior {model} does not know {edit.attribute.name!r}. It knows: "
            f"{', '.join(prior.scale.ranges)}."
        )
    here = prior.condition(None, [_within(prior, measured)], 1)
    asked = {**measured, edit.attribute.name: edit.value}
    there = prior.condition(None, [_within(prior, asked)], 1)
    start = prior.invert(prior.encode(image), here, steps=steps, level=level)
    drawn = _faces(prior, prior.denoise(start, there, steps=steps, level=level))
    if keep:
        same = _faces(prior, prior.denoise(start, here, steps=steps, level=level))
        drawn = drawn + keep * (image - same)
    pixels = drawn.round().clamp(0, 255).to(torch.uint8)[0]
    return np.ascontiguousarray(pixels.numpy().transpose(1, 2, 0))


def _faces(prior: pipeline.FacePrior, latents: Tensor) -> Tensor:
    return prior.decode(latents).float()


def _within(prior: pipeline.FacePrior, values: dict[str, float]) -> dict[str, float]:
    """Cut values to what the prior has seen; what the regressor does not measure stays away."""
    missing = [name for name in prior.scale.ranges if name not in values]
    if missing:
        raise FaceGeomError(
            f"The regressor does not measure {', '.join(missing)}, which the prior must be told."
        )
    ranges = prior.scale.ranges
    return {name: min(max(values[name], low), high) for name, (low, high) in ranges.items()}
