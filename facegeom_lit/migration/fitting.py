"""Fitting a migration map, and learning on other people what to expect of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, AffineMap
from facegeom_lit.migration.anchors import anchor_curve
from facegeom_lit.migration.card import AnchorCurve, MapCard
from facegeom_lit.migration.method import MapMethod
from facegeom_lit.migration.migration_map import MigrationMap
from facegeom_lit.migration.names import hashed_names
from facegeom_lit.migration.pairs import PairedEmbeddings, people_of, split_people
from facegeom_lit.migration.profile import Profile
from facegeom_lit.migration.ways import RANK1, Judging, measure_ways


def fit_migration(
    anchors: PairedEmbeddings,
    method: MapMethod,
    judging: Judging,
    *,
    judges: float = 0.3,
    figure: str = RANK1,
    gain: float = 0.01,
    versions: Mapping[str, str] | None = None,
    before_fit: Callable[[AnchorCurve], None] = lambda curve: None,
) -> MigrationMap:
    """Fit the map that turns the old model's templates into the new one's.

    A share of the people judges: maps fitted on the others give the curve of the number of anchors
    and the figures to expect. The map itself is then fitted on all of them, and should be no
    worse.

    Args:
        anchors: The same images embedded by both models.
        method: How maps are fitted.
        judging: How they are judged.
        judges: Share of the people that judge, in (0, 1).
        figure: Name of the figure that decides how many anchors are needed.
        gain: Of it, what is too little to be worth more anchors.
        versions: Of the packages, for the card.
        before_fit: Is told how many anchors are needed before the map itself is fitted.

    Returns:
        The map.

    Raises:
        FaceGeomError: When there are too few people or images, or an argument is out of range.
    """
    fits, is_judge = split_people(anchors.labels, judges, judging.seed)
    if (left := len(anchors.labels[fits].unique())) < 2:
        raise FaceGeomError(
            f"A share of {judges:g} of the people judges, which leaves {left} of "
            f"{len(people_of(anchors))} to fit a map on. Give more people, or a smaller share: "
            "judges=…."
        )
    fitting, others = anchors.select(fits), anchors.select(is_judge)
    judge = judging.judge(others)
    curve = anchor_curve(
        fitting, others, judge, method, figure=figure, gain=gain, seed=judging.seed
    )
    before_fit(curve)
    expected = measure_ways(judge, others, fitted(fitting, method))
    mapping = fitted(anchors, method)
    people = people_of(anchors)
    # Of the fitting people alone: what others read in it is then what a new gallery will.
    profile = Profile.of(fitting.old)
    card = MapCard(
        *anchors.sides,
        flip=anchors.flip,
        method=mapping.method,
        ridge=mapping.ridge,
        rank=mapping.rank,
        scale=mapping.scale,
        bias=mapping.bias,
        images=len(anchors),
        people=len(people),
        judged_images=len(others),
        judged_people=len(people_of(others)),
        anchors=anchors.hash,
        expected=expected.measured,
        lost=expected.lost,
        recovered=expected.recovered,
        curve=curve,
        held_out=profile.read(others.old),
        level=judging.level,
        seed=judging.seed,
        versions=dict(versions or {}),
    )
    return MigrationMap(mapping, profile, hashed_names(people), card)


def fitted(pairs: PairedEmbeddings, method: MapMethod) -> AffineMap:
    """The map of these pairs."""
    sums = AffineAccumulator()
    sums.update(pairs.old, pairs.new, pairs.labels)
    return method.solve(sums)
