from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthesis.prior.tiny import save_tiny_prior

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.photometric import apply
from facegeom_lit.synthesis.prior.maker import DiffusionMaker
from facegeom_lit.synthesis.recipe import Recipe


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_prior(tmp_path_factory.mktemp("prior"))


def test_a_face_does_not_depend_on_batch_and_processes(model: Path) -> None:
    samples = Recipe("lattice", 2, nodes=2, measured=("pose", "brightness")).samples()
    together = DiffusionMaker(model, steps=2, processes=2).render(samples)
    for sample, image in zip(samples, together, strict=True):
        alone = DiffusionMaker(model, steps=2, processes=1, batch_size=3).render([sample])[0]
        np.testing.assert_array_equal(alone, image)
    middle, brighter = together[0], together[4]
    assert samples[4].moving == "brightness"
    value = samples[4].attributes["brightness"]
    plain = DiffusionMaker(model, steps=2, processes=1).faces([samples[0]])[0]
    np.testing.assert_array_equal(brighter, apply("brightness", plain, value, samples[4].seed))
    assert not np.array_equal(middle, brighter)


def test_version_follows_what_decides_a_pixel(model: Path) -> None:
    version = DiffusionMaker(model, steps=2, processes=1).version
    assert DiffusionMaker(model, steps=2, processes=2, batch_size=7).version == version
    assert DiffusionMaker(model, steps=3, processes=1).version != version
    assert DiffusionMaker(model, steps=2, attribute_scale=2.0, processes=1).version != version


def test_bad_settings(model: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"synthesis\.maker\.steps must be at least 1, got 0"):
        DiffusionMaker(model, steps=0)
    with pytest.raises(FaceGeomError, match=r"identity_scale must be a number, got 'abc'"):
        DiffusionMaker(model, identity_scale="abc")  # type: ignore[arg-type]
    with pytest.raises(FaceGeomError, match=r"holds no prior\. Train one"):
        DiffusionMaker(tmp_path)
