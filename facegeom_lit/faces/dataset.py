"""Rows of a face set as tensors, by the keys of `facegeom_lit.faces.keys`."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.keys import ATTRIBUTE, IMAGE, INDEX, LABEL
from facegeom_lit.faces.transforms import Transform, generator_for

CROP_SIZE = (112, 112)
"""Height and width of an aligned face."""


class FaceDataset(Dataset[dict[str, Tensor]]):
    """A map-style dataset over a face set.

    Args:
        face_set: The faces.
        transform: Change made to each image, anew in each epoch.
        attribute: The targeted attribute; its value stands under `ATTRIBUTE` (NaN if the set
            does not know it).
        seed: Seed of the transforms.
        alike: int64 (N,); rows with one number are changed alike in an epoch, say mirrored.
            Default: every row for itself.
        cache_mib: Keep decoded images in memory when all of them fit into so many MiB (of each
            worker process); 0 decodes anew every time.

    Example:
        >>> from facegeom_lit.faces.face_set import FaceSet
        >>> len(FaceDataset(FaceSet.from_rows([{"identity": "ada", "path": "a.png"}])))
        1
    """

    def __init__(
        self,
        face_set: FaceSet,
        transform: Transform | None = None,
        *,
        attribute: str | None = None,
        seed: int = 0,
        alike: Tensor | None = None,
        cache_mib: int = 1024,
    ) -> None:
        self.face_set = face_set
        self.transform = transform
        self.seed = seed
        self._labels = face_set.labels
        self._alike = torch.arange(len(face_set)) if alike is None else alike
        known = attribute is not None and attribute in face_set.attributes
        self._values = (
            face_set.attribute(str(attribute)) if known else torch.full((len(face_set),), math.nan)
        )
        # In shared memory: workers that live on from epoch to epoch must see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        # Pages of an empty array cost nothing until an image is put there.
        shape = (len(face_set), *CROP_SIZE, 3)
        fits = math.prod(shape) <= cache_mib * 2**20
        self._cache = np.empty(shape, np.uint8) if fits else None
        self._cached = np.zeros(len(face_set), bool)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose transforms are applied."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.face_set)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return image, label, row and attribute value of row `index`.

        Raises:
            FaceGeomError: When the image cannot be read or has another size.
        """
        image, value = self._image(index), float(self._values[index])
        if self.transform is not None:
            generator = generator_for(self.seed, int(self._epoch), int(self._alike[index]))
            image, value = self.transform(image, value, generator)
        return {
            IMAGE: torch.from_numpy(_planes(image)),
            LABEL: self._labels[index],
            INDEX: torch.tensor(index),
            ATTRIBUTE: torch.tensor(value, dtype=torch.float32),
        }

    def _image(self, index: int) -> np.ndarray:
        if self._cached[index]:
            assert self._cache is not None
            return self._cache[index]
        image = self.face_set.image(index)
        if image.shape[:2] != CROP_SIZE:
            height, width = image.shape[:2]
            raise FaceGeomError(
                f"{self.face_set.name_of(index)} has {height}×{width} pixels; face models take "
                f"aligned crops of {CROP_SIZE[0]}×{CROP_SIZE[1]}: align them with `facegeom crop`."
            )
        if self._cache is not None:
            self._cache[index] = image
            self._cached[index] = True
        return image


def _planes(image: np.ndarray) -> np.ndarray:
    """Return uint8 (3, H, W); OpenCV takes a third of NumPy's time for the copy."""
    planes = np.empty((3, *image.shape[:2]), np.uint8)
    cv2.split(image, list(planes))
    return planes
