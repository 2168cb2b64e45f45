"""Image-to-image with an IP-Adapter, which holds the identity while words move an attribute."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors import settings
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.editors.face_embedding import FaceEmbedding
from facegeom_lit.synthesis.editors.folders import files_hash, find_folder
from facegeom_lit.synthesis.editors.image_to_image import ImageToImageEditor
from facegeom_lit.synthesis.editors.pipelines import import_diffusers, offline
from facegeom_lit.synthesis.photometric import Pixels


@dataclass(kw_only=True)
class IpAdapterEditor(ImageToImageEditor):
    """IP-Adapter (Ye et al., 2023) and its FaceID variant on a Stable Diffusion checkpoint.

    The photo itself conditions the cross-attention: through CLIP's image encoder, or, with
    `face_model`, through the embedding of a face model (FaceID). It starts from the noised photo
    and not from noise alone, so that the face stays aligned. Pipelines give one image prompt to a
    whole batch, so photos go one by one.

    Args:
        adapter: Hub id or local folder of the adapter.
        adapter_folder: Folder within it that holds the file, and `image_encoder` beside it.
        adapter_file: The adapter's weights; a .bin is read without running code from it.
        adapter_scale: How strongly the adapter pulls, from 0 to 1.
        face_model: For FaceID: the face model that the adapter was trained with (InsightFace's
            `buffalo_l`), as `FaceEmbedding` takes it; None: CLIP's image encoder.
    """

    name: ClassVar[str] = "ip_adapter"
    one_by_one: ClassVar[bool] = True

    adapter: str
    adapter_folder: str
    adapter_file: str
    adapter_scale: float = 0.7
    face_model: str | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        settings.check_number("adapter_scale", self.adapter_scale, low=0, high=1)
        if self.attention_slicing:
            raise FaceGeomError(
                "synthesis.editor.attention_slicing would replace the attention that the "
                "IP-Adapter works in; set it to false."
            )
        self._face  # noqa: B018  said now, not amid the work, when there is no such file

    def _own(self, photo: Pixels, edit: Edit) -> dict[str, Any]:
        own = super()._own(photo, edit)
        if self._face is None:
            return own | {"ip_adapter_image": own["image"]}
        embedding = self._face([photo])[:, None]
        pair = torch.cat((torch.zeros_like(embedding), embedding))  # without and with identity
        return own | {"ip_adapter_image_embeds": pair.to(self._loading.device, self._pipe.dtype)}

    def _load(self) -> Any:
        folder = self._adapter  # before the pipeline, which takes longer to load
        pipeline = super()._load()
        try:
            pipeline.load_ip_adapter(
                str(folder),
                subfolder=self.adapter_folder,
                weight_name=self.adapter_file,
                image_encoder_folder=None if self.face_model else "image_encoder",
                local_files_only=True,
            )
        except Exception as error:  # of diffusers, transformers, peft, safetensors or torch
            raise FaceGeomError(
                f"synthesis.editor.adapter={self.adapter}: {self.adapter_file} cannot be loaded "
                f"into {self.model} ({type(error).__name__}: {error})."
            ) from error
        pipeline.set_ip_adapter_scale(self.adapter_scale)
        self._check_kind(pipeline.unet.encoder_hid_proj.image_projection_layers[0])
        return pipeline

    def _check_kind(self, projection: Any) -> None:
        kind = type(projection).__name__
        if (kind == "IPAdapterFaceIDImageProjection") != (self._face is not None):
            raise FaceGeomError(
                f"synthesis.editor.adapter_file={self.adapter_file} ({kind}) does not go with "
                f"face_model={self.face_model}: a FaceID adapter needs a face model, others "
                "need null."
            )
        if self._face is not None:
            wanted = projection.ff.net[0].proj.in_features
            given = self._face([np.zeros((112, 112, 3), np.uint8)]).shape[1]
            if wanted != given:
                raise FaceGeomError(
                    f"synthesis.editor.face_model={self.face_model} gives {given} numbers, the "
                    f"adapter takes {wanted}; use the face model that it was trained with."
                )

    def _weights_hash(self) -> str:
        files = [str(Path(self.adapter_folder, self.adapter_file))]
        if self._face is None:
            files.append(str(Path(self.adapter_folder, "image_encoder", "*")))
        face = self._face.hash if self._face else ""
        return super()._weights_hash() + files_hash(self._adapter, files) + face

    @cached_property
    def _face(self) -> FaceEmbedding | None:
        return FaceEmbedding(self.face_model) if self.face_model else None

    @cached_property
    def _adapter(self) -> Path:
        def download(identifier: str) -> str:
            import_diffusers()
            from huggingface_hub import snapshot_download

            wanted = [f"{self.adapter_folder}/image_encoder/*"] if self._face is None else []
            file = Path(self.adapter_folder, self.adapter_file).as_posix()
            return snapshot_download(
                identifier,
                allow_patterns=[file, *wanted],
                ignore_patterns=["*/image_encoder/*.bin"],
                local_files_only=offline(),
            )

        return find_folder(self.adapter, "synthesis.editor.adapter", download)
