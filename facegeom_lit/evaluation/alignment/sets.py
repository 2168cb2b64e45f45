"""The sets that models are aligned on: who fits maps, who judges them, what each model sees."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.once import Once
from facegeom_lit.evaluation.alignment.settings import JudgeSettings
from facegeom_lit.evaluation.attribute_sets import LabelledAttributes
from facegeom_lit.evaluation.lattices import LatticeCurves
from facegeom_lit.geometry.alignment.affine import AffineMap
from facegeom_lit.geometry.alignment.judging import Judge, Judged
from facegeom_lit.geometry.points import Distance, check_points

FEWEST = 2
"""People who must fit, and who must judge."""
FEWEST_IMAGES = 4
"""Images that must judge."""


@dataclass(frozen=True)
class Space:
    """What a model makes of the images of a set.

    Attributes:
        model: Its name.
        points: As they are compared: of length 1 for the cosine; float32 (N, D).
        distance: The model's own distance.
    """

    model: str
    points: Tensor
    distance: Distance

    @property
    def dimension(self) -> int:
        """D."""
        return self.points.shape[1]

    @cached_property
    def hash(self) -> str:
        """Of the points and the distance."""
        content = self.points.cpu().contiguous().numpy().tobytes()
        return sha256(f"{self.distance} {tuple(self.points.shape)} ".encode() + content).hexdigest()


class Judging:
    """The images of a set that judge, with what was measured of whole models on them.

    Args:
        rows: Rows of the set, increasing, (J,).
        labels: Person of each, (J,).
        settings: How maps are judged.
    """

    def __init__(self, rows: Tensor, labels: Tensor, settings: JudgeSettings) -> None:
        self.rows, self.labels = rows, labels
        self.judge = Judge(labels, **asdict(settings))
        self._known: dict[tuple[str, str], Judged] = {}

    def of(self, space: Space) -> Tensor:
        """A model's embeddings of the judging images, (J, D)."""
        return space.points[self.rows]

    def mapped(self, mapping: AffineMap, source: Space, target: Space) -> Judged:
        """The source's probes, mapped, against the target's own gallery."""
        return self.judge.measure(mapping(self.of(source)), self.of(target), target.distance)

    def native(self, space: Space) -> Judged:
        """A model's own probes against its own gallery."""
        return self.unaligned(space, space)

    def unaligned(self, source: Space, target: Space) -> Judged:
        """The source's probes as they are, zero-padded or cut, in the target's gallery."""
        key = source.model, target.model
        if key not in self._known:
            self._known[key] = self.judge.measure(
                unmapped(self.of(source), target.dimension), self.of(target), target.distance
            )
        return self._known[key]


def unmapped(points: Tensor, dimension: int) -> Tensor:
    """Points (N, p) as points of another number of dimensions: cut, or filled up with zeros."""
    return torch.nn.functional.pad(points, (0, dimension - points.shape[1]))


