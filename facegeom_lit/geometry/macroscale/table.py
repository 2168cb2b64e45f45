"""The macroscale of one model: a row for each attribute, and what the rows have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.people import People
from facegeom_lit.geometry.macroscale.probes import FoldsBy
from facegeom_lit.geometry.macroscale.rank_correlation import RankCorrelation, rank_correlation
from facegeom_lit.geometry.macroscale.row import AttributeRow, RowMaker
from facegeom_lit.geometry.points import Distance, check_distance, check_points
from facegeom_lit.geometry.statistics import check_bootstrap

KS_KINDS = ("ks_max", "ks_mean", "ks_weighted", "ks_excess")
ENTROPIES = ("intra_entropy", "inter_entropy")


@dataclass(frozen=True)
class Macroscale:
    """The table of one model.

    Args:
        rows: One for each attribute, in the order given.
        spearman: Rank correlation over the attributes by (KS kind, entropy), such as
            `("ks_mean", "intra_entropy")`; undefined ones are absent.
        draws: KS statistics of the positive and the negative modality in each draw, by attribute,
            each (draws, 2), float64; undefined ones are absent.
        images: Images that were looked at.
        identities: Identities among them.
    """

    rows: list[AttributeRow]
    spearman: dict[tuple[str, str], RankCorrelation]
    draws: dict[str, Tensor]
    images: int
    identities: int

    def __getitem__(self, attribute: str) -> AttributeRow:
        """The row of an attribute.

        Raises:
            KeyError: When there is none.
        """
        for row in self.rows:
            if row.attribute == attribute:
                return row
        raise KeyError(attribute)

    def columns(self) -> dict[str, list[Any]]:
        """The rows as columns by name, for a table on disk."""
        names = [field.name for field in fields(AttributeRow)]
        return {name: [getattr(row, name) for row in self.rows] for name in names}

    def figures(self, name: str) -> Tensor:
        """One figure of every attribute, shape (A,), float64; NaN where it is undefined."""
        values = [getattr(row, name) for row in self.rows]
        return torch.tensor(
            [float("nan") if value is None else value for value in values], dtype=torch.float64
        )

    def spearman_of_draws(self, entropy: str) -> Tensor:
        """Spearman's correlation of the mean KS of single draws with an entropy.

        What a study that draws once might have found; averaging over draws takes noise away and
        moves the correlation from zero.

        Args:
            entropy: `intra_entropy` or `inter_entropy`.

        Returns:
            One for each draw, shape (draws,), float64; empty where it is undefined.
        """
        if not self.draws:
            return torch.zeros(0, dtype=torch.float64)
        drawn = [row.attribute in self.draws for row in self.rows]
        entropies = self.figures(entropy)[drawn]
        means = torch.stack([ks.mean(dim=1) for ks in self.draws.values()], dim=1)
        found = [rank_correlation(draw, entropies, resamples=0) for draw in means]
        return torch.tensor([c.rho for c in found if c is not None], dtype=torch.float64)


@torch.no_grad()
def macroscale_table(
    embeddings: Tensor,
    identity: Tensor,
    attributes: Mapping[str, Tensor],
    *,
    distance: Distance = "cosine",
    per_modality: int = 500,
    draws: int = 10,
    null: bool = True,
    bootstrap: int = 1000,
    permutations: int = 199,
    probes: FoldsBy | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Macroscale:
    """Measure how attributes show in the distances between identities.

    Args:
        embeddings: Raw embeddings, shape (N, D); normalised inside for the cosine.
        identity: Integer identity of each image, shape (N,).
        attributes: A number for each image by attribute, each (N,); NaN marks an unknown one. Two
            different numbers make a binary attribute, more a continuous one.
        distance: The model's own distance.
        per_modality: At most so many identities with an attribute, and as many without.
        draws: How often one image of each is drawn anew.
        null: Also deal the drawn images out at random, for the KS that chance gives so few people.
        bootstrap: Samples for the intervals (of identities for entropies and probes, of
            attributes for the rank correlations); 0: no intervals.
        permutations: For the distance correlation of a continuous attribute; 0: no p.
        probes: How the folds of the probes are made (see `probe_attribute`); None: no probes.
        level: Coverage of the intervals, in (0, 1).
        seed: Of all that is drawn at random.

    Returns:
        The table.

    Raises:
        FaceGeomError: When an argument is out of range, or shapes or embeddings are bad.

    Source: arXiv 2507.11372, section 4.1. The draws, the null, the intervals, continuous
        attributes and folds by identity are ours.
    """
    check_points("embeddings", embeddings)
    check_distance(distance)
    check_bootstrap(max(bootstrap, 1), level)
    _check_labels(len(embeddings), identity, attributes)
    check_draws(per_modality, draws, probes)
    if min(bootstrap, permutations) < 0:
        raise FaceGeomError(
            f"`bootstrap` and `permutations` must be at least 0, got {bootstrap}, {permutations}."
        )
    identity = identity.to(embeddings.device)
    people = People.of(identity)
    maker = RowMaker(
        embeddings=embeddings,
        identity=identity,
        people=people,
        samples=_samples(people.count, bootstrap, seed).to(embeddings.device),
        distance=distance,
        per_modality=per_modality,
        draws=draws,
        null=null,
        permutations=permutations,
        probes=probes,
        level=level,
        seed=seed,
    )
    made = {name: maker.row(name, values) for name, values in attributes.items()}
    table = Macroscale(
        rows=[row for row, _ in made.values()],
        spearman={},
        draws={name: drawn for name, (_, drawn) in made.items() if drawn is not None},
        images=len(embeddings),
        identities=people.count,
    )
    for kind in KS_KINDS:
        for entropy in ENTROPIES:
            sides = table.figures(kind), table.figures(entropy)
            found = rank_correlation(*sides, resamples=bootstrap, level=level, seed=seed)
            if found is not None:
                table.spearman[kind, entropy] = found
    return table


def check_draws(per_modality: int, draws: int, probes: FoldsBy | None) -> None:
    """Raise FaceGeomError unless these arguments of `macroscale_table` are in range."""
    if per_modality < 2 or draws < 1:
        raise FaceGeomError(
            f"`per_modality` must be at least 2 and `draws` at least 1, got {per_modality}, "
            f"{draws}."
        )
    if probes is not None and probes not in get_args(FoldsBy):
        raise FaceGeomError(f"`probes` must be None or one of {get_args(FoldsBy)}, got {probes!r}.")


def _samples(people: int, count: int, seed: int) -> Tensor:
    """How often each identity is drawn in each of `count` bootstrap samples, (count, people)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(people, (count, people), generator=generator)
    counts = torch.zeros(count, people, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones_like(counts))


def _check_labels(images: int, identity: Tensor, attributes: Mapping[str, Tensor]) -> None:
    if identity.shape != (images,):
        raise FaceGeomError(
            f"`identity` must name one for each of {images} embeddings, got shape "
            f"{tuple(identity.shape)}."
        )
    if not attributes:
        raise FaceGeomError("There is no attribute to measure: `attributes` is empty.")
    for name, values in attributes.items():
        if values.shape != (images,) or bool(values.isinf().any()):
            raise FaceGeomError(
                f"Attribute {name!r} must hold one finite number (or NaN) for each of {images} "
                f"embeddings, got shape {tuple(values.shape)} with {int(values.isinf().sum())} "
                "infinite values."
            )
