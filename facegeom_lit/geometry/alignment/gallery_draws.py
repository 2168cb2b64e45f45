"""Figures of a gallery search over people drawn with replacement: weights, never copies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.geometry.alignment.gallery_scores import GalleryScores
from facegeom_lit.geometry.full_precision import full_precision
from facegeom_lit.geometry.identity_bootstrap import histogram_measures
from facegeom_lit.geometry.open_set import OpenSetScores
from facegeom_lit.geometry.points import blocks
from facegeom_lit.geometry.roc_bootstrap import bin_edges
from facegeom_lit.geometry.streaming_roc import RocCounts

LEVELS = 128
"""Bins of 1:1 scores are cut at this many quantiles of each class."""

CELLS = 2**22
"""Weights of probes that are held at a time."""


def tpir_draws(
    found: OpenSetScores, group: Tensor, strangers: Tensor, weights: Tensor, fpir: float
) -> Tensor:
    """TPIR in each draw, its threshold from the non-mated probes of that draw.

    Args:
        found: The open-set search.
        group: Whom each mated probe is drawn with, shape (M,).
        strangers: The same of each non-mated probe, in the order of `found.strangers`, (S,).
        weights: How often each group was drawn, shape (R, I).
        fpir: False positive identification rate.

    Returns:
        Shape (R,), float64; NaN in a draw without mated or non-mated probes.
    """
    own, order = torch.where(found.first, found.own, -torch.inf).sort(descending=True)
    # How many mated probes score above each stranger.
    above = torch.searchsorted(-own, -found.strangers)
    draws = []
    for rows in blocks(len(weights), max(CELLS // (len(own) + len(strangers)), 1)):
        drawn = weights[rows].double()
        raised = drawn[:, strangers].cumsum(dim=1)
        admitted = torch.floor(fpir * raised[:, -1:] + 1e-9)
        threshold = torch.searchsorted(raised, admitted, right=True)
        hits = torch.nn.functional.pad(drawn[:, group[order]].cumsum(dim=1), (1, 0))
        last = threshold.clamp(max=len(strangers) - 1)
        share = hits.gather(1, above[last]) / hits[:, -1:]
        draws.append(torch.where(raised[:, -1:] > 0, share, torch.nan).squeeze(1))
    return torch.cat(draws)


def pair_draws(
    scores: GalleryScores,
    counts: RocCounts,
    group: Tensor,
    weights: Tensor,
    fars: Sequence[float],
) -> dict[str, Tensor]:
    """AUC, EER and TAR in each draw.

    A pair between groups i ≠ j counts w_i·w_j times, one within a group w_i times. Scores are
    binned at quantiles of both classes with straight lines between; the difference of the exact
    figure and the binned one is added to every draw.

    Args:
        scores: Probes against the gallery.
        counts: What `roc_counts` counted of them.
        group: Whom each person of the gallery is drawn with, shape (G,).
        weights: How often each group was drawn, shape (R, I).
        fars: False accept rates; those that the pairs do not support are left out.

    Returns:
        By measure, shape (R,), float64 in [0, 1]; NaN in a draw without pairs of a kind.
    """
    supported = [far for far in fars if counts.tar(far) is not None]
    exact = counts.measures(supported)
    # The last row draws everybody once: what binning makes of the figures themselves.
    weights = torch.cat([weights, torch.ones(1, weights.shape[1])]).to(scores.own.device)
    edges = torch.from_numpy(bin_edges(counts, LEVELS)).to(weights)
    genuine, impostor = _tables(scores, group.to(scores.own.device), weights.shape[1], edges)
    with full_precision(weights.device):
        drawn, between = weights @ genuine, _between(impostor, weights)
    sampled = histogram_measures(drawn.cpu(), between.cpu(), supported)
    draws = {}
    for name, values in sampled.items():
        value = exact[name]
        assert value is not None
        draws[name] = (values[:-1] + (value - values[-1])).clamp(0, 1)
    return draws


def _tables(
    scores: GalleryScores, group: Tensor, groups: int, edges: Tensor
) -> tuple[Tensor, Tensor]:
    """Counts of genuine (I, B) and of impostor scores between groups (I, I, B), high to low."""
    bins = len(edges) + 1
    genuine = torch.zeros(groups * bins, device=edges.device)
    impostor = torch.zeros(groups * groups * bins, device=edges.device)
    for rows, tile in scores.tiles():
        place = len(edges) - torch.bucketize(tile, edges)  # bin 0 holds the highest scores
        probe = group[scores.own[rows]].unsqueeze(1)
        own = place.gather(1, scores.own[rows].unsqueeze(1)) + probe * bins
        genuine.scatter_add_(0, own.flatten(), genuine.new_ones(own.numel()))
        place += (probe * groups + group) * bins
        others = place[scores.others(rows)]
        impostor.scatter_add_(0, others, impostor.new_ones(len(others)))
    return genuine.view(groups, bins), impostor.view(groups, groups, bins)


def _between(table: Tensor, weights: Tensor) -> Tensor:
    """Weighted counts of impostor scores in each draw, (R, B)."""
    total = weights.new_zeros(len(weights), table.shape[2])
    for i in range(len(table)):
        later = table[i, i + 1 :] + table[i + 1 :, i]
        together = weights[:, i + 1 :] @ later + table[i, i]
        total += weights[:, i : i + 1] * together
    return total
