from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis import processes
from facegeom_lit.synthesis.maker import RendererMaker
from facegeom_lit.synthesis.photometric import apply
from facegeom_lit.synthesis.recipe import Recipe
from facegeom_lit.synthesis.writer import generate


def test_samples_do_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = Recipe("lattice", 1, nodes=2, measured=("pose", "brightness", "noise")).samples()
    two = RendererMaker(processes=2)
    rendered: list[int] = []
    render = two.faces
    monkeypatch.setattr(two, "faces", lambda part: rendered.append(len(part)) or render(part))
    together = two.render(samples)
    assert rendered == [2 * 3]  # middle and two poses of each node: the rest is photometric
    for sample, image in zip(samples, together, strict=True):
        assert image.shape == (112, 112, 3)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(RendererMaker(1).render([sample])[0], image)
    plain = Recipe("training", 1, images_per_identity=1).samples()[0]
    other = replace(plain, attributes={**plain.attributes, "hue": 9.0})
    face, turned = two.render([plain, other])
    np.testing.assert_array_equal(turned, apply("hue", face, 9.0, plain.seed))


def test_bytes_repeat(tmp_path: Path) -> None:
    recipe = Recipe("training", 2, images_per_identity=3, attribute="age")
    hashes = {
        generate(recipe, tmp_path / str(n), RendererMaker(1), False, shard_rows=n).hash
        for n in (2, 5)
    }
    assert len(hashes) == 1


def test_the_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.os, "cpu_count", lambda: 128)
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda pid: {5, 70}, raising=False)
    assert RendererMaker(None)._processes.count == 2
    monkeypatch.delattr(processes.os, "sched_getaffinity")
    assert RendererMaker(None)._processes.count == 128
    with pytest.raises(FaceGeomError, match="processes must be positive, got 0"):
        RendererMaker(0)
