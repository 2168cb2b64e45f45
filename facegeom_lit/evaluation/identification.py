"""1:N identification as figures with intervals over people."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.evaluation.result import plain
from facegeom_lit.evaluation.settings import Settings
from facegeom_lit.geometry.identification import match_ranks
from facegeom_lit.geometry.open_set import open_set_scores
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.roc_bootstrap import share_interval
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.geometry.verification import rate_name


def closed_set(
    embeddings: Tensor,
    labels: Tensor,
    gallery: Tensor,
    probes: Tensor,
    distance: Distance,
    settings: Settings,
) -> dict[str, Interval]:
    """Share of probes whose person is among the first k, `rank1` and so on.

    Args:
        embeddings: Of all images or templates, (N, D).
        labels: Person of each, (N,).
        gallery: Rows that are enrolled.
        probes: Rows that search; each of an enrolled person.
        distance: The model's own distance.
        settings: Ranks and bootstrap.

    Raises:
        FaceGeomError: When a probe has no mate in the gallery.
    """
    if not settings.ranks:
        return {}
    ranks = match_ranks(
        embeddings[gallery], labels[gallery], embeddings[probes], labels[probes], distance=distance
    )
    return {f"rank{k}": _share(ranks <= k, labels[probes], settings) for k in settings.ranks}


def open_set(
    embeddings: Tensor,
    labels: Tensor,
    gallery: Tensor,
    probes: Tensor,
    distance: Distance,
    settings: Settings,
) -> tuple[dict[str, Interval], list[str]]:
    """Share of mated probes found first and above the threshold, `tpir@1e-2` and so on.

    The intervals are over the people of mated probes; the threshold is held.

    Args:
        embeddings: Of all images or templates, (N, D).
        labels: Person of each, (N,).
        gallery: Rows that are enrolled.
        probes: Rows that search, mated and not.
        distance: The model's own distance.
        settings: Rates and bootstrap.

    Returns:
        The figures, and remarks on what they do not support.

    Raises:
        FaceGeomError: When all probes or none have a mate in the gallery.
    """
    found = open_set_scores(
        embeddings[gallery], labels[gallery], embeddings[probes], labels[probes], distance=distance
    )
    figures = {}
    for fpir in settings.fpirs:
        hits = found.hits(fpir)
        name = f"tpir@{rate_name(fpir)}"
        figures[name] = plain(None) if hits is None else _share(hits, found.people, settings)
    strangers = len(found.strangers)
    beyond = [rate_name(fpir) for fpir in settings.fpirs if found.hits(fpir) is None]
    note = (
        f"{strangers} non-mated probes support an FPIR down to {1 / strangers:.1e}; left out: "
        f"{', '.join(beyond)}"
    )
    return figures, [note] if beyond else []


def _share(hits: Tensor, people: Tensor, settings: Settings) -> Interval:
    if not settings.resamples:
        return plain(float(hits.double().mean()))
    return share_interval(
        hits,
        people,
        resamples=settings.resamples,
        level=settings.level,
        seed=settings.seed,
    )


def mean_figures(of_galleries: list[dict[str, Interval]]) -> dict[str, Interval]:
    """Average figures over galleries, without intervals unless there is one gallery.

    A figure that one of them does not support is None.
    """
    if len(of_galleries) == 1:
        return of_galleries[0]
    averaged = {}
    for name in of_galleries[0]:
        values = [figures[name].value for figures in of_galleries]
        known = [value for value in values if value is not None]
        whole = len(known) == len(values)
        averaged[name] = plain(float(torch.tensor(known).double().mean()) if whole else None)
    return averaged
