"""How well maps carry identity between the fine-tuned model and frozen ones, in validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facegeom_lit.callbacks.alignment_figures import judge_settings, logged_names
from facegeom_lit.callbacks.evaluation import EvaluationCallback, Measurement, distance_of
from facegeom_lit.callbacks.recovered_change import recovered_difference
from facegeom_lit.callbacks.space_similarity import INDICES, space_similarity
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.ladders import ladders
from facegeom_lit.evaluation.alignment.maps import map_choices
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import NATIVE, RECOVERED, UNALIGNED, Ladder
from facegeom_lit.evaluation.alignment.section_settings import chosen_map
from facegeom_lit.evaluation.alignment.sets import AlignmentSet, Space
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings, LadderSettings
from facegeom_lit.geometry.alignment.judging import Judged, difference, recovered
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.models import FaceModel
from facegeom_lit.models.embed import embed_cached
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData

KEY = "callbacks.cross_model_alignment"
ORIGINAL = "original"
"""Name of the untouched model that the run starts from, always the first of the references."""

TUNED = "tuned"
"""Name of the model of the run, beside those of the references."""

TO, FROM = "to", "from"
RESAMPLES = 1000
"""Draws of people for intervals, which only the record holds."""

Key = tuple[str, str, str]
"""Reference, map, direction."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """What one validation's figures were computed from.

    Args:
        tuned: What the fine-tuned model makes of the images.
        judged: What every map gave, `native` and `none` among them.
        ladders: Rank and anchors curves; none but in the measurements of the record.
    """

    tuned: Space
    judged: Mapping[Key, Judged]
    ladders: tuple[Ladder, ...] = ()


class CrossModelAlignment(EvaluationCallback):
    """Fits maps on some people and judges them on the others.

    Logs `val/align/<reference>/<map>/<direction>/<figure>`. Direction `to`: probes of the
    fine-tuned model, mapped, against the reference's own gallery; `from`: the other way round. The
    map `native` is the gallery's model on both sides, `none` no map, and `recovered` = (aligned −
    unaligned) / (native − unaligned) of rank-1 (Rubab, Tong, Ross, arXiv 2604.07282). Beside them
    `val/align/<reference>/<index>`: `cka`, `mutual_knn`, `procrustes_disparity`.

    The model that the run started from is always a reference, `original`. This is backward
    compatibility: `original/none/to` searches its old gallery with new probes as they are,
    `original/ridge/to` with mapped ones; `original/native/to` is what it was, and
    `original/native/from` what the new model reaches with everybody enrolled again.

    Args:
        maps: Methods, or mappings with `method` and its own options (see `map_choices`); no map is
            always measured.
        figures: What is logged of each; see `logged_names`.
        bias: Centre both sides before fitting.
        scale: Let `procrustes` scale too.
        ridge: λ ≥ 0, "kfold" (over people) or "gcv"; None: kfold, or gcv where people are too few.
        rank: Of `low_rank`; None: chosen.
        fit_share: Share of the people that the maps are fitted on, in (0, 1).
        seed: Of the split of the people, and of the anchors curve.

    Raises:
        FaceGeomError: When an argument is unknown or out of range.
    """

    kind = "alignment"
    compares = True

    def __init__(
        self,
        maps: Sequence[str | Mapping[str, Any]] = ("none", "procrustes", "linear", "ridge"),
        figures: Sequence[str] = ("rank1", "auc", "tar@1e-2", RECOVERED),
        bias: bool = True,
        scale: bool = False,
        ridge: float | str | None = None,
        rank: int | None = None,
        fit_share: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        options = {"bias": bias, "scale": scale, "ridge": ridge, "rank": rank}
        try:
            choices = map_choices(maps, options)
        except FaceGeomError as error:
            raise FaceGeomError(f"{KEY}: {error}") from error
        self.figures = logged_names(f"{KEY}.figures", figures)
        if not isinstance(fit_share, int | float) or not 0 < fit_share < 1:
            raise FaceGeomError(f"{KEY}.fit_share must lie between 0 and 1, got {fit_share!r}.")
        self._settings = AlignmentSettings(
            maps=choices,
            fit_share=fit_share,
            judge=judge_settings(self.figures),
            ladders=LadderSettings(maps=(chosen_map(choices, None).name,), subsets=1),
            seed=seed,
        )

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the maps that are fitted."""
        return tuple(choice.name for choice in self._settings.maps)

    def check(self, references: Mapping[str, FaceModel]) -> None:
        """Refuse a rank that is more than the dimensions of a model."""
        own = references[ORIGINAL].card.dimension
        for name, model in references.items():
            most = min(own, model.card.dimension)
            for choice in self._settings.maps:
                if choice.rank is not None and choice.rank > most:
                    raise FaceGeomError(
                        f"{KEY}: {choice.name} has rank {choice.rank}, more than the {most} "
                        f"dimensions of a map to or from {name!r}. Choose at most {most}, or null."
                    )

    def connect(self, data: RunData, references: Mapping[str, FaceModel], cache: Path) -> None:
        """Split the people and embed the images with every reference, once."""
        self._name = data.verification_set
        self._faces = data.evaluation[self._name]
        empty = self._set({})
        for name, model in references.items():
            embeddings = embed_cached(model, self._faces, cache)
            empty.add(name, embeddings, model.card.distance)  # type: ignore[arg-type]
        self._references = dict(empty.spaces)

    def measure(self, module: FineTuneModule) -> Measurement:
        """Fit and judge every map; the detail is an `Aligned`."""
        data = self._set(self._references)
        data.add(TUNED, module.embeddings(self._name), distance_of(module))
        judged = self._judged(data, TUNED)
        metrics = self._metrics(judged)
        tuned = data.spaces[TUNED]
        notes = []
        for name, other in self._references.items():
            indices: Mapping[str, float | None]
            try:
                indices = space_similarity(data.judging, tuned, other)
            except FaceGeomError as error:  # a model that collapses must not end a long run
                indices = dict.fromkeys(INDICES)
                notes.append(f"{self._name}: no similarity with {name}. {error}")
            metrics |= {f"val/align/{name}/{index}": value for index, value in indices.items()}
        unsupported = [
            figure
            for figure in self.figures
            if figure != RECOVERED and any(each.value(figure) is None for each in judged.values())
        ]
        people = data.facts["judging_people"]
        notes += [
            f"{self._name}: {people} people who judge maps are too few for {figure}"
            for figure in unsupported
        ]
        return Measurement(metrics, Aligned(tuned, judged), notes)

    def completed(self, measurement: Measurement) -> Measurement:
        """Add the rank and anchors curves."""
        detail: Aligned = measurement.detail
        data = self._set({**self._references, TUNED: detail.tuned})
        settings = replace(self._settings, judge=replace(self._settings.judge, resamples=RESAMPLES))
        found = tuple(
            ladder
            for name in self._references
            for ladder in ladders(Pair(TUNED, name, [data]), settings)
        )
        return replace(
            measurement,
            detail=replace(detail, ladders=found),
            tables=measurement.tables | {"alignment_curves": [_curve(each) for each in found]},
        )

    def differences(self, before: Measurement, after: Measurement) -> dict[str, Interval]:
        """Compare every figure over the same draws of people."""
        # No reference has such a name.
        tuned = {f"{TUNED}/before": before.detail.tuned, f"{TUNED}/after": after.detail.tuned}
        data = self._set(self._references, RESAMPLES)
        for name, space in tuned.items():
            data.spaces[name] = replace(space, model=name)
        was, now = (self._judged(data, name) for name in tuned)
        intervals: dict[str, Interval] = {}
        for key, judged in now.items():
            for figure in self._figures_of(key):
                intervals[_logged(key, figure)] = (
                    recovered_difference(_trio(now, key), _trio(was, key))
                    if figure == RECOVERED
                    else difference(judged, was[key], figure)
                )
        return {name: found for name, found in intervals.items() if found.value is not None}

    def _set(self, spaces: Mapping[str, Space], resamples: int = 0) -> AlignmentSet:
        """Return the images, some people fitting and others judging, as these models see them."""
        data = AlignmentSet(
            self._name,
            self._faces.labels,
            tuple(self._faces.classes),
            fit_share=self._settings.fit_share,
            settings=replace(self._settings.judge, resamples=resamples),
            seed=self._settings.seed,
        )
        data.spaces |= spaces
        return data

    def _judged(self, data: AlignmentSet, model: str) -> dict[Key, Judged]:
        """Judge every map between a model and each reference, both ways."""
        judged: dict[Key, Judged] = {}
        judging = data.judging
        for name in self._references:
            pair = Pair(model, name, [data])
            for direction, source in ((TO, model), (FROM, name)):
                spaces = pair.spaces(data, source)
                judged[name, NATIVE, direction] = judging.native(spaces[1])
                judged[name, UNALIGNED, direction] = judging.unaligned(*spaces)
                for choice in self._settings.maps:
                    mapping = pair.map(data, source, choice)
                    judged[name, choice.name, direction] = judging.mapped(mapping, *spaces)
        return judged

    def _metrics(self, judged: Mapping[Key, Judged]) -> dict[str, float | None]:
        """Return every figure by its logged name."""
        return {
            _logged(key, figure): recovered(*_trio(judged, key)).value
            if figure == RECOVERED
            else found.value(figure)
            for key, found in judged.items()
            for figure in self._figures_of(key)
        }

    def _figures_of(self, key: Key) -> list[str]:
        """Return what is logged of a map: a share that is recovered, of fitted ones alone."""
        fitted = key[1] not in (NATIVE, UNALIGNED)
        return [figure for figure in self.figures if fitted or figure != RECOVERED]


def _logged(key: Key, figure: str) -> str:
    return "/".join(("val/align", *key, figure))


def _trio(judged: Mapping[Key, Judged], key: Key) -> tuple[Judged, Judged, Judged]:
    """Return what a map, no map, and the native probes gave in its direction."""
    name, _, direction = key
    return judged[key], judged[name, UNALIGNED, direction], judged[name, NATIVE, direction]


def _curve(ladder: Ladder) -> dict[str, Any]:
    """Return a curve as it stands in a run's record."""
    return {
        "source": ladder.source,
        "target": ladder.target,
        "kind": ladder.kind,
        "map": ladder.map,
        "steps": list(ladder.steps),
        "rank1": [figure.value for figure in ladder.figures],
        "low": [figure.low for figure in ladder.figures],
        "high": [figure.high for figure in ladder.figures],
        "native": ladder.native,
        "unaligned": ladder.unaligned,
    }
