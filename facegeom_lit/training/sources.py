"""Where the faces of a run come from: generated, given faces, or a labelled table.

Each source is a choice of the `data` config group and gives the same `RunData`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from facegeom_lit.attributes import AttributeSpec, attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.duplicates import refuse_shared_people
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_csv
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.faces.opening import notes_of, open_faces
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.maker import Maker
from facegeom_lit.synthesis.photo_lattice import PhotoMaker, PhotoRecipe
from facegeom_lit.synthesis.recipe import recipe_from_config
from facegeom_lit.training.splits import (
    enough_images,
    first_images,
    split_by_column,
    split_identities,
)

EXACT = "exact"
"""Name of the lattice whose attributes the renderer knows exactly, beside another generator's."""


@dataclass(frozen=True, slots=True)
class RunData:
    """The faces of one run.

    Args:
        train: Training faces.
        evaluation: Evaluation face sets by name, each embedded once per validation. People in
            them are never trained on.
        lattice: The lattice that the geometry is measured on.
        lattice_set: Name of its face set in `evaluation`.
        verification_set: Name of the set for verification and cross-model alignment.
        further_lattices: More lattices by the name of their set in `evaluation`.
        curves: int64 (C, 3) rows of `train` along the targeted attribute, where batches shall hold
            whole curves; None: they hold free variations.
        augment: An image attribute to move on the training images on the fly; None where the
            training faces hold their variations already.
        notes: What a reader of the results must know, such as people left out.
    """

    train: FaceSet
    evaluation: dict[str, FaceSet]
    lattice: Lattice
    lattice_set: str
    verification_set: str
    further_lattices: Mapping[str, Lattice] = field(default_factory=dict)
    curves: Tensor | None = None
    augment: AttributeSpec | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse people who are both trained on and judged.

        Raises:
            FaceGeomError: When an identity stands on both sides.
        """
        for name, faces in self.evaluation.items():
            refuse_shared_people(self.train, faces, name)


def generated(cfg: DictConfig, target: AttributeSpec | None) -> RunData:
    """Make (or find again in the cache) the face sets that `synthesis` describes.

    Raises:
        FaceGeomError: When the target shall move beyond the values it is defined for.
    """
    check_range(target)
    maker = maker_of(cfg.synthesis)
    root = Path(cfg.paths.cache) / "facesets"
    measured = measured_attributes(cfg, target)

    def prepare(kind: str, by: Maker = maker, **choices: Any) -> FaceSet:
        recipe = recipe_from_config(kind, cfg.synthesis, attribute=target, **choices)
        return prepare_face_set(recipe, by, root)

    evaluation = {"lattice": prepare("lattice", measured=measured)}
    if cfg.synthesis.exact is not None:
        exact_maker = instantiate(cfg.synthesis.exact)
        evaluation[EXACT] = prepare("lattice", exact_maker, measured=measured)
    lattices = {name: Lattice.from_face_set(faces) for name, faces in evaluation.items()}
    train = prepare("curves" if cfg.training.curves else "training", seed=cfg.seed)
    return RunData(
        train=train,
        evaluation=evaluation | {"verification": prepare("verification")},
        lattice=lattices.pop("lattice"),
        lattice_set="lattice",
        verification_set="verification",
        further_lattices=lattices,
        curves=_curves(Lattice.from_face_set(train)) if cfg.training.curves else None,
    )


def folder(
    cfg: DictConfig,
    target: AttributeSpec | None,
    *,
    root: str | Mapping[str, Any],
    splits: Sequence[str] | None,
    min_images: int | None,
    judge_every: int,
    judge_people: int,
    lattice_nodes: int,
    verification_people: int,
    verification_images: int,
) -> RunData:
    """Open aligned faces, in any format of `open_faces`, and split them by identity.

    Image attributes are moved on the judging people's images to make the lattice; facial ones
    cannot be moved on a given photo here.

    Raises:
        FaceGeomError: When the target or no measured attribute is an image attribute, or a person
            or an image stands on both sides.
    """
    if target is not None and target.kind != "image":
        raise FaceGeomError(
            f"attribute={target.name} is a facial attribute, which data=folder cannot move on "
            "given photos. Choose an image attribute (brightness, contrast, hue, ...) or none, "
            "data=edited with an editor (synthesis=prior_edit, ...), or data=labelled with a table "
            "of measured values."
        )
    check_range(target)
    faces = open_faces(root)
    if splits is None:
        sides = split_identities(enough_images(faces, min_images), judge_every, judge_people)
    else:
        sides = split_by_column(faces, splits, min_images, judge_people)
    train, judge = sides.train, sides.judge
    measured = [n for n in measured_attributes(cfg, target) if attribute(n).kind == "image"]
    if not measured:
        raise FaceGeomError(
            "evaluation.measured holds no image attribute, and data=folder can move no other. "
            "Add one of brightness, contrast, hue, saturation, blur, noise, jpeg, low_resolution."
        )
    specs = {target.name: target} if target else {}
    recipe = PhotoRecipe(judge, measured, lattice_nodes, specs)
    lattice_faces = prepare_face_set(recipe, PhotoMaker(judge), Path(cfg.paths.cache) / "facesets")
    verified = first_images(judge, verification_people, verification_images)
    notes = [*notes_of(faces), *sides.notes]
    if left_out := len(judge) - len(verified):
        notes.append(f"verification: {left_out} of {len(judge)} images left out")
    return RunData(
        train=train,
        evaluation={"lattice": lattice_faces, "verification": verified},
        lattice=Lattice.from_face_set(lattice_faces),
        lattice_set="lattice",
        verification_set="verification",
        augment=target,
        notes=tuple(notes),
    )


def labelled(
    cfg: DictConfig,
    target: AttributeSpec | None,
    *,
    root: str,
    images: str,
    table: str,
    columns: DictConfig,
    fixed: Sequence[str],
    max_span: float | None,
    min_images: int | None,
    judge_every: int,
) -> RunData:
    """Read faces whose attribute is known by measurement, and split them by identity.

    The lattice joins images of neighbouring values: see `Lattice.from_values`.

    Raises:
        FaceGeomError: When `columns` is no mapping, or the target is not in it.
    """
    if not isinstance(columns, Mapping):
        raise FaceGeomError(
            f"data.columns must name a column for each attribute, got {columns}. Write "
            "+data.columns.illumination=COLUMN for example."
        )
    if target is None or target.name not in columns:
        raise FaceGeomError(
            f"attribute={target.name if target else 'none'}, but data.columns knows "
            f"{list(columns)}. Name the column that holds the attribute, "
            "+data.columns.illumination=COLUMN for example, and choose it with attribute=."
        )
    base = Path(str(root)).expanduser()  # a folder may be called 5
    faces = enough_images(read_csv(base / images, base / table, dict(columns)), min_images)
    sides = split_identities(faces, judge_every)
    lattice = Lattice.from_values(sides.judge, target.name, tuple(fixed), max_span)
    curves = None
    if cfg.training.curves:
        curves = _curves(Lattice.from_values(sides.train, target.name, tuple(fixed), max_span))
    return RunData(
        train=sides.train,
        evaluation={"judge": sides.judge},
        lattice=lattice,
        lattice_set="judge",
        verification_set="judge",
        curves=curves,
    )


def _curves(lattice: Lattice) -> Tensor:
    """Return the curves of a lattice of one attribute."""
    (curves,) = lattice.curves.values()
    return curves


def maker_of(synthesis: DictConfig) -> Maker:
    """Instantiate what draws faces.

    Raises:
        FaceGeomError: When this synthesis edits given photos instead.
    """
    if "maker" not in synthesis:
        raise FaceGeomError(
            f"synthesis={synthesis.name} edits given photos and draws none: choose data=edited "
            "with data.root=FOLDER, or synthesis=diffusion or renderer."
        )
    maker: Maker = instantiate(synthesis.maker)
    return maker


def check_range(target: AttributeSpec | None) -> None:
    """Refuse to move an attribute beyond the values it is defined for."""
    if target is None:
        return
    defined = attribute(target.name)
    if target.low < defined.low or target.high > defined.high:
        raise FaceGeomError(
            f"attribute.low={target.low} and attribute.high={target.high} reach beyond "
            f"[{defined.low}, {defined.high}] {defined.unit}, where {target.name!r} is defined."
        )


def measured_attributes(cfg: DictConfig, target: AttributeSpec | None) -> tuple[str, ...]:
    """Return the attributes to measure: the configured ones, and the target in any case."""
    names = [*cfg.evaluation.measured, *([target.name] if target else [])]
    return tuple(dict.fromkeys(names))
