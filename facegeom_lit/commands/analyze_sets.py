"""The sets that `facegeom analyze` measures: images or embeddings, with curves and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from facegeom_lit.commands.composition import compose_config
from facegeom_lit.commands.generate import recipe_of
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.attribute_sets import (
    LabelledAttributes,
    face_set_attributes,
    file_attributes,
)
from facegeom_lit.evaluation.embedding_file import EmbeddingFile, read_embedding_file
from facegeom_lit.evaluation.lattices import (
    LatticeCurves,
    MeasuredCurves,
    face_set_curves,
    file_curves,
)
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.opening import notes_of, open_faces
from facegeom_lit.synthesis.cached import prepare_face_set

SCALES = ("auto", "microscale", "macroscale")


@dataclass(frozen=True)
class AnalysisSet:
    """One set.

    Attributes:
        images: The faces to embed, or a file of embeddings.
        curves: For the microscale; None without any.
        labels: For the macroscale; None without any.
        notes: What a reader must know of how it was read.
    """

    images: FaceSet | EmbeddingFile
    curves: LatticeCurves | None
    labels: LabelledAttributes | None
    notes: tuple[str, ...]

    @property
    def record(self) -> dict[str, Any]:
        """What it is, for the record: where it stands and the hash of its content."""
        if isinstance(self.images, EmbeddingFile):
            return {"path": str(self.images.path), "hash": self.images.hash}
        return {"images": len(self.images), "hash": self.images.hash}

    def at(self, scale: str, name: str) -> AnalysisSet:
        """What is measured of it at a scale.

        Raises:
            FaceGeomError: When it lacks what the scale needs.
        """
        lacks = {
            "microscale": self.curves is None,
            "macroscale": self.labels is None,
            "auto": self.curves is None and self.labels is None,
        }
        if lacks[scale]:
            needs = {
                "microscale": "curves: a generated lattice, curves: [ATTRIBUTE] of measured "
                "values, or arrays curves_ATTRIBUTE in a file",
                "macroscale": "labelled attributes: columns of a face set, or a matrix "
                "`attributes` with `attribute_names` in a file",
            }
            needs["auto"] = "; or ".join(needs.values())
            raise FaceGeomError(
                f"{name} has nothing for scale={scale}, which needs {needs[scale]}."
            )
        return replace(
            self,
            curves=None if scale == "macroscale" else self.curves,
            labels=None if scale == "microscale" else self.labels,
        )


def open_set(name: str, source: str | Path | Mapping[str, Any]) -> AnalysisSet:
    """Open faces with what is known of them.

    Args:
        name: Of the set, for messages.
        source: As `open_faces` takes it, with the keys of `MeasuredCurves`.

    Raises:
        FaceGeomError: When it cannot be read, or the curves cannot be found.
    """
    where, measured = MeasuredCurves.taken_from(source, name)
    faces = open_faces(where, attributes=True)
    return AnalysisSet(
        faces, face_set_curves(faces, measured), face_set_attributes(faces), notes_of(faces)
    )


def open_file(source: str | Path | Mapping[str, Any]) -> AnalysisSet:
    """Open a file of embeddings with what it says of them.

    Raises:
        FaceGeomError: When something in it is missing or wrong.
    """
    file = read_embedding_file(source)
    return AnalysisSet(file, file_curves(file), file_attributes(file), file.notes)


def rendered_set(cfg: DictConfig) -> AnalysisSet:
    """Make the lattice of the parametric renderer, or find it in the cache."""
    counts = [f"{key}={value}" for key, value in cfg.rendered.items()]
    generate = compose_config("generate", ["kind=lattice", f"seed={cfg.seed}", *counts])
    maker = instantiate(generate.synthesis.maker)
    faces = prepare_face_set(recipe_of(generate), maker, Path(cfg.paths.cache) / "facesets")
    return AnalysisSet(faces, face_set_curves(faces), face_set_attributes(faces), ())


def only_attributes(
    sets: Mapping[str, AnalysisSet], attributes: Sequence[str] | None
) -> dict[str, AnalysisSet]:
    """Keep some attributes of every set.

    Args:
        sets: By name.
        attributes: Their names; None: all.

    Raises:
        FaceGeomError: When a name is in no set, or a set has none of them.
    """
    if attributes is None:
        return dict(sets)
    known: dict[str, None] = {}
    for data in sets.values():
        known |= dict.fromkeys(data.curves.rows if data.curves else ())
        known |= dict.fromkeys(data.labels.values if data.labels else ())
    if unknown := [name for name in attributes if name not in known]:
        raise FaceGeomError(
            f"attributes names {unknown[0]!r}, which no set has. They have: "
            f"{', '.join(known) or 'none'}."
        )
    return {
        name: replace(
            data,
            curves=data.curves and data.curves.only(attributes),
            labels=data.labels and data.labels.only(attributes),
        )
        for name, data in sets.items()
    }
