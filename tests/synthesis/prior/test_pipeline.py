from __future__ import annotations

from pathlib import Path

import pytest
import torch
from synthesis.prior.tiny import save_tiny_prior, tiny_prior

from facegeom_lit.attributes import vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.prior.pipeline import FacePrior

DEFAULTS = {name: spec.default for name, spec in vocabulary().items()}


@pytest.fixture(scope="module")
def prior() -> FacePrior:
    return tiny_prior()


def draw(prior: FacePrior, seeds: list[int], **options: float) -> torch.Tensor:
    codes = prior.identity_space.draw(seeds)
    return prior(codes, [DEFAULTS] * len(seeds), prior.noise(seeds), **options)


def test_a_saved_prior_draws_the_same(prior: FacePrior, tmp_path: Path) -> None:
    again = FacePrior.open(save_tiny_prior(tmp_path / "prior"))
    drawn = draw(prior, [1, 2], steps=3)
    assert drawn.shape == (2, 3, 112, 112)
    assert drawn.dtype == torch.uint8
    assert torch.equal(draw(again, [1, 2], steps=3), drawn)


def test_noise_of_a_face_does_not_depend_on_the_batch(prior: FacePrior) -> None:
    assert torch.equal(prior.noise([5, 6])[1], prior.noise([6])[0])
    assert not torch.equal(prior.noise([5])[0], prior.noise([6])[0])


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_a_straight_flow_is_followed_exactly(
    prior: FacePrior, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Where all data are one point, the velocity is known and any number of steps leads there."""
    point = torch.randn(1, 8, 14, 14, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(prior, "_network", lambda x, time, condition: (x - point) / (time / 1000))
    noise = prior.noise([1, 2])
    condition = torch.zeros(2, 72)
    found = prior.denoise(noise, condition, steps=steps)
    torch.testing.assert_close(found, point.expand(2, -1, -1, -1), atol=1e-4, rtol=1e-4)
    half = torch.lerp(point, noise, 0.5)
    found = prior.denoise(half, condition, steps=steps, level=0.5)
    torch.testing.assert_close(found, point.expand(2, -1, -1, -1), atol=1e-4, rtol=1e-4)


def test_inversion_leads_back(prior: FacePrior, monkeypatch: pytest.MonkeyPatch) -> None:
    """A velocity that depends on the time alone is integrated exactly, there and back."""
    monkeypatch.setattr(
        prior, "_network", lambda x, time, condition: torch.full_like(x, float(time) / 1000)
    )
    latents, condition = torch.zeros(1, 8, 14, 14), torch.zeros(1, 72)
    there = prior.invert(latents, condition, steps=10, level=0.8)
    torch.testing.assert_close(there, torch.full_like(there, 0.8**2 / 2))
    back = prior.denoise(there, condition, steps=400, level=0.8)
    torch.testing.assert_close(back, latents, atol=2e-3, rtol=0)


def test_guidance_is_the_formula(prior: FacePrior) -> None:
    noise, time = prior.noise([1]), torch.tensor(500.0)
    code = prior.identity_space.draw([4])
    conditions = [
        prior.condition(who, what, 1)
        for who, what in ((None, None), (code, None), (code, [DEFAULTS]))
    ]
    with torch.inference_mode():
        none, identity, both = (prior._network(noise, time, c) for c in conditions)
        found = prior.velocity(noise, time, conditions[2], 2.0, 3.0)
        plain = prior.velocity(noise, time, conditions[2])
    expected = none + 2 * (identity - none) + 3 * (both - identity)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(plain, both)


def test_who_and_what_decide(prior: FacePrior) -> None:
    noise = prior.noise([1])
    faces = {
        (who, age): prior(
            prior.identity_space.draw([who]), [{**DEFAULTS, "age": age}], noise, steps=2
        )
        for who in (1, 2)
        for age in (20.0, 70.0)
    }
    drawn = list(faces.values())
    assert not any(torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


def test_bad_input(prior: FacePrior, tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="needs a value of pose for each face"):
        prior(None, [{n: v for n, v in DEFAULTS.items() if n != "pose"}], prior.noise([1]))
    with pytest.raises(FaceGeomError, match="number of steps must be positive, got 0"):
        prior(None, None, prior.noise([1]), steps=0)
    with pytest.raises(FaceGeomError, match="holds no prior that can be opened"):
        FacePrior.open(tmp_path)
    folder = save_tiny_prior(tmp_path / "damaged")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(FaceGeomError, match="holds no prior that can be opened"):
        FacePrior.open(folder)
