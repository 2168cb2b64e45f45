"""The same images embedded by the old and the new model: what maps are fitted and judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding import fused_embeddings
from facegeom_lit.evaluation.embedding_file import read_embedding_file
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.geometry.points import check_points, lengths
from facegeom_lit.migration.card import ARRAY, Side
from facegeom_lit.migration.migration_map import placed
from facegeom_lit.models import FaceModel
from facegeom_lit.models.embed import model_hash


@dataclass(frozen=True, eq=False)
class PairedEmbeddings:
    """Embeddings of the same images by two models.

    Attributes:
        old: Of the old model, (N, p) float32, of length 1 where it is compared by the cosine.
        new: Of the new model, (N, q), in the same way.
        labels: Person of each row, int64 (N,).
        people: Name of each person, in the order of the labels.
        sides: The old and the new model.
        flip: Whether images and their mirror images were averaged; None: not known.
        hash: Of the set.
    """

    old: Tensor
    new: Tensor
    labels: Tensor
    people: tuple[str, ...]
    sides: tuple[Side, Side]
    flip: bool | None
    hash: str

    def __len__(self) -> int:
        return len(self.labels)

    def __post_init__(self) -> None:
        old, new = self.sides
        check_different(old, new)
        for name, side in (("old", old), ("new", new)):
            points = getattr(self, name)
            check_points(f"{side.name} ({name})", points)
            if side.normalized and (zero := int((lengths(points) == 0).sum())):
                raise FaceGeomError(
                    f"{side.name} ({name}) embeds {zero} of {len(points)} images as zeros, which "
                    "have no cosine. Look for dead outputs in the model."
                )
            object.__setattr__(self, name, placed(points, side))

    def select(self, rows: Tensor) -> PairedEmbeddings:
        """Some rows, by their numbers or a mask."""
        return replace(self, old=self.old[rows], new=self.new[rows], labels=self.labels[rows])


def embedded_pairs(
    models: tuple[FaceModel, FaceModel],
    faces: FaceSet,
    cache: Path,
    *,
    flip: bool,
    batch_size: int = 128,
    workers: int = 0,
) -> PairedEmbeddings:
    """Embed faces with both models.

    Args:
        models: The old and the new one, where they shall compute.
        faces: The faces, with the people's names.
        cache: Folder of the embeddings of frozen models; a killed run goes on from it.
        flip: Average the embeddings of an image and its mirror image.
        batch_size: Images at a time.
        workers: Processes that decode images.

    Raises:
        FaceGeomError: When an image cannot be read, an embedding is not finite, or both models are
            the same.
    """
    old_side, new_side = (side_of(model) for model in models)
    check_different(old_side, new_side)
    old, new = (
        fused_embeddings(model, faces, cache, flip=flip, batch_size=batch_size, workers=workers)
        for model in models
    )
    return PairedEmbeddings(
        old,
        new,
        torch.as_tensor(faces.labels, dtype=torch.long),
        tuple(faces.classes),
        (old_side, new_side),
        flip,
        faces.hash,
    )


def pairs_of_file(source: str | Mapping[str, Any], old: str, new: str) -> PairedEmbeddings:
    """Take two arrays of a file of embeddings.

    Args:
        source: As of `read_embedding_file`, without `models`.
        old: Name of the old model's array.
        new: Name of the new model's.

    Raises:
        FaceGeomError: When the file is not as it should be, or centres one of the models.
    """
    given = dict(source) if isinstance(source, Mapping) else {"path": source}
    if centred := [name for name in given.get("center") or () if name in (old, new)]:
        raise FaceGeomError(
            f"center takes the mean of this file away from {centred[0]!r}, which no gallery of the "
            "model lacks. Leave it out: the map moves the mean by itself."
        )
    file = read_embedding_file({**given, "models": [old, new]})
    sides = tuple(
        Side(name, f"{ARRAY}{name}", file.models[name].shape[1], file.distances[name])
        for name in (old, new)
    )
    return PairedEmbeddings(
        file.models[old],
        file.models[new],
        file.labels,
        file.people,
        (sides[0], sides[1]),
        None,
        file.hash,
    )


def check_different(old: Side, new: Side) -> None:
    """Raise FaceGeomError when the old and the new model are one."""
    if old.hash == new.hash:
        raise FaceGeomError(
            f"The old and the new model are the same, {old.name!r}: its gallery needs no map."
        )


def side_of(model: FaceModel) -> Side:
    """A face model as a map's card names it."""
    card = model.card
    distance: Any = card.distance
    return Side(card.name, model_hash(model), card.dimension, distance)


def split_people(labels: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Masks of the images of those who fit and of those who judge, (N,) each.

    Args:
        labels: Person of each image, (N,).
        share: Of the people that judge, in (0, 1).
        seed: Of who does.
    """
    people = labels.unique()
    order = torch.randperm(len(people), generator=torch.Generator().manual_seed(seed))
    judges = people[order[: round(share * len(people))]]
    judging = torch.isin(labels, judges)
    return ~judging, judging


def people_of(pairs: PairedEmbeddings) -> Sequence[str]:
    """Names of the people that have a row."""
    return [pairs.people[label] for label in pairs.labels.unique().tolist()]
