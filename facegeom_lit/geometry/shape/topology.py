"""Persistence diagrams of a cloud of embeddings (GEOMETRY §2)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, comparable
from facegeom_lit.geometry.shape.spanning_tree import spanning_tree_edges

HIGHEST = 2
"""Highest dimension on offer: beyond it, a few hundred points already take hours."""
FIELD = 2
"""Coefficients are taken modulo it; sums of few terms cancel best there, which saves memory."""


def persistence_diagrams(
    points: Tensor,
    *,
    distance: Distance = "cosine",
    homology: int = 1,
    most: int = 300,
    seed: int = 0,
) -> tuple[Tensor, ...]:
    """Births and deaths of the homology classes of a cloud's Vietoris-Rips filtration.

    In dimension 0 components, which merge along the minimum spanning tree; in dimension 1 loops; in
    dimension 2 voids. Dimension 0 is of the whole cloud. Above, time and memory grow steeply, so at
    most `most` random points stand for it: in dimension 1, 300 points take 0.5 s where they lie
    near a few dimensions and 5 s where they fill 64 of them, 400 take three times as long, in
    about 0.3 GB.

    Args:
        points: Shape (N, D), N ≥ 2.
        distance: The model's own distance, which births and deaths are measured in.
        homology: Highest dimension, 0 to 2; above 0 it needs the extra `topology`.
        most: Points that dimensions above 0 are computed of.
        seed: Of their choice.

    Returns:
        For each dimension from 0 on, (birth, death) of each class, float64 (P, 2), by death; the
        component that never dies has an infinite death.

    Raises:
        FaceGeomError: When `homology` is out of range, there are fewer than 2 points, a row is not
            finite or has no cosine, the extra is not installed, or memory does not suffice.

    Source:
        Edelsbrunner, Harer, Computational Topology, 2010; GUDHI's Ripser beyond dimension 0.
    """
    if not 0 <= homology <= HIGHEST or most < 2:
        raise FaceGeomError(
            f"`homology` must be 0 to {HIGHEST} and `most` at least 2, got {homology}, {most}."
        )
    if len(points) < 2:
        raise FaceGeomError(f"A persistence diagram needs at least 2 points, got {len(points)}.")
    placed = comparable(points, distance).cpu()
    components = _components(placed, distance)
    if homology == 0:
        return (components,)
    chosen = torch.randperm(len(placed), generator=torch.Generator().manual_seed(seed))[:most]
    return (components, *_rips(_distances(placed[chosen.sort().values], distance), homology))


def _components(placed: Tensor, distance: Distance) -> Tensor:
    squares = torch.from_numpy(spanning_tree_edges(placed.numpy()))
    deaths = squares / 2 if distance == "cosine" else squares.sqrt()
    deaths = torch.cat([deaths, torch.tensor([torch.inf], dtype=torch.float64)])
    return torch.stack([torch.zeros_like(deaths), deaths], dim=1)


def _distances(placed: Tensor, distance: Distance) -> NDArray[np.float64]:
    """Return the whole matrix, equal to its transpose to the last digit: GUDHI relies on that."""
    found = squareform(pdist(placed.numpy()))
    return found**2 / 2 if distance == "cosine" else found


def _rips(distances: NDArray[np.float64], homology: int) -> list[Tensor]:
    """Diagrams from dimension 1 to `homology`."""
    try:
        from gudhi.sklearn.rips_persistence import RipsPersistence
    except ImportError:
        raise FaceGeomError(
            "Persistence diagrams above dimension 0 need an extra: "
            "pip install 'facegeom-lit[topology]'. Without it, ask for homology=0."
        ) from None
    # Past the smallest distance at which one point is near all others, every class is dead.
    radius = float(distances.max(axis=1).min())
    dimensions = list(range(1, homology + 1))
    rips = RipsPersistence(
        dimensions,
        threshold=radius,
        input_type="full distance matrix",
        homology_coeff_field=FIELD,
    )
    try:
        (found,) = rips.fit_transform([distances])
    except MemoryError:
        raise FaceGeomError(
            f"The persistence diagrams of {len(distances)} points do not fit in memory. Take "
            "fewer points (`most`), or a lower `homology`."
        ) from None
    return [_by_death(torch.from_numpy(np.asarray(each, dtype=np.float64))) for each in found]


def _by_death(diagram: Tensor) -> Tensor:
    diagram = diagram.reshape(-1, 2)
    return diagram[diagram[:, 1].argsort()]
