"""Editing by instruction: FLUX.1 Kontext."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from facegeom_lit.synthesis.editors import settings
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.editors.pipeline_editor import PipelineEditor
from facegeom_lit.synthesis.photometric import Pixels


@dataclass(kw_only=True)
class FluxKontextEditor(PipelineEditor):
    """FLUX.1 Kontext (Black Forest Labs, 2025): a flow transformer beside the photo's latents.

    Its guidance is an input of the network; it grows from 1 to `guidance` with the size of the
    change. A share of 0 gives the instruction `neutral`.

    Args:
        prompt: The instruction; `{wording}` stands for the words of the end that is asked for.
        neutral: The instruction when the attribute shall stay as it is.
        text_length: Most tokens of an instruction; fewer are faster.
    """

    name: ClassVar[str] = "flux_kontext"
    pipeline: ClassVar[str] = "FluxKontextPipeline"
    multiple: ClassVar[int] = 16  # pixels of one token: two latents

    prompt: str = "turn the person into {wording}, same identity, same framing"
    neutral: str = "keep the photo as it is"
    text_length: int = 128

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        settings.check_prompt(self.prompt)
        settings.check_whole("text_length", self.text_length)

    def _shared(self, edit: Edit) -> dict[str, float]:
        return {
            "guidance_scale": 1 + abs(edit.share) * (self.guidance - 1),
            "height": self.size,
            "width": self.size,
            "max_area": self.size**2,
            "max_sequence_length": self.text_length,
            # else the photo would be read at the 1024 pixels that the published weights prefer
            "_auto_resize": False,
        }

    def _own(self, photo: Pixels, edit: Edit) -> dict[str, Any]:
        towards = self.prompt.format(wording=settings.target(edit)[0])
        return {"image": self._enlarge(photo), "prompt": towards if edit.share else self.neutral}
