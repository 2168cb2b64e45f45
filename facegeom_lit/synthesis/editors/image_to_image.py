"""Image-to-image: noise a photo in part, and draw it again from words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors import settings
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.editors.pipeline_editor import PipelineEditor
from facegeom_lit.synthesis.photometric import Pixels


@dataclass(kw_only=True)
class ImageToImageEditor(PipelineEditor):
    """SDEdit (Meng et al., ICLR 2022) by any text-to-image checkpoint of the Stable Diffusion kind.

    The pipeline follows from the checkpoint: Stable Diffusion 1.x, 2.x and XL among others. The
    share of noise grows with the size of the change, within the attribute's `editing.strength`;
    guidance leads towards one end's words and away from the other's. A share of 0 is drawn again
    from the least noise with the neutral words.

    Args:
        prompt: What is drawn; `{wording}` stands for the words of the end that is asked for.
        neutral: What is drawn when the attribute shall stay as it is.
    """

    name: ClassVar[str] = "image_to_image"
    pipeline: ClassVar[str] = "AutoPipelineForImage2Image"

    prompt: str = "a photo of {wording}"
    neutral: str = "a photo of a person"

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        settings.check_prompt(self.prompt)

    def _shared(self, edit: Edit) -> dict[str, float]:
        low, high = settings.wording(edit).strength
        strength = low + abs(edit.share) * (high - low)
        if int(self.steps * strength) < 1:
            raise FaceGeomError(
                f"synthesis.editor.steps={self.steps} leaves no step to draw at strength "
                f"{strength:g} (attribute.{edit.attribute.name}.editing.strength); use more."
            )
        return {"strength": strength, "guidance_scale": float(self.guidance)}

    def _own(self, photo: Pixels, edit: Edit) -> dict[str, Any]:
        image = self._enlarge(photo)
        if edit.share == 0:
            return {"image": image, "prompt": self.neutral, "negative_prompt": ""}
        towards, away = (self.prompt.format(wording=words) for words in settings.target(edit))
        return {"image": image, "prompt": towards, "negative_prompt": away}
