"""The microscale geometry of one identity: every attribute's field (GEOMETRY §1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.geometry.directions import usable_curves
from facegeom_lit.geometry.fields import response_size
from facegeom_lit.geometry.interaction import interaction_matrix, shared_nodes
from facegeom_lit.geometry.lattice_people import Person
from facegeom_lit.geometry.leakage import leakage_toward
from facegeom_lit.geometry.microscale import FieldGeometry, field_geometries
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.null import null_energies
from facegeom_lit.geometry.points import Distance


@dataclass(frozen=True)
class Choices:
    """What is measured, and how. See `lattice_geometry`."""

    rules: tuple[Neighborhood, ...]
    distance: Distance
    null_permutations: int
    bins: int
    reach: float
    seed: int


@dataclass(frozen=True)
class Surroundings:
    """What one identity's fields are compared with.

    Attributes:
        mean_distance: Of its images: the unit of distances.
        spread: Root-mean-square Euclidean distance of its images: the unit of responses.
        toward: From its centre to the nearest other identity's, shape (D,); zeros without one.
    """

    mean_distance: float
    spread: float
    toward: Tensor


@dataclass(frozen=True)
class FieldMeasures:
    """One attribute of one identity; None where a number is undefined.

    Attributes:
        geometry: Energies, order parameter, correlation function, counts.
        response: Mean |v| in units of the spread.
        response_raw: Mean |v|.
        null_mean: Mean energy over permuted base points, of the first neighbourhood.
        null_z: Energy as a z-score against those.
        leakage: Mean |cos| with the direction to the nearest other identity.
    """

    geometry: FieldGeometry
    response: float | None
    response_raw: float | None
    null_mean: float | None
    null_z: float | None
    leakage: float | None


@dataclass(frozen=True)
class PersonGeometry:
    """All attributes of one identity.

    Attributes:
        by_attribute: The measures of each attribute that has curves.
        interaction: `interaction_matrix` of all attributes, (A, A).
        nodes: `shared_nodes` of all attributes, (A, A).
    """

    by_attribute: dict[str, FieldMeasures]
    interaction: Tensor
    nodes: Tensor


def person_geometry(
    embeddings: Tensor,
    person: Person,
    around: Surroundings,
    attributes: Sequence[str],
    choices: Choices,
) -> PersonGeometry:
    """Measure one identity.

    Args:
        embeddings: Of the identity's images, normalised where the distance is the cosine, (N, D).
        person: The identity's images and curves.
        around: What its fields are compared with.
        attributes: Names of all attributes, the order of the interaction matrix.
        choices: What is measured.

    Raises:
        FaceGeomError: When an argument is out of range.
    """
    found: dict[str, FieldMeasures] = {}
    moves: dict[str, Tensor] = {}
    for names in person.together():
        base = embeddings[person.curves[names[0]][:, 1].to(embeddings.device)]
        fields = {}
        for name in names:
            rows = person.curves[name].to(embeddings.device)
            fields[name] = embeddings[rows[:, 2]] - embeddings[rows[:, 0]]
        geometries = field_geometries(
            base,
            fields,
            choices.rules,
            distance=choices.distance,
            mean_distance=around.mean_distance,
            bins=choices.bins,
            reach=choices.reach,
        )
        nulls = _nulls(base, fields, around.mean_distance, choices)
        for name, field in fields.items():
            usable = usable_curves(base, field, name, choices.distance)
            moves[name] = field if usable.all() else field * usable.unsqueeze(1)
            found[name] = FieldMeasures(
                geometries[name],
                response_size(field, around.spread),
                response_size(field, 1.0),
                *nulls[name],
                leakage_toward(moves[name], around.toward),
            )
    aligned = _at_common_nodes(person, moves, attributes)
    return PersonGeometry(found, interaction_matrix(aligned), shared_nodes(aligned))


def _nulls(
    base: Tensor, fields: Mapping[str, Tensor], mean_distance: float, choices: Choices
) -> dict[str, tuple[float | None, float | None]]:
    """Mean energy of permuted base points under the first neighbourhood, and the z-score."""
    if choices.null_permutations == 0:
        return dict.fromkeys(fields, (None, None))
    found = null_energies(
        base,
        fields,
        choices.rules[0],
        choices.null_permutations,
        choices.seed,
        distance=choices.distance,
        mean_distance=mean_distance,
    )
    return {name: (null.mean, null.z) for name, null in found.items()}


def _at_common_nodes(
    person: Person, moves: dict[str, Tensor], attributes: Sequence[str]
) -> list[Tensor]:
    """Fields of all attributes at all nodes of the identity: rows of zeros where one is missing."""
    middles = {name: rows[:, 1] for name, rows in person.curves.items()}
    if len(moves) == len(attributes) and len(person.together()) == 1:
        return [moves[name] for name in attributes]
    nodes = torch.cat(list(middles.values())).unique()
    like = next(iter(moves.values()))
    aligned = []
    for name in attributes:
        field = like.new_zeros((len(nodes), like.shape[1]))
        if name in moves:
            middle = middles[name]
            first = torch.ones(len(middle), dtype=torch.bool)
            first[1:] = middle[1:] != middle[:-1]
            at = torch.searchsorted(nodes, middle[first]).to(field.device)
            field[at] = moves[name][first.to(field.device)]
        aligned.append(field)
    return aligned
