"""Open-set 1:N identification: some probes are of people whom the gallery does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.identification import searches
from facegeom_lit.geometry.points import Distance


def tpir_at_fpir(
    gallery: Tensor,
    gallery_labels: Tensor,
    probes: Tensor,
    probe_labels: Tensor,
    fpirs: Sequence[float] = (0.01, 0.1),
    *,
    distance: Distance = "cosine",
) -> dict[float, float | None]:
    """Open set: share of mated probes that are found first and above the threshold.

    Probes of identities outside the gallery set the threshold: at most a share `fpir` of them
    finds anybody above it. No interpolation.

    Args:
        gallery: As of `match_ranks`.
        gallery_labels: Identities of the gallery.
        probes: Embeddings of mated and non-mated probes together.
        probe_labels: Identities; those that are not in the gallery are non-mated.
        fpirs: False positive identification rates in (0, 1).
        distance: The distance of the space in which the gallery lives.

    Returns:
        The share for each rate; None below 1/non-mated probes, where they cannot tell.

    Raises:
        FaceGeomError: When all probes or none have a mate, or a rate is outside (0, 1).
    """
    found = open_set_scores(gallery, gallery_labels, probes, probe_labels, distance=distance)
    return {fpir: found.tpir(fpir) for fpir in fpirs}


@dataclass(frozen=True)
class OpenSetScores:
    """What an open-set search of a gallery gave.

    Attributes:
        own: Score of each mated probe against its own identity, shape (M,).
        first: Whether that was higher than every other identity's, shape (M,).
        people: Identity of each mated probe, shape (M,).
        strangers: Highest score of each non-mated probe, highest first, shape (S,).
    """

    own: Tensor
    first: Tensor
    people: Tensor
    strangers: Tensor

    def hits(self, fpir: float) -> Tensor | None:
        """Which mated probes are found, first and above the threshold of a rate, bool (M,).

        None below 1/non-mated probes.

        Raises:
            FaceGeomError: When the rate is outside (0, 1).
        """
        if not 0 < fpir < 1:
            raise FaceGeomError(
                f"A false positive identification rate must lie between 0 and 1, got {fpir}."
            )
        admitted = int(fpir * len(self.strangers) + 1e-9)
        return self.first & (self.own > self.strangers[admitted]) if admitted else None

    def tpir(self, fpir: float) -> float | None:
        """Share of `hits`; None and errors as there."""
        hits = self.hits(fpir)
        return None if hits is None else float(hits.double().mean())


def open_set_scores(
    gallery: Tensor,
    gallery_labels: Tensor,
    probes: Tensor,
    probe_labels: Tensor,
    *,
    distance: Distance = "cosine",
) -> OpenSetScores:
    """Search a gallery for probes with and without a mate there.

    Arguments and errors as of `tpir_at_fpir`.
    """
    own, first, people, strangers = [], [], [], []
    start = 0
    for scores, mates in searches(gallery, gallery_labels, probes, probe_labels, distance):
        mated = mates >= 0
        mine = scores[mated].gather(1, mates[mated].unsqueeze(1))
        own.append(mine.squeeze(1))
        first.append((scores[mated] >= mine).sum(dim=1) == 1)
        people.append(probe_labels[start : start + len(mates)].to(mated.device)[mated])
        strangers.append(scores[~mated].amax(dim=1))
        start += len(mates)
    found = OpenSetScores(
        torch.cat(own),
        torch.cat(first),
        torch.cat(people),
        torch.cat(strangers).sort(descending=True).values,
    )
    if not len(found.own) or not len(found.strangers):
        raise FaceGeomError(
            f"The open set needs probes with and without a mate in the gallery, got "
            f"{len(found.own)} and {len(found.strangers)}."
        )
    return found


def keep_out(labels: Tensor, share: float, seed: int = 0) -> Tensor:
    """Which rows are of identities that stay out of an open-set gallery, drawn at random.

    Args:
        labels: Identity of each row, shape (N,).
        share: Of the identities, in (0, 1); rounded, and at least one stays in and one out.
        seed: Of the draw.

    Returns:
        bool (N,).

    Raises:
        FaceGeomError: When the share is out of range, or there are fewer than two identities.
    """
    identities, dense = labels.cpu().unique(return_inverse=True)
    if not 0 < share < 1 or len(identities) < 2:
        raise FaceGeomError(
            f"The open set needs two identities and a share of them between 0 and 1 that stays "
            f"out of the gallery, got {len(identities)} and {share}."
        )
    count = min(max(round(share * len(identities)), 1), len(identities) - 1)
    generator = torch.Generator().manual_seed(seed)
    out = torch.zeros(len(identities), dtype=torch.bool)
    out[torch.randperm(len(identities), generator=generator)[:count]] = True
    return out[dense]
