from __future__ import annotations

import torch

from facegeom_lit.evaluation.shape import measure_shape
from facegeom_lit.geometry.shape.ph_dimension import FEWEST

PEOPLE, IMAGES, D = 10, FEWEST + 8, 8


def test_clouds_of_faces() -> None:
    g = torch.Generator().manual_seed(0)
    identity = torch.arange(PEOPLE).repeat_interleave(IMAGES)
    # People lie on a line, their images fill a plane beside it.
    embeddings = torch.zeros(len(identity), D)
    embeddings[:, 0] = 10 * identity
    embeddings[:, 1:3] = torch.rand(len(identity), 2, generator=g)
    found = measure_shape(embeddings, identity, {}, "euclidean", "clouds", 0, 0)
    assert list(found.clouds) == ["all images", "identity centres", "within identities"]
    within, centres = found.clouds["within identities"], found.clouds["identity centres"]
    assert within.points == PEOPLE * IMAGES
    assert within.dimension is not None
    assert 1.7 < within.dimension < 2.3
    assert within.spectrum.components(0.999) == 2
    assert (centres.points, centres.dimension) == (PEOPLE, None)
    assert centres.spectrum.components(0.99) == 1
    assert found.notes == (f"1 clouds have fewer than {FEWEST} points: no dimension",)
    (components,) = found.diagrams
    deaths = components[:-1, 1]
    torch.testing.assert_close(deaths, torch.full_like(deaths, 10.0), atol=0.1, rtol=0)
    half = torch.where(embeddings[:, 1] > 0.5, 1.0, -1.0)
    everything = measure_shape(
        embeddings,
        identity,
        {"right": half, "flat": torch.ones(len(half))},
        "euclidean",
        "all",
        0,
        0,
    )
    assert everything.clouds["right +"].points == int((half > 0).sum())
    assert not any(name.startswith("flat") for name in everything.clouds)
    assert everything.clouds["person 3"].points == IMAGES
