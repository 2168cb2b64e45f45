"""Attribute alignment energy: how disordered a field is (GEOMETRY §1; arXiv 2507.11372)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.coupling import Directions, coupling
from facegeom_lit.geometry.neighborhood import Neighborhood, NeighborhoodName
from facegeom_lit.geometry.points import Distance, check_points, comparable, lengths, zero_distance
from facegeom_lit.geometry.spread import mean_pair_distance

SHORTEST = 1e-5
"""A displacement shorter than this fraction of the embeddings' length is rounding, not a field."""


@dataclass(frozen=True)
class Energy:
    """Energy of one field.

    Attributes:
        energy: In [0, 2]: 0 parallel, 1 independent directions, above 1 opposed. None where it is
            not defined: fewer than two usable curves, or no curve with a neighbour.
        curves: Curves that were given.
        dropped: Curves whose displacement is too short to have a direction.
        isolated: Further curves without any neighbour. The mean runs over the rest.
    """

    energy: float | None
    curves: int
    dropped: int
    isolated: int

    @property
    def alignment(self) -> float | None:
        """One minus the energy, in [-1, 1]; None where the energy is."""
        return None if self.energy is None else 1.0 - self.energy


def attribute_energy(
    base: Tensor,
    field: Tensor,
    *,
    distance: Distance = "cosine",
    neighborhood: NeighborhoodName = "ball",
    radius: float = 0.6,
    k: int = 10,
    mean_distance: float | None = None,
    include_self: bool = False,
) -> Energy:
    """Energy of one attribute for one identity.

    The mean over curves of the weighted mean of `1 − u_c·u_c'` over the neighbours of `c`, with
    `u` the directions of the field.

    Args:
        base: Base points, shape (C, D); normalised inside for the cosine.
        field: Displacements along the attribute, shape (C, D), of normalised embeddings where
            the distance is the cosine (see `central_field`).
        distance: The model's own distance.
        neighborhood: `ball`: points within `radius` × mean distance. `knn`: the `k` nearest
            (all others where there are fewer). `inverse_distance`: all others, weighted by 1/d.
        radius: Of the ball, in units of the mean distance, > 0.
        k: Of knn, ≥ 1.
        mean_distance: Mean distance of the identity's embeddings; None: of the base points.
        include_self: Count a curve as a neighbour of itself, as the published scripts do. (Under
            `inverse_distance` it has weight zero either way.)

    Returns:
        The energy with its counts.

    Raises:
        FaceGeomError: When shapes disagree, values are not finite, or an argument is out of range.

    Example:
        >>> base = torch.eye(4)
        >>> attribute_energy(base, torch.ones(4, 4), neighborhood="knn").energy
        0.0
        >>> attribute_energy(base, torch.eye(4), neighborhood="knn", k=3).alignment
        0.0
    """
    fields = {"field": field}
    return attribute_energies(
        base,
        fields,
        distance=distance,
        neighborhood=neighborhood,
        radius=radius,
        k=k,
        mean_distance=mean_distance,
        include_self=include_self,
    )["field"]


