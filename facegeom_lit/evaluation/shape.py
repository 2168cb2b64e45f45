"""The shape of one face model's clouds of embeddings: dimension, spectrum, persistence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from tqdm import tqdm

from facegeom_lit.geometry.macroscale.modalities import WITH, WITHOUT, modalities
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.shape.clouds import CENTRES, clouds, identity_clouds
from facegeom_lit.geometry.shape.ph_dimension import FEWEST, ph_dimension
from facegeom_lit.geometry.shape.spectra import Spectrum, pca_spectrum
from facegeom_lit.geometry.shape.topology import persistence_diagrams

Clouds = Literal["none", "clouds", "all"]
"""Which clouds are looked at, see `measure_shape`."""


@dataclass(frozen=True)
class CloudShape:
    """One cloud.

    Attributes:
        points: How many.
        dimension: By persistent homology; None where undefined or for want of points.
        error: Its standard error.
        spectrum: Of its covariance.
    """

    points: int
    dimension: float | None
    error: float | None
    spectrum: Spectrum


@dataclass(frozen=True)
class Shape:
    """The clouds of one model.

    Attributes:
        clouds: By name, see `facegeom_lit.geometry.shape.clouds.clouds`; those of single people are
            called `person NUMBER`.
        diagrams: Births and deaths by homology dimension, each (P, 2), of the identity centres.
        notes: What a reader must know.
    """

    clouds: dict[str, CloudShape]
    diagrams: tuple[Tensor, ...]
    notes: tuple[str, ...]


def measure_shape(
    embeddings: Tensor,
    identity: Tensor,
    attributes: Mapping[str, Tensor],
    distance: Distance,
    which: Clouds,
    homology: int,
    seed: int,
) -> Shape:
    """Measure the clouds of a face model.

    Args:
        embeddings: One for each image of the set, shape (N, D), raw.
        identity: Person of each image, int64 (N,).
        attributes: Values by attribute, each (N,), NaN where unknown; for `all`.
        distance: The model's own distance.
        which: `clouds`: all images, the identity centres, the images less their centre. `all`:
            these, each modality of each attribute, and each person with at least `FEWEST` images.
        homology: Highest dimension of the persistence diagrams; above 0 needs the extra.
        seed: Of the random samples and choices.

    Raises:
        FaceGeomError: When an embedding is not finite, or the extra is not installed.
    """
    signs = {n: _signs(v) for n, v in attributes.items()} if which == "all" else {}
    found = clouds(embeddings, identity, signs, distance=distance)
    if which == "all":
        people = identity_clouds(embeddings, identity, fewest=FEWEST, distance=distance)
        found |= {f"person {number}": cloud for number, cloud in people.items()}
    shapes: dict[str, CloudShape] = {}
    for name, cloud in tqdm(found.items(), desc="shape", unit=" clouds", delay=1, leave=False):
        dimension = error = None
        if len(cloud) >= FEWEST:
            # The clouds are placed already: normalised where the model is compared by cosine.
            estimate = ph_dimension(cloud, distance="euclidean", seed=seed)
            dimension, error = estimate.value, estimate.error
        if len(cloud) > 1:
            shapes[name] = CloudShape(len(cloud), dimension, error, pca_spectrum(cloud))
    small = sum(len(cloud) < FEWEST for cloud in found.values())
    notes = [f"{small} clouds have fewer than {FEWEST} points: no dimension"] if small else []
    diagrams: tuple[Tensor, ...] = ()
    if len(found[CENTRES]) > 1:
        diagrams = persistence_diagrams(
            found[CENTRES], distance="euclidean", homology=homology, seed=seed
        )
    return Shape(shapes, diagrams, tuple(notes))


def _signs(values: Tensor) -> Tensor:
    """1 with the attribute, −1 without, 0 between or unknown; (N,)."""
    found = modalities(values)
    signs = torch.zeros(len(values))
    if found is not None:
        signs[found.level == WITH], signs[found.level == WITHOUT] = 1.0, -1.0
    return signs
