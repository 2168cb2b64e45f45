"""Everything of the microscale that pairs of curves give, in one pass (GEOMETRY §1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.directions import Directions, directions, usable_together
from facegeom_lit.geometry.full_precision import full_precision
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.pairs.coupling import Coupling, Scale, check_rules, mean_cosines
from facegeom_lit.geometry.pairs.dense_coupling import dense_coupling
from facegeom_lit.geometry.pairs.streamed_coupling import streamed_coupling
from facegeom_lit.geometry.placed import Placed
from facegeom_lit.geometry.points import Distance, tile_size, zero_distance
from facegeom_lit.geometry.spread import placed_mean_distance

DENSE = 512
"""Up to so many curves, whole matrices are both quicker and more exact than blocks."""


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


@dataclass(frozen=True)
class FieldGeometry:
    """The microscale measures of one field.

    Attributes:
        energies: By the label of the neighbourhood.
        order_parameter: |mean u|, the length of the mean direction, in [0, 1]; None without a
            usable curve.
        correlation: Mean cosine of two directions by the distance of their base points, in equal
            bins over [0, reach × mean distance], shape (bins,), float64; NaN where a bin is empty.
            A distance at the border of two bins belongs to the nearer one, as the rim to a ball.
        correlation_pairs: Pairs in each bin, shape (bins,), int64.
        curves: Curves that were given.
        dropped: Curves whose displacement is too short to have a direction.
    """

    energies: dict[str, Energy]
    order_parameter: float | None
    correlation: Tensor
    correlation_pairs: Tensor
    curves: int
    dropped: int


@torch.no_grad()
def field_geometries(
    base: Tensor,
    fields: Mapping[str, Tensor],
    rules: Sequence[Neighborhood],
    *,
    distance: Distance = "cosine",
    mean_distance: float | None = None,
    bins: int = 20,
    reach: float = 2.0,
    tile: int | None = None,
) -> dict[str, FieldGeometry]:
    """Measure several fields at shared base points in several neighbourhoods.

    Each pair of curves is looked at once, for all of it. Up to `DENSE` curves this is done with
    whole matrices in float64. Beyond, in blocks: products in float32, sums in float64, and in
    float64 again all pairs for which float32 cannot tell: at the rim of a ball, nearly at the
    same point, or at rank k. Results agree with float64 to 1e-5 or better, and the block size
    does not show in them, but for two choices: where several points are equally far at rank k,
    such as duplicates, any of them may be among the k nearest; and a pair at the border of two
    bins may be counted in either. Fields that can use different curves are measured apart.

    Args:
        base: Base points, shape (C, D); normalised inside for the cosine.
        fields: Displacements by attribute, each (C, D), of normalised embeddings where the
            distance is the cosine (see `central_field`).
        rules: Neighbourhoods.
        distance: The model's own distance.
        mean_distance: Mean distance of the identity's embeddings, the unit of radii and bins;
            None: of the base points.
        bins: Of the correlation function, ≥ 1.
        reach: Where the correlation function ends, in units of the mean distance, > 0.
        tile: Rows of a block, on which the memory depends and not on C, > 0; None: 640 on a CPU
            (about 10 MB a thread for one field), 4096 on a GPU (0.3 GB).

    Returns:
        The measures by attribute.

    Raises:
        FaceGeomError: When shapes disagree, values are not finite, or an argument is out of range.

    Example:
        >>> base = torch.eye(4)
        >>> found = field_geometries(base, {"age": torch.ones(4, 4)}, [Neighborhood("knn", k=2)])
        >>> found["age"].energies["knn_2"].energy, found["age"].order_parameter
        (0.0, 1.0)
    """
    check_rules(rules)
    if bins < 1 or not (math.isfinite(reach) and reach > 0) or (tile is not None and tile < 1):
        raise FaceGeomError(
            "Arguments `bins` and `tile` must be at least 1 and `reach` > 0, got "
            f"{bins}, {tile} and {reach}."
        )
    points = Placed(base, distance, "base")
    scale = scale_of(base, points, mean_distance, bins, reach)
    measured: dict[str, FieldGeometry] = {}
    for names, kept, count in usable_together(base, fields, distance):
        dropped = len(base) - count
        if count < 2:
            nothing = _undefined(rules, scale, len(base), dropped)
            measured.update(dict.fromkeys(names, nothing))
            continue
        here = points if kept is None else points.subset(kept)
        found = [directions(fields[name], kept) for name in names]
        with full_precision(base.device):
            coupling = couple(here, found, rules, scale, tile)
            orders = torch.linalg.vector_norm(torch.stack([f.mean() for f in found]), dim=1)
        energies = _energies(coupling, rules, len(base), dropped)
        pairs = coupling.pairs.cpu()
        correlations = coupling.correlation.cpu() / pairs
        for name, energy, order, correlation in zip(
            names, energies, orders.tolist(), correlations, strict=True
        ):
            measured[name] = FieldGeometry(
                energy, min(order, 1.0), correlation, pairs, len(base), dropped
            )
    return {name: measured[name] for name in fields}


def couple(
    points: Placed,
    fields: Sequence[Directions],
    rules: Sequence[Neighborhood],
    scale: Scale,
    tile: int | None = None,
) -> Coupling:
    """The sums over pairs, by whole matrices or by blocks of `tile` rows."""
    if len(points) <= DENSE:
        return dense_coupling(points, fields, rules, scale)
    return streamed_coupling(points, fields, rules, scale, tile or tile_size(fields[0].rows))


def scale_of(
    base: Tensor,
    points: Placed,
    mean_distance: float | None,
    bins: int = 0,
    reach: float = 1.0,
) -> Scale:
    """Units of distance: the mean distance as given, or as it is among all base points.

    Raises:
        FaceGeomError: When the mean distance is negative or not finite.
    """
    if mean_distance is None:
        mean_distance = placed_mean_distance(points) if len(points) > 1 else 0.0
    if not (math.isfinite(mean_distance) and mean_distance >= 0):
        raise FaceGeomError(f"Argument `mean_distance` must be ≥ 0, got {mean_distance}.")
    zero = zero_distance(base, points.distance) if len(base) else 0.0
    return Scale(points.distance, mean_distance, zero, bins, reach)


def defined_energy(mean_cosine: float) -> float | None:
    """One minus the mean cosine, in [0, 2]; None where that is NaN."""
    return None if math.isnan(mean_cosine) else min(max(1.0 - mean_cosine, 0.0), 2.0)


def _energies(
    coupling: Coupling, rules: Sequence[Neighborhood], curves: int, dropped: int
) -> list[dict[str, Energy]]:
    """Energies of each field by the label of the neighbourhood."""
    cosines, isolated = mean_cosines(coupling.sums, coupling.totals.unsqueeze(1))
    labels, alone = [rule.label for rule in rules], isolated[:, 0].tolist()
    return [
        {
            label: Energy(defined_energy(mean), curves, dropped, left)
            for label, mean, left in zip(labels, means, alone, strict=True)
        }
        for means in cosines.T.tolist()
    ]


def _undefined(
    rules: Sequence[Neighborhood], scale: Scale, curves: int, dropped: int
) -> FieldGeometry:
    """What there is to say of fewer than two usable curves."""
    return FieldGeometry(
        energies={rule.label: Energy(None, curves, dropped, 0) for rule in rules},
        order_parameter=1.0 if curves > dropped else None,
        correlation=torch.full((scale.bins,), torch.nan, dtype=torch.float64),
        correlation_pairs=torch.zeros(scale.bins, dtype=torch.int64),
        curves=curves,
        dropped=dropped,
    )
