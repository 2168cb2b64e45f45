from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.shape.clouds import clouds, identity_clouds
from facegeom_lit.geometry.shape.spectra import Spectrum, cloud_spectra, pca_spectrum


@pytest.mark.parametrize("shape", [(200, 12), (12, 200), (2, 5), (5, 1)])
def test_the_spectrum_is_numpy_s(shape: tuple[int, int]) -> None:
    points = np.random.default_rng(0).standard_normal(shape) * 3 + 100
    found = pca_spectrum(torch.from_numpy(points))
    singular = np.linalg.svd(points - points.mean(0), compute_uv=False)
    expected = singular**2 / (shape[0] - 1)
    assert len(found.eigenvalues) == min(shape[0] - 1, shape[1])
    np.testing.assert_allclose(found.eigenvalues, expected[: len(found.eigenvalues)], atol=1e-10)
    assert found.count == shape[0]


def test_equal_directions_count_as_many_and_one_as_one() -> None:
    equal = Spectrum(torch.tensor([2.0] * 4 + [0.0] * 3, dtype=torch.float64), 10)
    assert equal.participation_ratio == pytest.approx(4)
    assert equal.effective_rank == pytest.approx(4)
    assert (equal.components(0.5), equal.components(1.0)) == (2, 4)
    single = pca_spectrum(torch.arange(10.0).outer(torch.tensor([1.0, 2.0])))
    assert single.participation_ratio == pytest.approx(1)
    assert single.effective_rank == pytest.approx(1, abs=1e-6)


def test_known_measures_of_a_known_spectrum() -> None:
    found = Spectrum(torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64), 9)
    assert found.participation_ratio == pytest.approx(1 / 0.375)
    assert found.effective_rank == pytest.approx(math.exp(1.5 * math.log(2)))


def test_a_cloud_of_one_place_has_no_rank() -> None:
    found = pca_spectrum(torch.ones(5, 3))
    assert found.participation_ratio is None
    assert found.effective_rank is None
    assert found.components(0.9) == 0


def test_clouds_are_cut_where_they_should() -> None:
    embeddings = torch.tensor([[2.0, 0.0], [0.0, 2.0], [4.0, 4.0], [-1.0, 0.0]])
    identity = torch.tensor([7, 7, 7, 3])
    smile = torch.tensor([1, -1, 0, 1])
    found = clouds(embeddings, identity, {"smile": smile}, distance="euclidean")
    centred = embeddings.double() - embeddings.double().mean(0)
    torch.testing.assert_close(found["all images"], centred)
    torch.testing.assert_close(
        found["identity centres"], torch.stack([centred[3], centred[:3].mean(0)])
    )
    torch.testing.assert_close(found["within identities"].sum(0), torch.zeros(2).double())
    assert len(found["within identities"]) == 3
    torch.testing.assert_close(found["smile +"], centred[[0, 3]])
    torch.testing.assert_close(found["smile −"], centred[[1]])
    unit = clouds(embeddings, identity)
    torch.testing.assert_close(unit["all images"].norm(dim=1), torch.ones(4).double())
    assert set(unit) == {"all images", "identity centres", "within identities"}
    assert set(identity_clouds(embeddings, identity, fewest=2)) == {7}
    spectra = cloud_spectra(found)
    assert set(spectra) == {"all images", "identity centres", "within identities", "smile +"}


def test_people_apart_and_people_spread_are_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.zeros(50, 20)
    centres[:, :3] = torch.randn(50, 3, generator=generator)  # people differ in 3 directions
    spread = torch.zeros(500, 20)
    spread[:, 3:10] = 0.3 * torch.randn(500, 7, generator=generator)  # images in 7 others
    identity = torch.arange(50).repeat_interleave(10)
    found = cloud_spectra(clouds(centres[identity] + spread, identity, distance="euclidean"))
    assert found["within identities"].participation_ratio == pytest.approx(7, abs=0.5)
    assert found["identity centres"].components(0.9) == 3
    assert found["all images"].components(0.999) == 10


def test_bad_input_is_refused() -> None:
    with pytest.raises(FaceGeomError, match="at least 2 points"):
        pca_spectrum(torch.ones(1, 3))
    with pytest.raises(FaceGeomError, match="`smile` must hold one label for each of 4"):
        clouds(torch.rand(4, 3), torch.arange(4), {"smile": torch.ones(3)})
