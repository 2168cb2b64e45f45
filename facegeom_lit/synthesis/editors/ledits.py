"""LEDITS++: invert a photo exactly, then redraw it with concepts added and removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors import settings
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.editors.pipeline_editor import PipelineEditor, generator
from facegeom_lit.synthesis.editors.pipelines import import_diffusers
from facegeom_lit.synthesis.photometric import Pixels


@dataclass(kw_only=True)
class LeditsEditor(PipelineEditor):
    """LEDITS++ (Brack et al., CVPR 2024) by Stable Diffusion 1.x and 2.x.

    The words of the end that is asked for are added, those of the other end removed, with a
    guidance that grows with the size of the change, where the masks see that they matter. A share
    of 0 is inverted and redrawn with no guidance at all, which reconstructs the photo. The
    pipeline edits the photo that it inverted last, so photos go one by one.

    Args:
        skip: Share of the first, noisiest steps that is left out; more keeps more of the photo.
        threshold: Quantile of the masks: 0.9 changes a tenth of the image.
        intersect_mask: Also mask by cross-attention. The checkpoint needs cross-attention at its
            third resolution, as those of Stable Diffusion have it.
    """

    name: ClassVar[str] = "ledits"
    pipeline: ClassVar[str] = "LEditsPPPipelineStableDiffusion"
    multiple: ClassVar[int] = 32
    one_by_one: ClassVar[bool] = True

    skip: float = 0.15
    threshold: float = 0.75
    intersect_mask: bool = True

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        settings.check_number("skip", self.skip, low=0, high=1)
        settings.check_number("threshold", self.threshold, low=0, high=1)
        for key in ("attention_slicing", "cpu_offload"):
            if getattr(self, key):
                raise FaceGeomError(
                    f"synthesis.editor.{key} has no effect on LEDITS++, which reads the attention "
                    "and keeps its latents on one device; set it to false."
                )

    def _shared(self, edit: Edit) -> dict[str, float]:
        return {"edit_guidance_scale": abs(edit.share) * self.guidance}

    def _own(self, photo: Pixels, edit: Edit) -> dict[str, Any]:
        return {"editing_prompt": list(settings.target(edit))}

    def _run(self, photos: list[Pixels], edits: list[Edit], shared: dict[str, float]) -> np.ndarray:
        (photo,), (edit,) = photos, edits
        noise = generator(edit)
        self._pipe.invert(
            self._enlarge(photo),
            num_inversion_steps=self.steps,
            skip=self.skip,
            generator=noise,
            height=self.size,
            width=self.size,
        )
        return self._pipe(
            **self._own(photo, edit),
            **shared,
            reverse_editing_direction=[False, True],
            edit_threshold=self.threshold,
            use_intersect_mask=self.intersect_mask,
            generator=noise,
            output_type="np",
        ).images

    def _load(self) -> Any:
        pipeline = super()._load()
        blocks = pipeline.unet.config.down_block_types
        if self.intersect_mask and not (len(blocks) > 2 and "CrossAttn" in blocks[2]):
            raise FaceGeomError(
                "synthesis.editor.intersect_mask=true needs cross-attention at the UNet's third "
                f"resolution; {self.model} has {', '.join(blocks)}. Set it to false."
            )
        # The solver that its inversion is made for (with a checkpoint's DDIM diffusers fails),
        # down to the last, small noise: a last step to no noise at all could not be inverted.
        pipeline.scheduler = import_diffusers().DPMSolverMultistepScheduler.from_config(
            pipeline.scheduler.config,
            algorithm_type="sde-dpmsolver++",
            solver_order=2,
            final_sigmas_type="sigma_min",
            lower_order_final=False,
        )
        return pipeline
