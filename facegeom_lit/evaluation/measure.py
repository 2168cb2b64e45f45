"""One face model on one set, whatever the set consists of."""

from __future__ import annotations

from hashlib import sha256

from torch import Tensor

from facegeom_lit.evaluation.face_sets import measure_faces
from facegeom_lit.evaluation.pair_sets import measure_pairs
from facegeom_lit.evaluation.result import Result
from facegeom_lit.evaluation.settings import Settings
from facegeom_lit.evaluation.template_sets import measure_templates
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.opening import EvaluationSet
from facegeom_lit.faces.pairs import PairSet
from facegeom_lit.faces.template_set import TemplateSet
from facegeom_lit.geometry.points import Distance


def measure(
    embeddings: Tensor, data: EvaluationSet, distance: Distance, settings: Settings, title: str
) -> Result:
    """Measure embeddings of a set by the protocol of its kind.

    Args:
        embeddings: One for each image of the set, (N, D), raw.
        data: The set.
        distance: How the model's embeddings are compared.
        settings: What to measure.
        title: What the progress bar is called.

    Raises:
        FaceGeomError: As `measure_faces`, `measure_pairs` and `measure_templates`.
    """
    if isinstance(data, PairSet):
        return measure_pairs(embeddings, data, distance, settings, title)
    if isinstance(data, TemplateSet):
        return measure_templates(embeddings, data, distance, settings, title)
    return measure_faces(embeddings, data.labels, distance, settings, title)


def faces_of(data: EvaluationSet) -> FaceSet | None:
    """The images of a set; None where its embeddings are given."""
    return data if isinstance(data, FaceSet) else data.faces


def evaluation_set_hash(data: EvaluationSet) -> str:
    """SHA-256 of the images or embeddings of a set and of what is compared, 64 hex digits."""
    if isinstance(data, FaceSet):
        return data.hash
    total = sha256((data.faces.hash if data.faces is not None else "").encode())
    if isinstance(data, PairSet):
        vectors = [data.left, data.right, data.same, data.folds]
    else:
        given = (data.embeddings, data.scores, data.probes, *data.galleries)
        vectors = [data.templates, data.media, data.pairs, data.same]
        vectors += [vector for vector in given if vector is not None]
    for vector in vectors:
        total.update(f"{vector.dtype} {tuple(vector.shape)}".encode())
        total.update(vector.contiguous().numpy().tobytes())
    return total.hexdigest()
