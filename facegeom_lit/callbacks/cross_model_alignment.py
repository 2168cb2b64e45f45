"""How well affine maps carry identity between the fine-tuned model and its references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from facegeom_lit.callbacks.evaluation import (
    EvaluationCallback,
    Measurement,
    distance_of,
    rank1_difference,
)
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import fit
from facegeom_lit.geometry.alignment.solvers import Method
from facegeom_lit.geometry.identification import first_image_gallery, match_ranks
from facegeom_lit.geometry.points import Distance, comparable
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.geometry.verification import score_measures
from facegeom_lit.models import FaceModel
from facegeom_lit.models.embed import embed_cached
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData

NATIVE = "native"
DIRECTIONS = ("to", "from")


@dataclass(frozen=True, slots=True)
class Space:
    """One model's view of the paired images: embeddings as compared, and the distance."""

    points: Tensor
    distance: Distance


class CrossModelAlignment(EvaluationCallback):
    """Fits maps on some identities and judges them on the others.

    Logs `val/align/<reference>/<map>/<direction>/<measure>`. Direction `to`: probes of the
    fine-tuned model, mapped, against the reference's own gallery; `from`: the other way round.
    Measures: `rank1`, `auc`, `tar@1e-2`, and `recovered` = (aligned - unaligned) / (native -
    unaligned) of rank-1. The map `native` is the gallery's model on both sides. (Rubab, Tong,
    Ross, arXiv 2604.07282.)

    Args:
        maps: Of `none`, `procrustes`, `linear`, `ridge`; `none` must be among them.
        bias: Centre both sides before fitting.
        fit_share: Share of the identities that the maps are fitted on, in (0, 1).
        seed: Of the split of the identities.

    Raises:
        FaceGeomError: When an argument is out of range.
    """

    kind = "alignment"

    def __init__(
        self,
        maps: Sequence[Method] = ("none", "procrustes", "linear", "ridge"),
        bias: bool = True,
        fit_share: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        key = "callbacks.cross_model_alignment"
        unknown = [name for name in maps if name not in get_args(Method)]
        if unknown or "none" not in maps:
            raise FaceGeomError(
                f"{key}.maps must hold none, and beside it only {', '.join(get_args(Method))}; got "
                f"{list(maps)}."
            )
        if not 0 < fit_share < 1:
            raise FaceGeomError(f"{key}.fit_share must lie between 0 and 1, got {fit_share}.")
        self.maps: tuple[Method, ...] = tuple(maps)
        self.bias = bias
        self.fit_share = fit_share
        self.seed = seed

    def connect(self, data: RunData, references: Mapping[str, FaceModel], cache: Path) -> None:
        """Split the identities and embed the paired images with every reference, once."""
        faces = data.evaluation[data.verification_set]
        self._set, self._labels = data.verification_set, faces.labels
        people = len(faces.classes)
        order = torch.randperm(people, generator=torch.Generator().manual_seed(self.seed))
        fitted = round(people * self.fit_share)
        if min(fitted, people - fitted) < 2:
            raise FaceGeomError(
                f"{people} identities are too few to fit a map on {fitted} and judge it on "
                f"{people - fitted}; each side needs at least 2."
            )
        fits = torch.isin(self._labels, order[:fitted])
        self._fit, judged = fits.nonzero().flatten(), (~fits).nonzero().flatten()
        self._groups = self._labels[self._fit].unique(return_inverse=True)[1]
        gallery, probes = first_image_gallery(self._labels[judged])
        self._gallery, self._probes = judged[gallery], judged[probes]
        self._references = {
            name: _space(embed_cached(model, faces, cache), model.card.distance)  # type: ignore[arg-type]
            for name, model in references.items()
        }

    def measure(self, module: FineTuneModule) -> Measurement:
        """Judge every map; the detail is the rank of each probe by (reference, map, direction)."""
        own = _space(module.embeddings(self._set), distance_of(module))
        metrics: dict[str, float | None] = {}
        ranks: dict[tuple[str, str, str], Tensor] = {}
        for name, other in self._references.items():
            for direction, (source, target) in zip(
                DIRECTIONS, ((own, other), (other, own)), strict=True
            ):
                rank1 = {}
                for kind in (NATIVE, *self.maps):
                    probes = self._mapped(source, target, kind)
                    found, measures = self._judge(probes, target)
                    ranks[name, kind, direction] = found
                    rank1[kind] = float((found == 1).double().mean())
                    prefix = f"val/align/{name}/{kind}/{direction}"
                    metrics[f"{prefix}/rank1"] = rank1[kind]
                    metrics |= {f"{prefix}/{key}": value for key, value in measures.items()}
                room = rank1[NATIVE] - rank1["none"]
                for kind in self.maps:
                    if kind != "none" and room > 0:
                        metrics[f"val/align/{name}/{kind}/{direction}/recovered"] = (
                            rank1[kind] - rank1["none"]
                        ) / room
        return Measurement(metrics, ranks)

    def _mapped(self, source: Space, target: Space, kind: str) -> Tensor:
        """Return the probes in the target's space."""
        if kind == NATIVE:
            return target.points[self._probes]
        mapping = fit(
            source.points[self._fit],
            target.points[self._fit],
            method=kind,  # type: ignore[arg-type]
            bias=self.bias if kind != "none" else None,
            groups=self._groups,
        )
        return mapping(source.points[self._probes])

    def _judge(self, probes: Tensor, target: Space) -> tuple[Tensor, dict[str, float | None]]:
        """Return the rank of each probe and the measures of all probe-gallery pairs."""
        gallery = target.points[self._gallery]
        probe_labels, gallery_labels = self._labels[self._probes], self._labels[self._gallery]
        ranks = match_ranks(gallery, gallery_labels, probes, probe_labels, distance=target.distance)
        placed = comparable(torch.cat([gallery, probes]), target.distance)
        distances = torch.cdist(placed[len(gallery) :], placed[: len(gallery)])
        same = probe_labels[:, None] == gallery_labels[None]
        measures = score_measures(-distances.flatten(), same.flatten(), (1e-2,))
        return ranks, {key: measures[key] for key in ("auc", "tar@1e-2")}

    def differences(self, before: Measurement, after: Measurement) -> dict[str, Interval]:
        """Compare rank-1, paired by identity."""
        labels = self._labels[self._probes]
        return {
            f"val/align/{name}/{kind}/{direction}/rank1": rank1_difference(
                before.detail[name, kind, direction], ranks, labels
            )
            for (name, kind, direction), ranks in after.detail.items()
        }


def _space(embeddings: Tensor, distance: Distance) -> Space:
    """Return embeddings as the model's users compare them."""
    return Space(comparable(embeddings, distance), distance)
