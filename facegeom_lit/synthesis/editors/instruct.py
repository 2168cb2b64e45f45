"""Editing by instruction: InstructPix2Pix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors import settings
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.editors.pipeline_editor import PipelineEditor
from facegeom_lit.synthesis.photometric import Pixels


@dataclass(kw_only=True)
class InstructEditor(PipelineEditor):
    """InstructPix2Pix (Brooks et al., CVPR 2023): the photo conditions, an instruction changes it.

    The guidance by the instruction grows from 1 to `guidance` with the size of the change. A share
    of 0 gives the instruction `neutral`; when that is empty, guidance by words cancels and the
    photo alone is redrawn.

    Args:
        prompt: The instruction; `{wording}` stands for the words of the end that is asked for.
        neutral: The instruction when the attribute shall stay as it is.
        image_guidance: How strongly the photo holds.
    """

    name: ClassVar[str] = "instruct"
    pipeline: ClassVar[str] = "StableDiffusionInstructPix2PixPipeline"

    prompt: str = "turn the person into {wording}"
    neutral: str = ""
    image_guidance: float = 1.5

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        settings.check_prompt(self.prompt)
        settings.check_number("image_guidance", self.image_guidance, low=1)

    def _shared(self, edit: Edit) -> dict[str, float]:
        # without any share of its own the neutral instruction could not act: full guidance
        share = abs(edit.share) or 1.0
        return {
            "guidance_scale": 1 + share * (self.guidance - 1),
            "image_guidance_scale": float(self.image_guidance),
        }

    def _own(self, photo: Pixels, edit: Edit) -> dict[str, Any]:
        towards = self.prompt.format(wording=settings.target(edit)[0])
        return {"image": self._enlarge(photo), "prompt": towards if edit.share else self.neutral}

    def _load(self) -> Any:
        pipeline = super()._load()
        channels = pipeline.unet.config.in_channels
        if channels != 2 * pipeline.vae.config.latent_channels:
            raise FaceGeomError(
                f"synthesis.editor.model={self.model} is no InstructPix2Pix checkpoint: its UNet "
                f"takes {channels} channels, which leaves none for the photo. For plain Stable "
                "Diffusion use synthesis=img2img."
            )
        return pipeline