@torch.no_grad()
def attribute_energies(
    base: Tensor,
    fields: Mapping[str, Tensor],
    *,
    distance: Distance = "cosine",
    neighborhood: NeighborhoodName = "ball",
    radius: float = 0.6,
    k: int = 10,
    mean_distance: float | None = None,
    include_self: bool = False,
) -> dict[str, Energy]:
    """Energies of several fields at the same base points; the neighbours are found once.

    On a GPU, leave `torch.set_float32_matmul_precision` at "highest" (its default): TF32 products
    round to three digits.

    Args:
        base: Base points, shape (C, D).
        fields: Displacements by attribute, each of shape (C, D).
        distance: See `attribute_energy`, as all that follow.
        neighborhood: The neighbourhood.
        radius: Of the ball.
        k: Of knn.
        mean_distance: The unit of the radius.
        include_self: Count a curve as a neighbour of itself.

    Returns:
        One energy for each field.

    Raises:
        FaceGeomError: When shapes disagree, values are not finite, or an argument is out of range.
    """
    rule = Neighborhood(neighborhood, distance, radius, k, include_self)
    points = comparable(base, distance, "base")
    usable = {name: usable_curves(base, field, name) for name, field in fields.items()}
    together: dict[bytes, list[str]] = {}
    for name, mask in usable.items():
        together.setdefault(mask.cpu().numpy().tobytes(), []).append(name)
    measured: dict[str, Energy] = {}
    for names in together.values():
        mask = usable[names[0]]
        kept = int(mask.sum())
        dropped = len(base) - kept
        if kept < 2:
            undefined = Energy(None, curves=len(base), dropped=dropped, isolated=0)
            measured.update(dict.fromkeys(names, undefined))
            continue
        energies, isolated = field_energies(
            points if kept == len(base) else points[mask],
            [directions(fields[n] if kept == len(base) else fields[n][mask]) for n in names],
            rule,
            limit=ball_limit(points, rule, mean_distance),
            zero=zero_distance(base, distance),
        )
        for name, energy in zip(names, energies, strict=True):
            measured[name] = Energy(energy, len(base), dropped, isolated)
    return {name: measured[name] for name in fields}


def usable_curves(base: Tensor, field: Tensor, name: str = "field") -> Tensor:
    """Which curves move at all.

    Args:
        base: Base points, shape (C, D).
        field: Displacements, shape (C, D).
        name: What messages call the field.

    Returns:
        Shape (C,), bool: whether the displacement is longer than `SHORTEST` × the
        root-mean-square length of the base points.

    Raises:
        FaceGeomError: When the shapes differ or the field is not finite.
    """
    check_points(name, field)
    if field.shape != base.shape:
        raise FaceGeomError(
            f"`base` and `{name}` must have the same shape, got {tuple(base.shape)} and "
            f"{tuple(field.shape)}."
        )
    size = lengths(base).square().mean().sqrt()
    return lengths(field) > SHORTEST * size


def directions(field: Tensor) -> Directions:
    """Directions of a field whose every row is usable."""
    field = field.to(torch.promote_types(field.dtype, torch.float32))
    return Directions(field, lengths(field).reciprocal().to(field.dtype))


def ball_limit(points: Tensor, rule: Neighborhood, mean_distance: float | None) -> float:
    """Radius of the ball as a distance (unused by the other neighbourhoods).

    Raises:
        FaceGeomError: When the mean distance is negative or not finite.
    """
    if rule.name != "ball":
        return 0.0
    if mean_distance is None:
        mean_distance = mean_pair_distance(points, rule.distance)
    if not (math.isfinite(mean_distance) and mean_distance >= 0):
        raise FaceGeomError(f"Argument `mean_distance` must be ≥ 0, got {mean_distance}.")
    return rule.radius * mean_distance


def field_energies(
    points: Tensor, fields: Sequence[Directions], rule: Neighborhood, *, limit: float, zero: float
) -> tuple[list[float | None], int]:
    """Energies of usable fields at points that `comparable` placed.

    Args:
        points: Base points, shape (C, D), C ≥ 2.
        fields: Directions at these points.
        rule: The neighbourhood.
        limit: Radius of the ball, as a distance.
        zero: The distance under which two points are the same.

    Returns:
        One energy a field (None where no curve has a neighbour), and the number of curves
        without a neighbour.
    """
    # Under mixed precision float32 products would be rounded to 8 or 11 bits.
    with torch.autocast(points.device.type, enabled=False):
        sums, totals = coupling(points, fields, rule, limit=limit, zero=zero)
    connected = totals > 0
    isolated = int((~connected).sum())
    if isolated == len(points):
        return [None] * len(fields), isolated
    cosines = (sums[:, connected] / totals[connected]).mean(dim=1)
    return (1.0 - cosines).clamp(0.0, 2.0).tolist(), isolated
