"""Faces with names: all pairs of them, and search with the first image of each person enrolled."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.evaluation.identification import closed_set, open_set
from facegeom_lit.evaluation.result import Result
from facegeom_lit.evaluation.settings import Settings
from facegeom_lit.evaluation.verification import verified
from facegeom_lit.geometry.identification import first_image_gallery
from facegeom_lit.geometry.open_set import keep_out
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.score_source import AllPairs


def measure_faces(
    embeddings: Tensor,
    labels: Tensor,
    distance: Distance,
    settings: Settings,
    title: str = "faces",
) -> Result:
    """Measure a face model on named faces.

    1:1: all pairs of different images. Closed set: the first image of each person is the gallery,
    all others search it. Open set: a share of the people, drawn by the seed, stays out of that
    gallery, and all of their images search it in vain.

    Args:
        embeddings: Shape (N, D), raw.
        labels: Person of each image, shape (N,).
        distance: The model's own distance.
        settings: What to measure.
        title: What the progress bar is called.

    Raises:
        FaceGeomError: When nobody has two images or there is one person alone, or an embedding is
            not finite.
    """
    pairs = AllPairs(embeddings, labels, distance)
    found = verified(pairs, settings, settings.rates(), "people", title)
    gallery, probes = first_image_gallery(labels)
    figures = found.figures | closed_set(embeddings, labels, gallery, probes, distance, settings)
    facts = {"images": float(len(labels)), "people": float(pairs.clusters), **found.facts}
    facts |= {"gallery": float(len(gallery)), "probes": float(len(probes))}
    notes = [*found.notes, "identification: the first image of each person is the gallery"]
    if settings.fpirs:
        out = keep_out(labels, settings.kept_out, settings.seed)
        enrolled = gallery[~out[gallery]]
        searched = torch.cat([probes[~out[probes]], out.nonzero().flatten()])
        opened, note = open_set(embeddings, labels, enrolled, searched, distance, settings)
        figures |= opened
        people = len(labels[out].unique())
        notes += [
            f"open set: {people} of {pairs.clusters} people, drawn by the seed, stay out of the "
            "gallery; intervals hold the threshold",
            *note,
        ]
    return Result("faces", figures, found.thresholds, facts, found.curve, tuple(notes))
