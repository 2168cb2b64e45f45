"""What a map is worth whose pairs were permuted before the fit."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine_map import AffineMap
from facegeom_lit.geometry.alignment.judging import Judge
from facegeom_lit.geometry.alignment.moments import Moments, check_pairs
from facegeom_lit.geometry.alignment.people_permutation import permute_people
from facegeom_lit.geometry.alignment.solvers import Method, solve_affine
from facegeom_lit.geometry.points import Distance


@torch.no_grad()
def permuted_rank1(
    fitted: AffineMap,
    source: Tensor,
    target: Tensor,
    groups: Tensor,
    judge: Judge,
    probes: Tensor,
    gallery: Tensor,
    distance: Distance,
    *,
    permutations: int = 5,
    seed: int = 0,
) -> float:
    """Fit the same kind of map to pairs of different people, and judge it.

    People are permuted as wholes (`people_permutation`), and λ and rank stay those of the map: what
    is left is what a map of that form does without knowing who is who. Only XᵀY changes with a
    permutation, so sums over single models are taken once.

    Args:
        fitted: The map that the null is for; its method, bias, λ, rank and scale are used.
        source: Embeddings of the source model that it was fitted on, shape (N, p).
        target: Embeddings of the target model, shape (N, q).
        groups: Identity of each of these rows, shape (N,).
        judge: Of the judging images.
        probes: Embeddings of the judging images by the source model, unmapped, shape (M, p).
        gallery: Embeddings of the judging images by the target model, shape (M, q).
        distance: The target's own distance.
        permutations: At least 1.
        seed: Of the permutations.

    Returns:
        Rank-1 in [0, 1], the mean over the permutations.

    Raises:
        FaceGeomError: When rows are not finite or not paired, there is only one person to fit on,
            or `permutations` is below 1.
    """
    check_pairs(source, target, groups)
    if permutations < 1:
        raise FaceGeomError(f"Argument `permutations` must be at least 1, got {permutations}.")
    moments = Moments.of(source, target)
    x, y = source.double() - moments.x_mean, target.double() - moments.y_mean
    generator = torch.Generator().manual_seed(seed)
    shares = []
    for _ in range(permutations):
        order = permute_people(groups, generator).to(y.device)
        refitted = solve_affine(
            [_crossed(moments, x.T @ y[order])],
            cast(Method, fitted.method),
            bias=fitted.bias,
            ridge=fitted.ridge or 0.0,
            scale=fitted.scale,
            rank=fitted.rank,
        )
        ranks = judge.ranks(refitted(probes), gallery, distance)
        shares.append((ranks == 1).double().mean())
    return float(torch.stack(shares).mean())


def _crossed(moments: Moments, cross: Tensor) -> Moments:
    """The moments with other products XᵀY about the means."""
    products, p = moments.products.clone(), moments.split
    products[:p, p:], products[p:, :p] = cross, cross.T
    return replace(moments, products=products)
