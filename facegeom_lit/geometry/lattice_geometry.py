"""The microscale geometry of a whole lattice: every attribute, every identity (GEOMETRY §1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry import spread
from facegeom_lit.geometry.correlation import correlation_length
from facegeom_lit.geometry.lattice_people import Person, people_of
from facegeom_lit.geometry.leakage import chance_leakage, directions_to_nearest
from facegeom_lit.geometry.microscale import Energy, FieldGeometry
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.pairs.coupling import check_rules
from facegeom_lit.geometry.person_geometry import (
    Choices,
    FieldMeasures,
    Surroundings,
    person_geometry,
)
from facegeom_lit.geometry.points import Distance, check_distance, check_points, normalized
from facegeom_lit.geometry.statistics import defined_mean

MeanDistance = Literal["exact", "sampled"]


@dataclass(frozen=True)
class AttributeGeometry:
    """One attribute, identity by identity; NaN where a number is undefined.

    Attributes:
        energy: By the label of the neighbourhood, each of shape (I,), float64, in [0, 2], as all
            that follow unless said otherwise.
        isolated: Usable curves without a neighbour, by the label of the neighbourhood, int64.
        response: Mean |v| in units of the identity's spread.
        response_raw: Mean |v|.
        order_parameter: |mean u|, in [0, 1].
        correlation: Mean cosine of two directions by the distance of their base points, shape
            (I, bins).
        correlation_pairs: Pairs in each bin, shape (I, bins), int64.
        correlation_length: In units of the identity's mean distance.
        null_mean: Mean energy over permuted base points, of the first neighbourhood.
        null_z: Energy as a z-score against those.
        leakage: Mean |cos| with the direction to the nearest other identity, in [0, 1].
        curves: Curves given, int64.
        dropped: Curves too short to have a direction, int64.
    """

    energy: dict[str, Tensor]
    isolated: dict[str, Tensor]
    response: Tensor
    response_raw: Tensor
    order_parameter: Tensor
    correlation: Tensor
    correlation_pairs: Tensor
    correlation_length: Tensor
    null_mean: Tensor
    null_z: Tensor
    leakage: Tensor
    curves: Tensor
    dropped: Tensor


@dataclass(frozen=True)
class LatticeGeometry:
    """All attributes of a lattice.

    Attributes:
        identities: Index of each identity, increasing, shape (I,), int64.
        attributes: Names of the A attributes, in the order of the curves.
        rules: Labels of the neighbourhoods; the first is the main one.
        by_attribute: The measures; an identity without curves of an attribute has none of them.
        interaction: Mean of `1 - cos` of two attributes' displacements at the same node, shape
            (I, A, A), float64; NaN where an identity has no such node.
        interaction_nodes: How many nodes that mean is over, shape (I, A, A), int64.
        images: Images of each identity in the lattice, shape (I,), int64.
        mean_distance: Of each identity's images, shape (I,), float64: the unit of distances.
        spread: Root-mean-square Euclidean distance of each identity's images, shape (I,), float64:
            the unit of responses.
        reach: Where the correlation functions end, in units of the mean distance.
        dimension: Of the embeddings.
    """

    identities: Tensor
    attributes: tuple[str, ...]
    rules: tuple[str, ...]
    by_attribute: dict[str, AttributeGeometry]
    interaction: Tensor
    interaction_nodes: Tensor
    images: Tensor
    mean_distance: Tensor
    spread: Tensor
    reach: float
    dimension: int

    @property
    def chance_leakage(self) -> float:
        """The leakage of directions that have nothing to do with identities."""
        return chance_leakage(self.dimension)

    def values(self, measure: str, attribute: str, rule: str | None = None) -> Tensor:
        """One number for each identity, shape (I,), NaN where it is undefined.

        Args:
            measure: A field of `AttributeGeometry` that holds one, such as `response`.
            attribute: Its name.
            rule: Label of the neighbourhood, for `energy` and `isolated`; None: the main one.
        """
        found: Tensor | dict[str, Tensor] = getattr(self.by_attribute[attribute], measure)
        return found if isinstance(found, Tensor) else found[rule or self.rules[0]]

    def mean(self, measure: str, attribute: str, rule: str | None = None) -> float | None:
        """Mean of `values` over the identities that have one; None if none has."""
        return defined_mean(self.values(measure, attribute, rule))

    def mean_interaction(self) -> Tensor:
        """The interaction matrix averaged over the identities that have an entry, (A, A)."""
        return self.interaction.nanmean(dim=0)


@torch.no_grad()
def lattice_geometry(
    embeddings: Tensor,
    curves: Mapping[str, Tensor],
    identity: Mapping[str, Tensor],
    *,
    rules: Sequence[Neighborhood] = (Neighborhood(),),
    distance: Distance = "cosine",
    null_permutations: int = 20,
    bins: int = 20,
    reach: float = 2.0,
    seed: int = 0,
    mean_distance: MeanDistance = "exact",
) -> LatticeGeometry:
    """Measure every attribute of every identity.

    The mean distance, the spread and the centre of an identity are those of all its images in the
    lattice: all steps of all attributes, each image once.

    Args:
        embeddings: Raw embeddings of the lattice's images, shape (N, D); normalised inside for
            the cosine.
        curves: Rows of the three steps `a − δ`, `a`, `a + δ` by attribute, each (C, 3), int64.
        identity: Identity index of each curve by attribute, each (C,), int64.
        rules: Neighbourhoods; the null is of the first one.
        distance: The model's own distance.
        null_permutations: Permutations for each identity and attribute, ≥ 0.
        bins: Of the correlation function, ≥ 1.
        reach: Where the correlation function ends, in units of the mean distance, > 0.
        seed: Of the permutations and of a sampled mean distance.
        mean_distance: `exact`, or `sampled` from 10,000 random pairs as the scripts of
            arXiv 2507.11372 do.

    Returns:
        The measures of each identity.

    Raises:
        FaceGeomError: When embeddings are not finite, curves do not fit them, or an argument is
            out of range.
    """
    check_points("embeddings", embeddings)
    check_distance(distance)
    if mean_distance not in get_args(MeanDistance):
        raise FaceGeomError(
            f"Argument `mean_distance` must be one of {get_args(MeanDistance)}, got "
            f"{mean_distance!r}."
        )
    check_rules(rules)
    labels = tuple(rule.label for rule in rules)
    attributes = tuple(curves)
    people = people_of(len(embeddings), curves, identity)
    choices = Choices(tuple(rules), distance, null_permutations, bins, reach, seed)
    units = [
        _units(_images(embeddings, person, distance), distance, mean_distance, seed)
        for person in people
    ]
    apart, spreads, centres = zip(*units, strict=True)
    toward = directions_to_nearest(torch.stack(centres), distance)
    surroundings = map(Surroundings, apart, spreads, toward)
    found = [
        person_geometry(_images(embeddings, person, distance), person, around, attributes, choices)
        for person, around in zip(people, surroundings, strict=True)
    ]
    return LatticeGeometry(
        identities=torch.tensor([person.number for person in people]),
        attributes=attributes,
        rules=labels,
        by_attribute={
            name: _collected([own.by_attribute.get(name) for own in found], labels, bins, reach)
            for name in attributes
        },
        interaction=torch.stack([own.interaction for own in found]).cpu(),
        interaction_nodes=torch.stack([own.nodes for own in found]).cpu(),
        images=torch.tensor([len(person.images) for person in people]),
        mean_distance=torch.tensor(apart, dtype=torch.float64),
        spread=torch.tensor(spreads, dtype=torch.float64),
        reach=reach,
        dimension=embeddings.shape[1],
    )


def _images(embeddings: Tensor, person: Person, distance: Distance) -> Tensor:
    """An identity's embeddings as its model compares them; no copy is made of the whole lattice."""
    images = embeddings[person.images.to(embeddings.device)]
    images = images.to(torch.promote_types(images.dtype, torch.float32))
    return normalized(images) if distance == "cosine" else images


