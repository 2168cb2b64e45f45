"""Keeps an image only if CLIP sees it change in the direction that the words say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facegeom_lit.attributes import attribute, vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.storage import weights_hash
from facegeom_lit.synthesis.gates.gate import Candidate, compared, with_references


class ClipGate:
    """Rejects an image whose change CLIP does not see as the one asked for.

    The cosine between the change of the image's embedding and that of the text's, from negative
    to positive wording of the moving attribute (the directional loss of Gal et al.,
    *StyleGAN-NADA*, SIGGRAPH 2022). The wording is `editing` in `conf/attribute/<name>.yaml`;
    attributes without one are not judged, nor are images of which no change was asked.

    Args:
        model: Hub id or local folder of a CLIP model; its weights must be safetensors.
        min_cosine: Least cosine that is kept.
        batch_size: Images embedded at once.
        device: Where the model runs.

    Raises:
        FaceGeomError: When an argument is out of range; when it first judges, if the model is
            neither at hand nor can be downloaded.
    """

    def __init__(
        self,
        model: str = "openai/clip-vit-base-patch32",
        min_cosine: float = 0.05,
        *,
        batch_size: int = 32,
        device: str = "cpu",
    ) -> None:
        if not -1 <= min_cosine <= 1:
            raise FaceGeomError(
                f"gates.clip.min_cosine must lie between -1 and 1, got {min_cosine}."
            )
        self.name = str(model)
        self.min_cosine = min_cosine
        self.batch_size = batch_size
        self.device = device
        self._directions: dict[str, Tensor] = {}

    @cached_property
    def version(self) -> str:
        """Hash of the weights, the wording and the limit."""
        network, _, processor = self._clip
        text = f"clip {weights_hash(network)} {processor.to_dict()} {self.min_cosine}"
        wording = [(name, _wording(name)) for name in _worded()]
        return sha256(f"{text} {wording}".encode()).hexdigest()[:12]

    @property
    def summary(self) -> dict[str, Any]:
        """What a face set's card says of this gate."""
        weights = weights_hash(self._clip[0])
        return {"model": self.name, "model_hash": weights, "min_cosine": self.min_cosine}

    def judge(self, candidates: Sequence[Candidate]) -> list[str]:
        """Return "" for each image that is kept, else e.g. "age did not move"."""
        reasons = [""] * len(candidates)
        rows = [row for row in compared(candidates) if _judged(candidates[row])]
        if not rows:
            return reasons
        judged = [candidates[row] for row in rows]
        images, references = with_references(self._embed, judged)
        for row, candidate, change in zip(rows, judged, images - references, strict=True):
            moving = candidate.sample.moving
            cosine = torch.cosine_similarity(change, self._asked(candidate), dim=0)
            if not float(cosine) >= self.min_cosine:
                reasons[row] = f"{moving} did not move"
        return reasons

    def _asked(self, candidate: Candidate) -> Tensor:
        """Return the text's change (D,), in the direction asked for."""
        name = candidate.sample.moving
        if name not in self._directions:
            self._directions[name] = self._text_direction(name)
        return self._directions[name] if candidate.asked > 0 else -self._directions[name]

    @torch.inference_mode()
    def _text_direction(self, name: str) -> Tensor:
        network, tokenizer, _ = self._clip
        pair = _wording(name)
        assert pair is not None
        tokens = tokenizer(list(pair), padding=True, truncation=True, return_tensors="pt")
        found = _pooled(network.get_text_features(**tokens.to(self.device))).cpu()
        positive, negative = torch.nn.functional.normalize(found.double(), dim=1)
        return positive - negative

    @torch.inference_mode()
    def _embed(self, images: Tensor) -> Tensor:
        network, _, processor = self._clip
        parts = []
        for part in images.split(self.batch_size):
            pixels = list(part.permute(0, 2, 3, 1).numpy())
            inputs = processor(images=pixels, return_tensors="pt")["pixel_values"]
            parts.append(_pooled(network.get_image_features(inputs.to(self.device))).cpu())
        return torch.nn.functional.normalize(torch.cat(parts).double(), dim=1)

    @cached_property
    def _clip(self) -> tuple[Any, Any, Any]:
        """Network, tokenizer and image processor."""
        try:  # transformers takes seconds to import: only where it is used
            from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer
        except ImportError as error:
            raise FaceGeomError(
                "The CLIP gate needs the package transformers: pip install transformers, or choose "
                "gates=identity."
            ) from error
        local = Path(self.name).expanduser()
        where = str(local) if local.is_dir() else self.name
        try:
            network = CLIPModel.from_pretrained(where, use_safetensors=True)
            tokenizer = CLIPTokenizer.from_pretrained(where)
            processor = CLIPImageProcessorPil.from_pretrained(where)
        except (OSError, ValueError) as error:
            raise FaceGeomError(
                f"gates.clip.model={self.name} cannot be loaded: it is no local folder of a CLIP "
                "model with safetensors weights, and could not be had from the hub. Download it "
                f"where there is network (huggingface-cli download {self.name}) and set "
                "gates.clip.model to that folder, or choose gates=default."
            ) from error
        return network.eval().to(self.device), tokenizer, processor


def _pooled(features: Any) -> Tensor:
    return features if isinstance(features, Tensor) else features.pooler_output


def _judged(candidate: Candidate) -> bool:
    moving = candidate.sample.moving
    return bool(moving and candidate.asked and _wording(moving))


def _wording(name: str) -> tuple[str, str] | None:
    """Return positive and negative wording of an attribute, None where it has none."""
    editing = attribute(name).editing
    if editing is None:
        return None
    return f"a photo of {editing.positive}", f"a photo of {editing.negative}"


def _worded() -> list[str]:
    return [name for name in vocabulary() if _wording(name)]
