"""Training data of the flow: latents, identity codes, attributes; computed once and kept."""

from __future__ import annotations

from typing import Final

import torch
from diffusers import AutoencoderDC
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.keys import IMAGE
from facegeom_lit.training.prior.autoencoder import to_unit

LATENT: Final = "latent"
CODE: Final = "code"
ATTRIBUTES: Final = "attributes"


@torch.inference_mode()
def encode_faces(autoencoder: AutoencoderDC, faces: FaceSet, batch_size: int = 16) -> Tensor:
    """Return the latents of every face in order, (N, C, H, W) float32 on the CPU.

    Raises:
        FaceGeomError: When a latent is not finite.
    """
    device = autoencoder.to(memory_format=torch.channels_last).device
    parts = []
    with tqdm(total=len(faces), unit="face", desc="encode") as bar:
        for batch in DataLoader(FaceDataset(faces, cache_mib=0), batch_size=batch_size):
            images = to_unit(batch[IMAGE].to(device))
            parts.append(autoencoder.encode(images).latent.float().cpu())
            bar.update(len(images))
    latents = torch.cat(parts).contiguous()  # whatever memory format the network prefers
    if not bool(latents.isfinite().all()):
        raise FaceGeomError("The autoencoder gives latents that are not finite; train it anew.")
    return latents


class LatentDataset(Dataset[dict[str, Tensor]]):
    """Rows of latents, codes and attributes, a whole batch at once.

    Args:
        latents: (N, C, H, W), as the flow sees them.
        codes: (N, K).
        attributes: (N, A), scaled to [-1, 1].
    """

    def __init__(self, latents: Tensor, codes: Tensor, attributes: Tensor) -> None:
        self._columns = {LATENT: latents, CODE: codes, ATTRIBUTES: attributes}

    def __len__(self) -> int:
        return len(self._columns[LATENT])

    def __getitem__(self, rows: list[int]) -> dict[str, Tensor]:
        """Return one batch."""
        return {name: column[rows] for name, column in self._columns.items()}
