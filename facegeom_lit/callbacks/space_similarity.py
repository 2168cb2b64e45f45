"""How alike two models' spaces are without any map, quickly enough for every validation."""

from __future__ import annotations

import torch

from facegeom_lit.evaluation.alignment.sets import Judging, Space
from facegeom_lit.geometry.alignment.cka import debiased_cka
from facegeom_lit.geometry.alignment.disparity import procrustes_disparity
from facegeom_lit.geometry.alignment.mutual_neighbors import fewest_neighbors, mutual_knn

NEIGHBORS = 10
"""Of the mutual k-NN, where there are so many images of other people."""

INDICES = ("cka", "mutual_knn", "procrustes_disparity")
"""Names of what is measured."""

IMAGES = 2000
"""At most so many, spread evenly over the judging ones: neighbours take quadratic time."""


def space_similarity(judging: Judging, first: Space, second: Space) -> dict[str, float]:
    """Debiased CKA, mutual k-NN and Procrustes disparity of the judging images, values alone.

    Args:
        judging: The images.
        first: What one model makes of them.
        second: What the other does.

    Returns:
        By the names of `INDICES`.

    Raises:
        FaceGeomError: When a model gives all images the same embedding, so that nothing can
            resemble it.
    """
    rows = torch.linspace(0, len(judging.rows) - 1, min(len(judging.rows), IMAGES)).long()
    people = judging.labels[rows]
    x, y = (judging.of(space)[rows] for space in (first, second))
    k = min(NEIGHBORS, fewest_neighbors(people, torch.ones(len(rows), dtype=torch.bool)))
    found = (
        debiased_cka(x, y),
        mutual_knn(x, y, people, k=k, distances=(first.distance, second.distance)),
        procrustes_disparity(x, y),
    )
    return dict(zip(INDICES, found, strict=True))
