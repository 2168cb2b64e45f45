"""Image-to-image by Arc2Face, whose prompt holds the embedding of a face model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.editors.face_embedding import FaceEmbedding
from facegeom_lit.synthesis.editors.folders import DECISIVE, files_hash, find_folder
from facegeom_lit.synthesis.editors.image_to_image import ImageToImageEditor
from facegeom_lit.synthesis.editors.pipelines import DTYPES, import_diffusers, offline
from facegeom_lit.synthesis.photometric import Pixels

_PLACE = "id"  # the word of the prompt whose embedding the face's takes the place of
_PARTS = ("arc2face", "encoder")


@dataclass(kw_only=True)
class Arc2FaceEditor(ImageToImageEditor):
    """Arc2Face (Papantoniou et al., ECCV 2024) from the parts that its authors publish.

    Their UNet (`arc2face`) and text encoder (`encoder`) take the place of those of Stable
    Diffusion 1.5. In the prompt "photo of a id person" the embedding of the word `id` is replaced
    by that of the face, padded with zeros, before the text encoder reads it. The attribute's words
    follow in the same prompt. Mind that the published weights were trained with the bare prompt
    alone: how far further words still move an attribute is for the attribute gate to say.

    Args:
        identity: Hub id or local folder with `arc2face` and `encoder`.
        face_model: The face model that they were trained with (`arcface.onnx` in the same place),
            as `FaceEmbedding` takes it.
    """

    name: ClassVar[str] = "arc2face"
    pipeline: ClassVar[str] = "StableDiffusionImg2ImgPipeline"

    identity: str
    face_model: str
    prompt: str = "photo of a id person, {wording}"
    neutral: str = "photo of a id person"

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        for key in ("prompt", "neutral"):
            if getattr(self, key).split().count(_PLACE) != 1:
                raise FaceGeomError(
                    f"synthesis.editor.{key} must hold the word {_PLACE!r} once, where the face's "
                    f"embedding goes, got {getattr(self, key)!r}."
                )
        self._face  # noqa: B018  said now, not amid the work, when there is no such file

    def _own(self, photo: Pixels, edit: Edit) -> dict[str, Any]:
        # the other end's words would hold the identity too and push it away
        return super()._own(photo, edit) | {"negative_prompt": ""}

    def _run(self, photos: list[Pixels], edits: list[Edit], shared: dict[str, float]) -> np.ndarray:
        with self._in_place_of_word(self._face(photos)):
            return super()._run(photos, edits, shared)

    @contextmanager
    def _in_place_of_word(self, embeddings: torch.Tensor) -> Iterator[None]:
        """Let each prompt's word `id` be embedded as its photo's face."""
        tokenizer = self._pipe.tokenizer
        (token,) = tokenizer.encode(_PLACE, add_special_tokens=False)
        layer = self._pipe.text_encoder.get_input_embeddings()
        missing = layer.embedding_dim - embeddings.shape[1]
        if missing < 0:
            raise FaceGeomError(
                f"synthesis.editor.face_model={self.face_model} gives {embeddings.shape[1]} "
                f"numbers, the text encoder takes at most {layer.embedding_dim}."
            )
        faces = F.pad(embeddings, (0, missing))

        def replace(_: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
            places = inputs[0] == token  # none in the empty negative prompt
            if places.any():
                output[places] = faces.to(output)
            return output

        handle = layer.register_forward_hook(replace)
        try:
            yield
        finally:
            handle.remove()

    def _load(self) -> Any:
        folder = self._parts
        pipeline = super()._load()
        diffusers = import_diffusers()
        from transformers import CLIPTextModel

        dtype = DTYPES[self.dtype]
        try:
            unet = diffusers.UNet2DConditionModel.from_pretrained(
                folder / _PARTS[0], dtype=dtype, use_safetensors=True
            )
            # published as a pickle, which transformers reads without running code from it
            encoder = CLIPTextModel.from_pretrained(folder / _PARTS[1], dtype=dtype)
        except Exception as error:  # of diffusers, transformers, safetensors or torch
            raise FaceGeomError(
                f"synthesis.editor.identity={self.identity}: {' and '.join(_PARTS)} in {folder} "
                f"cannot be loaded ({type(error).__name__}: {error})."
            ) from error
        pipeline.register_modules(unet=unet, text_encoder=encoder)
        return pipeline

    def _weights_hash(self) -> str:
        patterns = [f"{part}/{end}" for part in _PARTS for end in (*DECISIVE, "*.bin")]
        return super()._weights_hash() + files_hash(self._parts, patterns) + self._face.hash

    @cached_property
    def _face(self) -> FaceEmbedding:
        return FaceEmbedding(self.face_model)

    @cached_property
    def _parts(self) -> Path:
        def download(identifier: str) -> str:
            import_diffusers()
            from huggingface_hub import snapshot_download

            return snapshot_download(
                identifier,
                allow_patterns=[f"{part}/*" for part in _PARTS],
                local_files_only=offline(),
            )

        return find_folder(self.identity, "synthesis.editor.identity", download)
