"""What the prior is told about its training faces: identity codes and attribute ranges."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig
from torch import Tensor

from facegeom_lit.attributes import vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.identities import check_identities
from facegeom_lit.models import FaceModel, weights_hash
from facegeom_lit.models.embed import embed_cached
from facegeom_lit.synthesis.prior.identity_space import IdentitySpace, other_image_templates


def identity_codes(
    cfg: DictConfig, faces: FaceSet, model: FaceModel
) -> tuple[IdentitySpace, Tensor]:
    """Return the identity space and the code of each face, (N, K).

    Raises:
        FaceGeomError: When the faces have no such codes.
    """
    if cfg.prior.identity == "rendered":
        if faces.card.get("source") != "renderer":
            raise FaceGeomError(
                f"{faces!r} was not made by the renderer, so nobody knows its people's "
                "coordinates. Choose prior.identity=embeddings."
            )
        space = IdentitySpace()
        people = space.draw([int(name.lstrip("r")) for name in faces.classes])
        return space, people[faces.labels]
    check_identities(faces, 2)
    embeddings = embed_cached(model, faces, Path(cfg.paths.cache) / "embeddings")
    templates = other_image_templates(embeddings, faces.labels)
    space = IdentitySpace.fit(templates, cfg.prior.code_dim, weights_hash(model))
    return space, space.of_templates(templates)


def attribute_ranges(faces: FaceSet) -> dict[str, tuple[float, float]]:
    """Return the range of every attribute that varies in the faces.

    Raises:
        FaceGeomError: When none does, or a value is unknown.
    """
    known = vocabulary()
    ranges: dict[str, tuple[float, float]] = {}
    for name in faces.attributes:
        values = faces.attribute(name)
        if bool(values.isnan().any()):
            raise FaceGeomError(
                f"{faces!r}: {int(values.isnan().sum())} faces have no value of {name!r}. The "
                "prior learns attributes from faces that are labelled throughout."
            )
        if float(values.min()) == float(values.max()):
            continue
        own = (float(values.min()), float(values.max()))
        ranges[name] = (known[name].low, known[name].high) if name in known else own
    if not ranges:
        raise FaceGeomError(f"{faces!r} has no attribute that varies: nothing to condition on.")
    return ranges
