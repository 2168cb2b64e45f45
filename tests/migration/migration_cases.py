"""Two made-up models of the same people, whose spaces an affine map joins."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from facegeom_lit.migration.card import Side
from facegeom_lit.migration.fitting import fit_migration
from facegeom_lit.migration.method import MapMethod
from facegeom_lit.migration.migration_map import MigrationMap
from facegeom_lit.migration.pairs import PairedEmbeddings
from facegeom_lit.migration.ways import Judging

OLD = Side("first", "a" * 64, 40, "cosine")
NEW = Side("second", "b" * 64, 32, "cosine")
QUICK = Judging((1e-2,), resamples=40)
LATENT = 24


def faces(people: int, images: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What is to be seen of each image, (N, LATENT), and who it shows."""
    g = np.random.default_rng(seed)
    labels = np.arange(people).repeat(images)
    centres = g.normal(size=(people, LATENT)) * np.geomspace(3, 0.5, LATENT)
    return centres[labels] + 0.8 * g.normal(size=(len(labels), LATENT)), labels


def old_of(seen: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    return embedded(seen, 1, OLD.dimension, seed)


def new_of(seen: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    return embedded(seen, 2, NEW.dimension, seed)


def embedded(seen: NDArray[np.float64], model: int, width: int, seed: int) -> NDArray[np.float64]:
    """A random linear model, with a little noise of its own."""
    g = np.random.default_rng(model)
    points = seen @ g.normal(size=(LATENT, width)) + g.normal(size=width)
    return points + 0.3 * np.random.default_rng([model, seed]).normal(size=points.shape)


def pairs(
    people: int = 60,
    images: int = 5,
    seed: int = 0,
    sides: tuple[Side, Side] = (OLD, NEW),
    name: str = "p",
) -> PairedEmbeddings:
    seen, labels = faces(people, images, seed)
    return PairedEmbeddings(
        torch.from_numpy(old_of(seen, seed)).float(),
        torch.from_numpy(new_of(seen, seed)).float(),
        torch.from_numpy(labels),
        tuple(f"{name}{index}" for index in range(people)),
        sides,
        True,
        "c" * 64,
    )


def migration() -> MigrationMap:
    return fit_migration(pairs(), MapMethod(), QUICK, versions={"facegeom_lit": "0"})
