"""Pairs as a list names them, before their images are looked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import torch

from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.image_folder import ImageFolder
from facegeom_lit.faces.pairs import PairSet, default_folds

Person = Callable[[str], str]
"""From an image's listed name to the name of the person."""

_NUMBERED = re.compile(r"(.+)_\d+")  # Aaron_Eckhart_0001
_AGED = re.compile(r"\d+_(.+)_\d+_[mf]")  # 10000_GlennClose_62_f


@dataclass(frozen=True, slots=True)
class ListedPairs:
    """Pairs of listed names.

    Args:
        left: Name of the first image of each pair: a relative path, with or without a suffix.
        right: Name of the second.
        same: Whether both show one person.
        folds: Fold of each pair; None where the list names none.
        person: Who is on an image; None: people are known only where the names of the images agree
            with every pair.
    """

    left: list[str]
    right: list[str]
    same: list[bool]
    folds: list[int] | None = None
    person: Person | None = None

    def pair_set(self, name: str, images: ImageFolder, where: str) -> PairSet:
        """Find the images.

        Args:
            name: Name of the set.
            images: Where they stand.
            where: The list, for messages.

        Raises:
            FaceGeomError: When an image is missing, or a pair disagrees with `person`.
        """
        both = zip(self.left, self.right, strict=True)
        listed = list(dict.fromkeys(image for pair in both for image in pair))
        person = self.person or self._person()
        rows = [
            {"identity": person(image) if person else file, "path": file, "source": name}
            for image, file in zip(listed, images.find(listed, where), strict=True)
        ]
        card = {"source": str(images.root), "pairs": where}
        number = {image: row for row, image in enumerate(listed)}
        same = torch.tensor(self.same)
        notes = [f"pairs from {where}, images from {images.root}"]
        if alone := sum(a == b for a, b in zip(self.left, self.right, strict=True)):
            notes.append(f"{alone} pairs compare an image with itself")
        return PairSet(
            name,
            FaceSet.from_rows(rows, folder=images.root, card=card),
            torch.tensor([number[image] for image in self.left]),
            torch.tensor([number[image] for image in self.right]),
            same,
            default_folds(same) if self.folds is None else torch.tensor(self.folds),
            named=person is not None,
            notes=tuple(notes),
        )

    def without_folders(self) -> ListedPairs:
        """Return the pairs with file names alone, where these tell the images apart; else itself.

        Crops of a set with one folder for each person often stand in one folder.
        """
        listed = {*self.left, *self.right}
        if len({_file_name(image) for image in listed}) < len(listed):
            return self
        left, right = ([_file_name(image) for image in side] for side in (self.left, self.right))
        return replace(self, left=left, right=right)

    def _person(self) -> Person | None:
        """Return the first reading of the names that agrees with every pair."""
        for person in (_folder, _before_number, _before_age):
            pairs = zip(self.left, self.right, self.same, strict=True)
            if all((person(a) == person(b)) == same for a, b, same in pairs):
                return person
        return None


def _file_name(image: str) -> str:
    return PurePosixPath(image).name


def _folder(image: str) -> str:
    return PurePosixPath(image).parent.as_posix()


def _before_number(image: str) -> str:
    found = _NUMBERED.fullmatch(PurePosixPath(image).stem)
    return found[1] if found else image


def _before_age(image: str) -> str:
    found = _AGED.fullmatch(PurePosixPath(image).stem)
    return found[1] if found else image
