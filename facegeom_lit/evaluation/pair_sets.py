"""Listed pairs of faces: the LFW protocol and its kin."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.evaluation.result import Result, plain
from facegeom_lit.evaluation.settings import Settings
from facegeom_lit.evaluation.verification import verified
from facegeom_lit.faces.pairs import PairSet
from facegeom_lit.geometry.lfw import best_threshold, lfw_accuracy
from facegeom_lit.geometry.points import Distance, blocks, comparable
from facegeom_lit.geometry.score_source import ScoredPairs
from facegeom_lit.geometry.statistics import Interval


def measure_pairs(
    embeddings: Tensor,
    pairs: PairSet,
    distance: Distance,
    settings: Settings,
    title: str = "pairs",
) -> Result:
    """Measure a face model on listed pairs.

    Accuracy as by the LFW protocol: on each fold at the threshold that is best on the others.

    Args:
        embeddings: Of `pairs.faces`, (N, D), raw.
        pairs: The pairs.
        distance: The model's own distance.
        settings: What to measure.
        title: What the progress bar is called.

    Raises:
        FaceGeomError: When pairs of one kind are missing, or an embedding is not finite.
    """
    scores, same = pair_set_scores(embeddings, pairs, distance), pairs.same
    labels = pairs.faces.labels
    people = torch.stack([labels[pairs.left], labels[pairs.right]], dim=1) if pairs.named else None
    scored = ScoredPairs(scores, same, people)
    clusters = "people" if pairs.named else "pairs"
    found = verified(scored, settings, settings.rates(), clusters, title)
    facts = {"images": float(len(pairs.faces)), **found.facts}
    notes = [*found.notes]
    figures: dict[str, Interval] = {}
    folds = pairs.folds if settings.folds is None else settings.folds
    count = len(pairs.folds.unique()) if settings.folds is None else settings.folds
    if count >= 2:
        accuracy = lfw_accuracy(scores, same, folds)
        figures = {"accuracy": plain(accuracy.mean), "accuracy_std": plain(accuracy.std)}
        notes.insert(0, f"accuracy: mean and standard deviation over {count} folds")
    else:
        notes.insert(0, "the list has one fold, so there is no accuracy; folds=10 cuts it")
    figures |= found.figures
    thresholds = {"accuracy": best_threshold(scores, same), **found.thresholds}
    return Result("pairs", figures, thresholds, facts, found.curve, tuple(notes))


def pair_set_scores(embeddings: Tensor, pairs: PairSet, distance: Distance) -> Tensor:
    """Score of each pair, larger = more alike, float32 (P,): cosine or minus the distance."""
    points = comparable(embeddings, distance)
    parts = []
    for part in blocks(len(pairs), 2**16):
        left, right = points[pairs.left[part]], points[pairs.right[part]]
        cosine = distance == "cosine"
        parts.append((left * right).sum(1) if cosine else -(left - right).norm(dim=1))
    return torch.cat(parts).float()
