"""Rows by identity, and identities with too few of them: named, or left out on request."""

from __future__ import annotations

from collections import Counter

from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet


def rows_by_identity(labels: Tensor) -> dict[int, Tensor]:
    """Return the rows of each label, both in ascending order, from a single sort.

    Args:
        labels: int64 (N,) identity of each row.

    Example:
        >>> import torch
        >>> rows_by_identity(torch.tensor([4, 1, 4]))
        {1: tensor([1]), 4: tensor([0, 2])}
    """
    found, counts = labels.unique(return_counts=True)
    rows = labels.argsort(stable=True).split(counts.tolist())
    return dict(zip(found.tolist(), rows, strict=True))


def check_identities(face_set: FaceSet, minimum: int = 2) -> None:
    """Require `minimum` images of every identity.

    Raises:
        FaceGeomError: When an identity has fewer; the message names them.
    """
    few = {name: n for name, n in sorted(Counter(face_set.identities).items()) if n < minimum}
    if few:
        named = ", ".join(f"{name} ({count})" for name, count in list(few.items())[:10])
        more = f" and {len(few) - 10} more" if len(few) > 10 else ""
        raise FaceGeomError(
            f"{len(few)} of {len(face_set.classes)} identities have fewer than {minimum} images: "
            f"{named}{more}. Add images of them, or leave them out with data.min_images={minimum}."
        )


def drop_small_identities(face_set: FaceSet, minimum: int) -> FaceSet:
    """Return the images of the identities that have at least `minimum` of them.

    Raises:
        FaceGeomError: When no identity has.
    """
    counts = Counter(face_set.identities)
    kept = [name for name, count in counts.items() if count >= minimum]
    if not kept:
        raise FaceGeomError(
            f"No identity of {face_set!r} has {minimum} images; the largest has "
            f"{max(counts.values(), default=0)}. Lower data.min_images."
        )
    return face_set.where(identities=kept)
