from __future__ import annotations

from dataclasses import dataclass

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.keys import IMAGE, INDEX
from facegeom_lit.geometry.image_statistics import image_statistics
from facegeom_lit.models.attribute_regressor import AttributeRegressor, measure
from facegeom_lit.synthesis.photometric import apply
from facegeom_lit.training.regressor import (
    RegressorModule,
    _hue_rotated,
    jittered,
    mirrored,
)

RANGES = {"age": (0.0, 1.0), "pose": (-1.0, 1.0)}
STILL = {"brightness": 0.0, "contrast": 0.0, "hue": 0.0, "noise": 0.0, "blur": 0.0}


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_mirror_changes_the_sign_of_what_it_turns_round() -> None:
    images = torch.arange(64 * 3 * 2 * 2).view(64, 3, 2, 2)
    values = torch.rand(64, 2)
    seen, known = mirrored(images, values, torch.tensor([1.0, -1.0]), drawn())
    turned = (seen == images.flip(3)).flatten(1).all(1)
    assert 10 < int(turned.sum()) < 54
    assert torch.equal(seen[~turned], images[~turned])
    assert torch.equal(known[:, 0], values[:, 0])
    assert torch.equal(known[turned, 1], -values[turned, 1])
    assert torch.equal(known[~turned, 1], values[~turned, 1])


def test_jitter_keeps_within_its_strengths() -> None:
    always = {**STILL, "generator": drawn()}
    flat = torch.full((200, 3, 8, 8), 100, dtype=torch.uint8)
    assert torch.allclose(jittered(flat, **always), flat.float(), atol=1e-3)
    assert torch.allclose(jittered(flat, **{**always, "blur": 1.0}), flat.float(), atol=1e-3)
    assert torch.allclose(jittered(flat, **{**always, "hue": 30.0}), flat.float(), atol=1e-3)
    shifts = (jittered(flat, **{**always, "brightness": 0.1}) - 100).mean((1, 2, 3)) / 255
    assert float(shifts.std()) == pytest.approx(0.1, rel=0.15)
    gains = (jittered(flat, **{**always, "contrast": 0.3})[:, 0, 0, 0] - 127.5) / -27.5
    assert float(gains.log2().std()) == pytest.approx(0.3, rel=0.15)
    checks = torch.zeros(50, 3, 8, 8)
    checks[..., ::2] = 255
    assert float(jittered(checks, **{**always, "blur": 1.0}).std()) < float(checks.std())
    noisy = jittered(torch.full((50, 3, 8, 8), 128.0), **{**always, "noise": 0.1})
    assert 0.05 < float(noisy.std((1, 2, 3)).max()) / 255 < 0.12


def test_hue_turns_as_the_operator_does() -> None:
    skin = np.random.default_rng(0).integers(90, 110, (8, 8, 3)) + np.array([90, 45, 0])
    image = skin.astype(np.uint8)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    turned = _hue_rotated(pixels, torch.tensor([25.0]).view(1, 1, 1, 1))
    operated = torch.from_numpy(apply("hue", image, 25.0, 0)).permute(2, 0, 1)[None]
    seen, wanted = image_statistics(turned)[0, 2], image_statistics(operated)[0, 2]
    assert float(seen) == pytest.approx(float(wanted), abs=5)
    third = _hue_rotated(pixels, torch.tensor([120.0]).view(1, 1, 1, 1))
    torch.testing.assert_close(third, pixels.roll(1, 1), atol=1e-3, rtol=0)


@dataclass
class At:
    """Where a training stands: what a module asks its trainer."""

    global_step: int
    global_rank: int = 0
    world_size: int = 2


def test_augmentation_follows_from_seed_step_and_process_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RegressorModule, "log", lambda *_, **__: None)
    images = torch.randint(0, 256, (4, 3, 112, 112), dtype=torch.uint8)
    values = torch.rand(4, 2)

    def seen(seed: int, at: At) -> tuple[torch.Tensor, torch.Tensor]:
        """What the regressor is given, and what it should answer."""
        regressor = AttributeRegressor(RANGES, arguments={"width": 0.25})
        given: list[torch.Tensor] = []
        monkeypatch.setattr(
            regressor, "scaled", lambda x: given.append(x) or torch.zeros(len(x), 2)
        )
        monkeypatch.setattr(regressor, "scale", lambda x: given.append(x) or x)
        module = RegressorModule(regressor, values, seed=seed)
        module.trainer = at  # type: ignore[assignment]
        module.training_step({IMAGE: images, INDEX: torch.arange(4)}, 0)
        return given[0], given[1]

    torch.manual_seed(1)
    first = seen(3, At(5))
    torch.manual_seed(2)
    again = seen(3, At(5))
    assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
    for seed, at in ((4, At(5)), (3, At(6)), (3, At(5, global_rank=1))):
        assert not torch.equal(seen(seed, at)[0], first[0])


@pytest.mark.slow
def test_learns_a_known_attribute() -> None:
    """Brightness of the picture as `age`, left against right as `pose`."""
    L.seed_everything(0, verbose=False)
    values = torch.stack([torch.rand(64), torch.rand(64) * 2 - 1], dim=1)
    images = (60 + 100 * values[:, 0]).view(-1, 1, 1, 1).expand(64, 3, 112, 112).clone()
    ramp = torch.linspace(-40, 40, 112)
    images = (images + values[:, 1].view(-1, 1, 1, 1) * ramp).clamp(0, 255).byte()
    regressor = AttributeRegressor(RANGES, arguments={"width": 0.25})
    module = RegressorModule(regressor, values, lr=1e-2, warmup_steps=2, **{**STILL, "noise": 0.01})
    rows = [{IMAGE: images[n], INDEX: torch.tensor(n)} for n in range(64)]
    trainer = L.Trainer(
        max_epochs=20, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(rows, batch_size=16, shuffle=True))
    error = (measure(regressor, images) - values).square().mean(0) / values.var(0)
    assert float(error.max()) < 0.2, error


def test_bad_values_are_named() -> None:
    regressor = AttributeRegressor(RANGES, arguments={"width": 0.25})
    with pytest.raises(FaceGeomError, match=r"each of the 2 attributes, got shape \(4, 1\)"):
        RegressorModule(regressor, torch.zeros(4, 1))
    with pytest.raises(FaceGeomError, match="no value of pose"):
        RegressorModule(regressor, torch.tensor([[0.0, torch.nan]]))
