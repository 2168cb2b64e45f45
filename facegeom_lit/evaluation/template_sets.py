"""Templates: the 1:1 and 1:N protocols of IJB-B and IJB-C."""

from __future__ import annotations

import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.identification import closed_set, mean_figures, open_set
from facegeom_lit.evaluation.result import Result
from facegeom_lit.evaluation.settings import Settings
from facegeom_lit.evaluation.verification import verified
from facegeom_lit.faces.template_set import TemplateSet
from facegeom_lit.geometry.points import Distance, normalized
from facegeom_lit.geometry.score_source import ScoredPairs
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.geometry.templates import listed_scores, template_embeddings, template_rows


def measure_templates(
    embeddings: Tensor,
    templates: TemplateSet,
    distance: Distance,
    settings: Settings,
    title: str = "templates",
) -> Result:
    """Measure a face model on templates.

    1:1: cosine of listed templates. 1:N, where the protocol lists galleries: closed set over the
    probes whose person a gallery holds, open set over all; figures are averaged over galleries.

    Args:
        embeddings: Of the images, (N, D), raw.
        templates: The protocol.
        distance: The model's own distance.
        settings: What to measure, and how templates are made.
        title: What the progress bar is called.

    Raises:
        FaceGeomError: When the model is not compared by cosine, pairs of one kind are missing, or
            an embedding is not finite.
    """
    if distance != "cosine":
        raise FaceGeomError(
            f"{templates.name} sums embeddings to templates, which are compared by cosine; the "
            f"model is compared by {distance} distance. Leave one of the two out."
        )
    weights = templates.scores if settings.weigh_by_detector else None
    images = normalized(embeddings) if settings.normalize_images else embeddings
    numbers, points = template_embeddings(images, templates.templates, templates.media, weights)
    pairs = template_rows(numbers, templates.pairs, f"{templates.name}: the pair list")
    scores = listed_scores(pairs[:, 0], pairs[:, 1], points)
    people = people_of(pairs, templates.same, len(numbers))
    scored = ScoredPairs(scores, templates.same, people[pairs])
    found = verified(scored, settings, settings.rates(templates=True), "people", title)
    figures, notes = found.figures, [*found.notes]
    if templates.galleries and templates.probes is not None:
        searched, remarks = _search(templates, numbers, points, settings)
        figures, notes = figures | searched, [*notes, *remarks]
    summed = "by the detector's scores" if weights is not None else "equally"
    lengths = "normalised" if settings.normalize_images else "as long as the model makes them"
    notes.append(
        f"a template is the sum of the means of its media; images count {summed}, {lengths}; "
        "people are those whom genuine pairs link"
    )
    facts = {"images": float(len(embeddings)), "templates": float(len(numbers)), **found.facts}
    return Result("templates", figures, found.thresholds, facts, found.curve, tuple(notes))


def people_of(pairs: Tensor, same: Tensor, templates: int) -> Tensor:
    """Person of each template, int64 (templates,): templates that genuine pairs link are one's.

    Example:
        >>> people_of(torch.tensor([[0, 2], [0, 1]]), torch.tensor([True, False]), 3).tolist()
        [0, 1, 0]
    """
    genuine = pairs[same].numpy()
    links = coo_array(
        (torch.ones(len(genuine)).numpy(), (genuine[:, 0], genuine[:, 1])),
        shape=(templates, templates),
    )
    return torch.from_numpy(connected_components(links, directed=False)[1]).long()


def _search(
    templates: TemplateSet, numbers: Tensor, points: Tensor, settings: Settings
) -> tuple[dict[str, Interval], list[str]]:
    """Search every gallery with every probe."""
    assert templates.probes is not None
    name = templates.name
    probes = template_rows(numbers, templates.probes[:, 0], f"{name}: the probe list")
    of_galleries: list[dict[str, Interval]] = []
    notes: list[str] = []
    for index, listed in enumerate(templates.galleries):
        gallery = template_rows(numbers, listed[:, 0], f"{name}: gallery {index + 1}")
        rows = torch.cat([gallery, probes])
        labels = torch.cat([listed[:, 1], templates.probes[:, 1]])
        enrolled = torch.arange(len(gallery))
        searching = torch.arange(len(gallery), len(rows))
        mated = torch.isin(labels[searching], labels[enrolled])
        if not bool(mated.any()):
            raise FaceGeomError(f"{name}: no probe is of a person in gallery {index + 1}.")
        common = points[rows], labels, enrolled
        figures = closed_set(*common, searching[mated], "cosine", settings)
        if settings.fpirs and not bool(mated.all()):
            opened, remarks = open_set(*common, searching, "cosine", settings)
            figures |= opened
            notes += [f"gallery {index + 1}: {remark}" for remark in remarks]
        of_galleries.append(figures)
    if len(of_galleries) > 1:
        notes.append(f"1:N figures are means over {len(of_galleries)} galleries, without intervals")
    return mean_figures(of_galleries), notes
