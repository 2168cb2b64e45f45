"""How differently the members of a modality lie from those of the other one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.geometry.macroscale.kolmogorov import ks_p_value, ks_statistics
from facegeom_lit.geometry.macroscale.sampling import Modality
from facegeom_lit.geometry.points import Distance, blocks, comparable, pair_distances

ROWS = 128
"""Of a block: few enough to leave out most of the half that symmetry makes redundant."""


@dataclass(frozen=True)
class Separation:
    """KS of the distances within each modality against those across, in each draw of images.

    Args:
        statistics: Of the positive and of the negative modality, shape (draws, 2), float64.
        p: Their p-values, the same shape.
        null: Statistics after the drawn images were dealt out to the two sides at random, the same
            shape; None where not asked for. Few images make large statistics by chance alone.
    """

    statistics: Tensor
    p: Tensor
    null: Tensor | None


def modality_statistics(
    embeddings: Tensor,
    positive: Modality,
    negative: Modality,
    sampled: int,
    *,
    distance: Distance = "cosine",
    draws: int = 1,
    null: bool = False,
    seed: int = 0,
) -> Separation:
    """Draw images and compare their distances.

    A person who has images of both kinds may be drawn on both sides, so that of the n² distances
    across at most n are between images of one person.

    Args:
        embeddings: Raw embeddings, shape (N, D).
        positive: Images with the attribute.
        negative: Images without it.
        sampled: n, identities drawn on each side, one image of each.
        distance: The model's own distance.
        draws: How often they are drawn anew.
        null: Also deal the drawn images out at random.
        seed: Of the draws and the dealing.
    """
    drawer, dealer = (torch.Generator().manual_seed(seed) for _ in range(2))
    statistics, dealt = [], []
    for _ in range(draws):
        rows = torch.cat([side.draw(sampled, drawer) for side in (positive, negative)])
        statistics.append(_statistics(embeddings[rows], distance))
        if null:
            order = torch.randperm(len(rows), generator=dealer).to(rows.device)
            dealt.append(_statistics(embeddings[rows[order]], distance))
    pairs, crossed = sampled * (sampled - 1) // 2, sampled**2
    p = [[ks_p_value(value, pairs, crossed) for value in draw] for draw in statistics]
    return Separation(
        torch.tensor(statistics, dtype=torch.float64),
        torch.tensor(p, dtype=torch.float64),
        torch.tensor(dealt, dtype=torch.float64) if null else None,
    )


def _statistics(points: Tensor, distance: Distance) -> list[float]:
    """KS of both halves of the rows."""
    *within, across = modality_distances(points, len(points) // 2, distance)
    return ks_statistics(within, across)


def modality_distances(
    points: Tensor, positives: int, distance: Distance
) -> tuple[Tensor, Tensor, Tensor]:
    """Distances of all pairs within the positives, within the negatives, and across.

    Args:
        points: Raw embeddings, positives first, shape (P + Q, D).
        positives: P.
        distance: The model's own distance.

    Returns:
        Shapes (P(P - 1)/2,), (Q(Q - 1)/2,) and (P·Q,), float64.
    """
    placed = comparable(points, distance)
    others = len(points) - positives
    within: tuple[list[Tensor], list[Tensor]] = ([], [])
    across = []
    # A block of rows against itself and all later rows: half of the pairs, in few products.
    for rows in blocks(positives, ROWS):
        block = pair_distances(placed[rows], placed[rows.start :], distance)
        own, crossing = block.split([block.shape[1] - others, others], dim=1)
        within[0].extend(_upper(own))
        across.append(crossing.flatten())
    negatives = placed[positives:]
    for rows in blocks(others, ROWS):
        block = pair_distances(negatives[rows], negatives[rows.start :], distance)
        within[1].extend(_upper(block))
    return torch.cat(within[0]), torch.cat(within[1]), torch.cat(across)


def _upper(block: Tensor) -> tuple[Tensor, Tensor]:
    """What lies right of the diagonal that starts in the first column, (R, C ≥ R), flat."""
    rows, columns = torch.triu_indices(len(block), len(block), 1, device=block.device)
    return block[rows, columns], block[:, len(block) :].flatten()
