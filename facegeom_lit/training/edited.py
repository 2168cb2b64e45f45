"""A run on given photos whose attributes an editor moves: the source `data=edited`."""

from __future__ import annotations

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from facegeom_lit.attributes import AttributeSpec
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.identities import drop_small_identities
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.faces.opening import notes_of, open_faces
from facegeom_lit.models.attribute_regressor import AttributeRegressor, measure
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.edits import EditKind, EditMaker, EditRecipe
from facegeom_lit.synthesis.gating import Gating
from facegeom_lit.training.sources import RunData, check_range, measured_attributes
from facegeom_lit.training.splits import enough_images, first_images, split_identities


def edited(
    cfg: DictConfig,
    target: AttributeSpec | None,
    *,
    root: str,
    regressor: str,
    variations: int,
    lattice_nodes: int,
    min_images: int | None,
    judge_every: int,
    verification_people: int,
    verification_images: int,
) -> RunData:
    """Train on edits of photos and measure on a lattice of edits of other people's photos.

    The editor and the gates are those of `synthesis` and `gates`; verification uses the judging
    people's photos as they are.

    Raises:
        FaceGeomError: When `synthesis` has no editor, or there is no target.
    """
    if "editor" not in cfg.synthesis:
        raise FaceGeomError(
            f"data=edited needs an editor, which synthesis={cfg.synthesis.name} has not. Choose "
            "synthesis=prior_edit, img2img, instruct, ..."
        )
    if target is None:
        raise FaceGeomError("data=edited moves an attribute, but attribute=none. Choose one.")
    check_range(target)
    photos = enough_images(open_faces(root), min_images)
    train, judge, _ = split_identities(photos, judge_every)
    eye, editor = AttributeRegressor.load(regressor), instantiate(cfg.synthesis.editor)
    gating = Gating(instantiate(cfg.gates, _convert_="all"))

    def made(of: FaceSet, kind: EditKind, moved: tuple[str, ...]) -> FaceSet:
        recipe = EditRecipe(
            of,
            kind,
            moved,
            measure(eye, of),
            eye.attributes,
            per_identity=lattice_nodes if kind == "lattice" else len(of),
            variations=variations,
            seed=cfg.seed if kind == "training" else 0,
            specs={target.name: target},
            image_format=cfg.synthesis.format,
            quality=cfg.synthesis.quality,
        )
        folder = Path(cfg.paths.cache) / "facesets"
        return prepare_face_set(recipe, EditMaker(recipe, editor), folder, gating=gating)

    measured = measured_attributes(cfg, target)
    nodes = made(judge, "lattice", measured)
    variants = made(train, "training", (target.name,))
    lattice = Lattice.from_face_set(nodes)
    if target.name not in lattice.attributes:
        raise FaceGeomError(
            f"The gates refused every curve along {target.name}: {nodes.card['gates']['refused']}. "
            "Loosen them (gates.<name>.…), or choose another editor."
        )
    kept = drop_small_identities(variants, 2)
    verified = first_images(judge, verification_people, verification_images)
    notes = [*notes_of(photos), *_gate_notes({"training": variants, "lattice": nodes})]
    if lost := sorted(set(measured) - set(lattice.attributes)):
        notes.append(f"lattice: the gates refused every curve along {', '.join(lost)}")
    if gone := len(train.classes) - len(kept.classes):
        notes.append(f"training: {gone} people have fewer than two edits left and are left out")
    return RunData(
        train=kept,
        evaluation={"lattice": nodes, "verification": verified},
        lattice=lattice,
        lattice_set="lattice",
        verification_set="verification",
        notes=tuple(notes),
    )


def _gate_notes(sets: dict[str, FaceSet]) -> list[str]:
    """Say how many edits the gates kept."""
    notes = []
    for name, faces in sets.items():
        if gates := faces.card.get("gates"):
            refused = sum(n for reasons in gates["refused"].values() for n in reasons.values())
            notes.append(f"{name}: the gates kept {len(faces)} of {len(faces) + refused} edits")
    return notes
