"""The sets that `facegeom align` aligns models on: images, or files of embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from facegeom_lit.commands.composition import compose_config
from facegeom_lit.commands.generate import recipe_of
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
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


@dataclass(frozen=True)
class OpenedSet:
    """One set as it was opened.

    Attributes:
        images: The faces to embed, or a file of embeddings.
        aligned: Who fits maps and who judges; takes the embeddings.
        notes: What a reader must know of how it was read.
        centred: Models of a file whose mean is taken away.
    """

    images: FaceSet | EmbeddingFile
    aligned: AlignmentSet
    notes: tuple[str, ...]
    centred: tuple[str, ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """What it is, for the record: where it stands and the hash of its content."""
        if isinstance(self.images, EmbeddingFile):
            return {"path": str(self.images.path), "hash": self.images.hash}
        return {"images": len(self.images), "hash": self.images.hash}


def open_set(
    name: str, source: str | Path | Mapping[str, Any], settings: AlignmentSettings
) -> OpenedSet:
    """Open faces with names.

    Raises:
        FaceGeomError: When they cannot be read, or are of too few people.
    """
    where, measured = MeasuredCurves.taken_from(source, name)
    faces = open_faces(where, attributes=True)
    return _of_faces(name, faces, settings, face_set_curves(faces, measured))


def open_file(
    name: str, source: str | Path | Mapping[str, Any], settings: AlignmentSettings
) -> OpenedSet:
    """Open a file of embeddings.

    Raises:
        FaceGeomError: When something in it is missing or wrong, or it is of too few people.
    """
    file = read_embedding_file(source)
    centred = tuple(source.get("center") or ()) if isinstance(source, Mapping) else ()
    notes = [*file.notes]
    if centred:
        notes.append(f"that mean is of the people who fit maps: {', '.join(centred)}")
    aligned = _split(
        name, file.labels, file.people, settings, file_attributes(file), file_curves(file)
    )
    return OpenedSet(file, aligned, tuple(notes), centred)


def rendered_set(name: str, cfg: DictConfig, settings: AlignmentSettings) -> OpenedSet:
    """Render faces for verification, or find them in the cache."""
    counts = [f"{key}={value}" for key, value in cfg.rendered.items()]
    generate = compose_config("generate", ["kind=verification", f"seed={cfg.seed}", *counts])
    maker = instantiate(generate.synthesis.maker)
    faces = prepare_face_set(recipe_of(generate), maker, Path(cfg.paths.cache) / "facesets")
    return _of_faces(name, faces, settings)


def check_partners(
    models: Mapping[str, Any], opened: Mapping[str, OpenedSet]
) -> dict[str, list[str]]:
    """Return the models of each set.

    Raises:
        FaceGeomError: When a set has one model alone, which nothing can be aligned with.
    """
    found = {
        name: list(data.images.models if isinstance(data.images, EmbeddingFile) else models)
        for name, data in opened.items()
    }
    every = sorted({model for names in found.values() for model in names})
    if len(every) < 2:
        raise FaceGeomError(
            f"There is one model alone ({every[0]}), and nothing to align it with. Give two or "
            "more: model=[A,B], or a file with a matrix for each."
        )
    for name, names in found.items():
        if len(names) < 2:
            raise FaceGeomError(
                f"{names[0]} is the only model of {name}, so no other one shares that set with "
                "it. Models are aligned on images that both have embedded."
            )
    return found


def _of_faces(
    name: str, faces: FaceSet, settings: AlignmentSettings, curves: LatticeCurves | None = None
) -> OpenedSet:
    people = tuple(faces.classes)
    aligned = _split(name, faces.labels, people, settings, face_set_attributes(faces), curves)
    return OpenedSet(faces, aligned, notes_of(faces))


def _split(
    name: str,
    labels: Any,
    people: tuple[str, ...],
    settings: AlignmentSettings,
    labelled: LabelledAttributes | None,
    curves: LatticeCurves | None,
) -> AlignmentSet:
    return AlignmentSet(
        name,
        labels,
        people,
        fit_share=settings.fit_share,
        settings=settings.judge,
        seed=settings.seed,
        labelled=labelled,
        curves=curves,
    )
