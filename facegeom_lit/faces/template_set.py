"""Templates: several images of one person that are compared as one, as in IJB-B and IJB-C."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """Images, the templates that they belong to, and what a protocol compares.

    A template holds images and video frames; frames of one video share a medium, and are averaged
    before the media of a template are summed.

    Args:
        name: Name of the protocol, as in tables.
        faces: Aligned crops, one a row of `templates`; None where `embeddings` are given.
        embeddings: float32 (N, D) in the same order, already computed; None where `faces` are
            given.
        templates: int64 (N,), template id of each image.
        media: int64 (N,), medium id of each image.
        pairs: int64 (P, 2), ids of the templates to verify against each other.
        same: bool (P,), whether both templates are of one person.
        scores: float32 (N,), the detector's score of each image; None where none is known.
        galleries: For 1:N search, one (G, 2) int64 tensor of (template id, subject id) for each
            gallery; a protocol searches each of them by itself.
        probes: int64 (Q, 2) of (template id, subject id); None without 1:N search.
        notes: What was read and how, for whoever reads the results.

    Raises:
        FaceGeomError: When the parts do not fit together; the message names the first row.
    """

    name: str
    faces: FaceSet | None
    embeddings: Tensor | None
    templates: Tensor
    media: Tensor
    pairs: Tensor
    same: Tensor
    scores: Tensor | None = None
    galleries: tuple[Tensor, ...] = ()
    probes: Tensor | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the parts against each other."""
        images = len(self.templates)
        if (self.faces is None) == (self.embeddings is None):
            raise FaceGeomError(f"{self.name}: give either crops or embeddings of the images.")
        columns = {
            "crops": self.faces,
            "embeddings": self.embeddings,
            "media": self.media,
            "detector scores": self.scores,
        }
        for what, column in columns.items():
            if column is not None and len(column) != images:
                raise FaceGeomError(
                    f"{self.name}: {len(column)} {what} for {images} images of the template list."
                )
        if len(self.pairs) != len(self.same):
            raise FaceGeomError(f"{self.name}: `pairs` and `same` differ in length.")
        known = self.templates.unique().numpy()
        compared = {"the pair list": self.pairs}
        compared |= {f"gallery {i + 1}": rows[:, :1] for i, rows in enumerate(self.galleries)}
        if self.probes is not None:
            compared["the probe list"] = self.probes[:, :1]
        for what, ids in compared.items():
            found = np.isin(ids.numpy(), known)  # on 15 million pairs 20 times as fast as torch's
            if not found.all():
                wrong = np.flatnonzero(~found.all(axis=1))
                template = int(ids[wrong[0]].numpy()[~found[wrong[0]]][0])
                raise FaceGeomError(
                    f"{self.name}: row {wrong[0] + 1} of {what} names template {template}, which "
                    f"has no image ({len(wrong)} such rows). Put the images back, or take the "
                    "lists that belong to them."
                )

    def __len__(self) -> int:
        """Return the number of pairs to verify."""
        return len(self.pairs)

    def __repr__(self) -> str:
        of = "images" if self.embeddings is None else "embeddings"
        return (
            f"TemplateSet({self.name!r}, {len(self)} pairs of {len(self.templates.unique())} "
            f"templates, {len(self.templates)} {of})"
        )