def _units(
    images: Tensor, distance: Distance, how: MeanDistance, seed: int
) -> tuple[float, float, Tensor]:
    """Mean distance, spread and centre of an identity's images."""
    if how == "exact":
        apart = spread.mean_distance(images, distance)
    else:
        apart = spread.sampled_mean_distance(images, distance, seed=seed)
    return apart, spread.identity_spread(images), images.mean(dim=0, dtype=torch.float64)


def _collected(
    found: Sequence[FieldMeasures | None], labels: Sequence[str], bins: int, reach: float
) -> AttributeGeometry:
    """Stack what was measured of one attribute, identity by identity."""
    unmeasured = FieldGeometry(
        energies={label: Energy(None, curves=0, dropped=0, isolated=0) for label in labels},
        order_parameter=None,
        correlation=torch.full((bins,), torch.nan, dtype=torch.float64),
        correlation_pairs=torch.zeros(bins, dtype=torch.int64),
        curves=0,
        dropped=0,
    )
    nothing = FieldMeasures(unmeasured, *[None] * 5)
    each = [nothing if measures is None else measures for measures in found]
    fields = [measures.geometry for measures in each]
    return AttributeGeometry(
        energy={label: _floats(f.energies[label].energy for f in fields) for label in labels},
        isolated={label: _counts(f.energies[label].isolated for f in fields) for label in labels},
        response=_floats(m.response for m in each),
        response_raw=_floats(m.response_raw for m in each),
        order_parameter=_floats(f.order_parameter for f in fields),
        correlation=torch.stack([f.correlation for f in fields]),
        correlation_pairs=torch.stack([f.correlation_pairs for f in fields]),
        correlation_length=_floats(correlation_length(f.correlation, reach) for f in fields),
        null_mean=_floats(m.null_mean for m in each),
        null_z=_floats(m.null_z for m in each),
        leakage=_floats(m.leakage for m in each),
        curves=_counts(f.curves for f in fields),
        dropped=_counts(f.dropped for f in fields),
    )


def _floats(values: Iterable[float | None]) -> Tensor:
    """Numbers as float64, NaN for None."""
    return torch.tensor([torch.nan if x is None else x for x in values], dtype=torch.float64)


def _counts(values: Iterable[int]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.int64)
