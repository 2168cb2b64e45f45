"""Embeddings of made-up models whose alignment is known."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from facegeom_lit.evaluation.alignment.section_settings import FusionSettings
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import (
    AlignmentSettings,
    JudgeSettings,
    LadderSettings,
)

FAST = AlignmentSettings(
    judge=JudgeSettings(resamples=40, fars=(0.1,)),
    null_permutations=2,
    neighbors=3,
    similarity_permutations=4,
    ladders=LadderSettings(subsets=2),
    fusion=FusionSettings(groups=()),
)


def made_models(
    people: int = 24, images: int = 4, seed: int = 0
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float32]]]:
    """Make embeddings (N, D) by four models: one, two rotations of it, and an unrelated one.

    `wide` is a rotation into more dimensions. `other` tells people apart as well as the others do,
    but places them anew. The rotations do not depend on the seed, but people do.
    """
    g, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    owner = np.arange(people * images) // images
    latent = g.normal(size=(people, 8))[owner] + 0.15 * g.normal(size=(len(owner), 8))
    unrelated = g.normal(size=(people, 8))[owner] + 0.15 * g.normal(size=(len(owner), 8))
    turn = np.linalg.qr(fixed.normal(size=(8, 8)))[0]
    wide = np.linalg.qr(fixed.normal(size=(12, 12)))[0][:8]
    made = {"one": latent, "turned": latent @ turn, "wide": latent @ wide, "other": unrelated}
    return owner, {name: array.astype(np.float32) for name, array in made.items()}


def made_set(
    name: str = "made",
    models: tuple[str, ...] = ("one", "turned", "wide", "other"),
    *,
    people: int = 24,
    images: int = 4,
    seed: int = 0,
    first: int = 0,
    settings: AlignmentSettings = FAST,
) -> AlignmentSet:
    """Make a set whose people are called p<first>, p<first + 1> …"""
    owner, embeddings = made_models(people, images, seed)
    data = AlignmentSet(
        name,
        torch.from_numpy(owner),
        tuple(f"p{first + i}" for i in range(people)),
        fit_share=settings.fit_share,
        settings=settings.judge,
        seed=settings.seed,
    )
    for model in models:
        data.add(model, torch.from_numpy(embeddings[model]), "cosine")
    return data
