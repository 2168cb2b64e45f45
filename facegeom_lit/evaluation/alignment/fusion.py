"""Several models as one, against the best single one of them (GEOMETRY §3), on new people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Fusion
from facegeom_lit.evaluation.alignment.section_settings import chosen_map
from facegeom_lit.evaluation.alignment.sets import AlignmentSet, Space
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
from facegeom_lit.geometry.alignment.judging import Judge, difference
from facegeom_lit.geometry.alignment.score_moments import ScoreMoments, score_moments
from facegeom_lit.geometry.points import Distance, normalized

Group = tuple[str, ...]


def fusions(data: AlignmentSet, settings: AlignmentSettings) -> list[Fusion]:
    """Fuse models in every way, and judge each ensemble as a model of its own.

    Constants, maps and the choice of the best single model are of the fitting people alone.
    """
    fitting = _fitting_judge(data)
    if fitting is None or len(data.spaces) < 2 or settings.fusion.groups == ():
        return []
    ensembles = Ensembles(data, fitting, settings)
    groups = _groups(tuple(data.spaces), ensembles.order, settings)
    jobs = [(group, method) for group in groups for method in METHODS]
    found = []
    for group, method in tqdm(jobs, desc="ensembles", unit=" ensembles", leave=False):
        best = next(model for model in ensembles.order if model in group)
        points, distance, common = METHODS[method](ensembles, group)
        fused = data.judging.judge.measure(points, points, distance)
        single = data.judging.native(data.spaces[best])
        found.append(
            Fusion(
                data.name,
                method,
                group,
                common,
                fused.intervals(),
                best,
                single.intervals(),
                {name: difference(fused, single, name) for name in fused.figures},
            )
        )
    return found


def fusion_notes(data: AlignmentSet, settings: AlignmentSettings) -> list[str]:
    """Which ensembles a set cannot have."""
    wanted = settings.fusion.groups
    if wanted == () or len(data.spaces) < 2:
        return []
    if _fitting_judge(data) is None:
        return [
            f"{data.name}: no ensembles, for no fitting person has two images, so nothing tells "
            "which model is the best"
        ]
    return [
        f"{data.name}: no ensemble of {', '.join(group)}, for {absent[0]} is not in it"
        for group in wanted or ()
        if (absent := [model for model in group if model not in data.spaces])
    ]


class Ensembles:
    """Makes the templates of ensembles.

    Args:
        data: The set with its models.
        fitting: Judge of its fitting images.
        settings: Of the map into a common space.

    Attributes:
        order: All models, the best on the fitting people first: by rank-1, then by AUC.
    """

    def __init__(self, data: AlignmentSet, fitting: Judge, settings: AlignmentSettings) -> None:
        self._data, self._fitting = data, fitting
        self._choice = chosen_map(settings.maps, settings.fusion.map)
        self._mapped: dict[tuple[str, str], Tensor] = {}
        self.order = sorted(data.spaces, key=self._fitting_figures, reverse=True)

    def scores(self, group: Group) -> tuple[Tensor, Distance, str]:
        """Sum of the models' scores, each divided by its spread.

        A score is −|a − b|²: under the cosine 2 cos − 2. The spread is that between different
        fitting people, as of z-scores (Jain, Nandakumar & Ross 2005); what z-scores take away is
        the same for all pairs, and changes no rank and no curve.
        """
        spread = self._moments(group).spread
        weights = torch.where(spread > 0, 1 / spread, 0.0)
        return self._side_by_side(group, weights), "euclidean", ""

    def weighted_scores(self, group: Group) -> tuple[Tensor, Distance, str]:
        """Sum of the models' scores with weights that part the fitting people best (Fisher's)."""
        return self._side_by_side(group, self._moments(group).discriminant()), "euclidean", ""

    def concatenation(self, group: Group) -> tuple[Tensor, Distance, str]:
        """Normalised templates side by side, compared as one: no map and no spread.

        Templates of a Euclidean model are divided by their root-mean-square distance from their
        mean over the fitting people, which makes them about as long as normalised ones.
        """
        spaces = [self._data.spaces[model] for model in group]
        squares = [
            1.0 if space.distance == "cosine" else float(self._fit(space).double().var(0).sum())
            for space in spaces
        ]
        weights = torch.tensor([1 / square if square else 0.0 for square in squares])
        return self._side_by_side(group, weights), "euclidean", ""

    def features(self, group: Group) -> tuple[Tensor, Distance, str]:
        """Mean of the templates in the space of the group's best model, normalised first there.

        Templates are not normalised where that model's distance is the Euclidean one.
        """
        common = self._data.spaces[next(model for model in self.order if model in group)]
        templates = [self._in(common, self._data.spaces[model]) for model in group]
        if common.distance == "cosine":
            templates = [normalized(each) for each in templates]
        return torch.stack(templates).mean(dim=0), common.distance, common.model

    def _fitting_figures(self, model: str) -> tuple[float, float]:
        """Rank-1 and AUC on the fitting people."""
        space = self._data.spaces[model]
        points = self._fit(space)
        figures = self._fitting.measure(points, points, space.distance).figures
        return figures["rank1"] or 0.0, figures["auc"] or 0.0

    def _in(self, common: Space, space: Space) -> Tensor:
        """Templates of the judging images in another model's space, (J, D)."""
        own = self._data.judging.of(space).double()
        if space is common:
            return own
        key = space.model, common.model
        if key not in self._mapped:
            pair = Pair(*key, [self._data])
            self._mapped[key] = pair.map(self._data, space.model, self._choice)(own)
        return self._mapped[key]

    def _side_by_side(self, group: Group, weights: Tensor) -> Tensor:
        """Templates of the judging images, each model's times √weight, (J, ΣD).

        Their squared distances are Σ weight · |a_m − b_m|², so they are compared by the Euclidean
        distance as the weighted sums of the models' scores are.
        """
        spaces = [self._data.judging.of(self._data.spaces[model]).double() for model in group]
        return torch.cat(
            [x * float(weight) ** 0.5 for x, weight in zip(spaces, weights, strict=True)], dim=1
        )

    def _moments(self, group: Group) -> ScoreMoments:
        judge, groups = self._fitting, self._data.groups
        column = torch.empty(len(judge.gallery), dtype=torch.int64)
        column[groups[judge.gallery]] = torch.arange(len(column))
        spaces = [self._fit(self._data.spaces[model]) for model in group]
        return score_moments(
            [x[judge.probes] for x in spaces],
            [x[judge.gallery] for x in spaces],
            column[groups[judge.probes]],
        )

    def _fit(self, space: Space) -> Tensor:
        return space.points[self._data.fit]


METHODS: dict[str, Callable[[Ensembles, Group], tuple[Tensor, Distance, str]]] = {
    "scores": Ensembles.scores,
    "weighted_scores": Ensembles.weighted_scores,
    "features": Ensembles.features,
    "concatenation": Ensembles.concatenation,
}
"""Name → templates of the judging images, their distance, and the model of the common space."""


def _groups(
    models: Sequence[str], order: Sequence[str], settings: AlignmentSettings
) -> Iterator[Group]:
    """The groups that are asked for: all models, and each with the best one, if not said."""
    if settings.fusion.groups is not None:
        yield from (g for g in settings.fusion.groups if set(g) <= set(models))
        return
    yield tuple(models)
    if len(models) > 2:
        yield from ((order[0], other) for other in order[1:])


def _fitting_judge(data: AlignmentSet) -> Judge | None:
    """Judge of the fitting images; None where nobody has two."""
    labels = data.labels[data.fit]
    if len(labels.unique()) == len(labels):
        return None
    return Judge(labels, ks=(1,), fars=(), fpirs=(), resamples=0)