class AlignmentSet:
    """Images of people, some of whom fit maps while the others judge them.

    Who fits is drawn by a hash of the seed and the person's name, so that it depends neither on the
    order of the rows nor on the other sets: a person of two sets is on one side in both, but for
    few at the border, whom `judging_for` leaves out.

    Args:
        name: Of the set.
        labels: Person of each image, int64 (N,).
        people: Name of each person, in the order of the labels.
        fit_share: Share of the people who fit, in (0, 1).
        settings: How maps are judged.
        seed: Of who fits.
        labelled: What is known of attributes of the images.
        curves: Rows along which one attribute moves.

    Attributes:
        fit: Rows that maps are fitted on, (F,).
        groups: Person of each of them, from 0, (F,).
        fitting_people: Their names.
        judging: All images of the other people.
        spaces: By the name of the model.
        once: Keeps what was measured of single models for all of their pairs.

    Raises:
        FaceGeomError: When too few people or images would fit or judge.
    """

    def __init__(
        self,
        name: str,
        labels: Tensor,
        people: tuple[str, ...],
        *,
        fit_share: float,
        settings: JudgeSettings,
        seed: int,
        labelled: LabelledAttributes | None = None,
        curves: LatticeCurves | None = None,
    ) -> None:
        self.name, self.labels, self.people = name, labels, people
        self.labelled, self.curves, self.once = labelled, curves, Once()
        self._settings = settings
        present = labels.unique()
        drawn = sorted(present.tolist(), key=lambda i: _draw(seed, people[i]))
        fitted = drawn[: round(fit_share * len(drawn))]
        fits = torch.isin(labels, torch.tensor(fitted))
        self.fit, rows = fits.nonzero().flatten(), (~fits).nonzero().flatten()
        self.groups = labels[self.fit].unique(return_inverse=True)[1]
        self.fitting_people = frozenset(people[i] for i in fitted)
        self._check(len(fitted), len(drawn) - len(fitted), rows)
        self.judging = Judging(rows, labels[rows], settings)
        self.spaces: dict[str, Space] = {}
        self._for: dict[str, Judging | None] = {}

    def add(
        self, model: str, embeddings: Tensor, distance: Distance, *, centre: bool = False
    ) -> None:
        """Add what a model makes of the images.

        Args:
            model: Its name.
            embeddings: Shape (N, D), raw.
            distance: The model's own.
            centre: Take away the mean first: of the fitting people alone, so that nothing of the
                judging ones is used.

        Raises:
            FaceGeomError: When a row is not finite, or is zero where a cosine is asked for.
        """
        check_points(f"{model} on {self.name}", embeddings)
        points = embeddings.double()
        if centre:
            points = points - points[self.fit].mean(dim=0)
        if distance == "cosine":
            norms = torch.linalg.vector_norm(points, dim=1, keepdim=True)
            if zero := int((norms == 0).sum()):
                raise FaceGeomError(
                    f"{model} on {self.name}: {zero} of {len(points)} embeddings have length zero "
                    "and so no cosine. Look for dead outputs in the model that made them."
                )
            points = points / norms
        self.spaces[model] = Space(model, points.float(), distance)

    def judging_for(self, fitted: AlignmentSet) -> Judging | None:
        """The judging images for maps that were fitted on another set.

        Images of people who fitted there are left out. None where too few would judge.
        """
        if fitted is self:
            return self.judging
        if fitted.name not in self._for:
            known = self.shared_with(fitted)
            self._for[fitted.name] = self._without(known) if known else self.judging
        return self._for[fitted.name]

    def shared_with(self, fitted: AlignmentSet) -> set[str]:
        """Names of judging people who fit maps of another set."""
        judging = {self.people[i] for i in self.judging.labels.unique().tolist()}
        return judging & fitted.fitting_people

    @property
    def facts(self) -> dict[str, int]:
        """What there is of models, people and images."""
        judging = self.judging.labels
        fitting = len(self.fitting_people)
        return {
            "models": len(self.spaces),
            "people": fitting + len(judging.unique()),
            "images": len(self.labels),
            "fitting_people": fitting,
            "fitting_images": len(self.fit),
            "judging_people": len(judging.unique()),
            "judging_images": len(judging),
            "probes": len(self.judging.judge.probes),
        }

    @cached_property
    def hash(self) -> str:
        """Of who is on which image and of what is known of it; not of the images."""
        found = sha256(json.dumps([self.name, self.people]).encode())
        found.update(self.labels.contiguous().numpy().tobytes())
        for known in (self.labelled and self.labelled.values, self.curves and self.curves.rows):
            for name, values in (known or {}).items():
                found.update(name.encode() + values.contiguous().numpy().tobytes())
        return found.hexdigest()

    def _without(self, names: set[str]) -> Judging | None:
        known = torch.tensor([i for i, who in enumerate(self.people) if who in names])
        stays = ~torch.isin(self.judging.labels, known)
        labels = self.judging.labels[stays]
        people = len(labels.unique())
        if people < FEWEST or len(labels) in (people, 0):
            return None
        return Judging(self.judging.rows[stays], labels, self._settings)

    def _check(self, fitting: int, judging: int, rows: Tensor) -> None:
        people = len(self.labels[rows].unique())
        if min(fitting, judging) < FEWEST:
            raise FaceGeomError(
                f"{self.name} has {fitting + judging} people, too few: {fitting} would fit maps "
                f"and {judging} judge them; each side needs at least {FEWEST}. Add people, or "
                "change fit_share."
            )
        if len(rows) == people or len(rows) < FEWEST_IMAGES:
            raise FaceGeomError(
                f"{self.name}: the {people} people who judge have {len(rows)} images; they need "
                f"at least {FEWEST_IMAGES}, one person at least two. Add images, or change "
                "fit_share or seed."
            )


def _draw(seed: int, name: str) -> bytes:
    return sha256(f"{seed} {name}".encode()).digest()
