"""The five-point regressor: trained on rendered faces, judged on real ones.

    python benchmarks/five_points.py train [folder]

Renders people whose five points the renderer knows, moves them by random similarities, and fits
`FivePointRegressor` (one core: a quarter of an hour). Then `benchmarks/crop_alignment.py` says what
it is worth on real crops.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from tqdm import tqdm

from facegeom_lit.attributes import vocabulary
from facegeom_lit.models.landmarks import FivePointRegressor
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.renderer import FaceRenderer

PEOPLE, FIRST_PERSON, SEED = 9000, 900000, 0
STEPS, BATCH, LR, WARMUP = 2000, 128, 2e-3, 200
FRAME = 64  # pixels of a moved face
FLIP = [1, 0, 2, 4, 3]  # the points of a mirror image
NARROW = {"pose": 18.0, "pitch": 8.0, "expression": 0.5}  # standard deviations; others: uniform
RARE = {"glasses": 0.25, "beard": 0.35, "mouth_opening": 0.3, "makeup": 0.3}  # shares


def rendered(generator: Generator) -> tuple[Tensor, Tensor]:
    """Render grey faces (N, 1, 112, 112) in 0–255 with points (N, 5, 2) in [-1, 1]."""
    renderer = FaceRenderer()
    images, points = [], []
    for first in tqdm(range(0, PEOPLE, 50), "rendering", unit_scale=50, unit=" faces"):
        people = renderer.identity(range(FIRST_PERSON + first, FIRST_PERSON + first + 50))
        values = {}
        for name in renderer.attributes:
            spec = vocabulary()[name]
            drawn = spec.low + (spec.high - spec.low) * torch.rand(50, generator=generator)
            if name in NARROW:
                drawn = spec.default + NARROW[name] * torch.randn(50, generator=generator)
            if name in RARE:
                have = torch.rand(50, generator=generator) < RARE[name]
                drawn = torch.where(have, drawn, torch.tensor(spec.default))
            values[name] = drawn.clamp(spec.low, spec.high)
        faces = renderer(people, values, range(first, first + 50))
        images.append(faces.float().mean(1, keepdim=True).to(torch.uint8))
        points.append(renderer.landmarks(people, values))
    return torch.cat(images), (torch.cat(points) + 0.5) / 56 - 1


def batches(
    images: Tensor, points: Tensor, generator: Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield moved, relit, softened, partly covered faces and where their points are, for ever."""
    while True:
        rows = torch.randint(len(images), (BATCH,), generator=generator)
        faces, known = images[rows].float(), points[rows]
        mirrored = torch.rand(BATCH, generator=generator) < 0.5
        faces = torch.where(mirrored.view(-1, 1, 1, 1), faces.flip(3), faces)
        flipped = known[:, FLIP] * torch.tensor([-1.0, 1.0])
        known = torch.where(mirrored.view(-1, 1, 1), flipped, known)
        matrix, shift = similarities(generator)
        yield (
            degraded(moved(faces, matrix, shift, generator), generator),
            (known @ matrix.mT + shift[:, None]),
        )


def similarities(generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw matrices (B, 2, 2) and shifts (B, 2); a quarter of the faces may stand at any angle."""

    def uniform() -> Tensor:
        return 2 * torch.rand(BATCH, generator=generator) - 1

    angle = torch.randn(BATCH, generator=generator) * math.radians(12)
    any_angle = torch.rand(BATCH, generator=generator) < 0.25
    angle = torch.where(any_angle, math.pi * uniform(), angle)
    scale = torch.exp(math.log(1.65) * uniform())
    c, s = scale * angle.cos(), scale * angle.sin()
    matrix = torch.stack([c, -s, s, c], 1).view(-1, 2, 2)
    return matrix, 0.3 * torch.stack([uniform(), uniform()], 1)


def moved(faces: Tensor, matrix: Tensor, shift: Tensor, generator: Generator) -> Tensor:
    """Warp faces; beyond their crop a batch is black, drawn out, reflected or made up."""
    inverse = torch.linalg.inv(matrix)
    theta = torch.cat([inverse, -(inverse @ shift[..., None])], 2)
    grid = F.affine_grid(theta, [BATCH, 1, FRAME, FRAME], align_corners=False)
    mode = int(torch.randint(4, (), generator=generator))
    beyond = ("zeros", "border", "reflection", "border")[mode]
    view = F.grid_sample(faces, grid, padding_mode=beyond, align_corners=False)
    if mode < 3:
        return view
    coarse = torch.rand(BATCH, 1, 5, 5, generator=generator) * 255
    made_up = F.interpolate(coarse, (FRAME, FRAME), mode="bicubic").clamp(0, 255)
    inside = (grid.abs().amax(-1, keepdim=True) < 1).float().permute(0, 3, 1, 2)
    return view * inside + made_up * (1 - inside)


def degraded(faces: Tensor, generator: Generator) -> Tensor:
    """Change gamma, soften, cover a part, add a gradient of light and noise."""
    each = (BATCH, 1, 1, 1)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(each, generator=generator)

    x = (faces / 255).clamp(1e-3, 1) ** torch.exp(uniform(-0.8, 0.8))
    soft = F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), 5, 1)
    x = x + uniform(-0.5, 1.0).clamp(min=0) * (soft - x)
    axis = torch.linspace(-1, 1, FRAME)
    x = x * (1 + uniform(-0.6, 0.6) * axis).clamp(min=0.05)
    x = x * (1 + uniform(-0.3, 0.3) * axis[:, None]).clamp(min=0.05)
    left, top, half = uniform(-1, 1), uniform(-1, 1), uniform(0.1, 0.35)
    covered = ((axis - left).abs() < half) & ((axis[:, None] - top).abs() < half)
    covered &= uniform(0, 1) < 0.3
    x = torch.where(covered, uniform(0, 1), x)
    return 255 * (x + uniform(0, 0.06) * torch.randn(x.shape, generator=generator)).clamp(0, 1)


def train(folder: Path) -> None:
    """Render, fit, save."""
    torch.manual_seed(SEED)
    generator = Generator().manual_seed(SEED)
    images, points = rendered(generator)
    regressor = FivePointRegressor()
    optimizer = torch.optim.AdamW(regressor.parameters(), LR, weight_decay=0.02)
    rise = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, STEPS, pct_start=WARMUP / STEPS)
    mean = 0.0
    stream = zip(range(STEPS), batches(images, points, generator), strict=False)
    for step, (faces, known) in (bar := tqdm(stream, "fitting", STEPS, unit=" steps")):
        found = regressor.scaled(faces.expand(-1, 3, -1, -1))
        loss = F.smooth_l1_loss(found, known, beta=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rise.step()
        mean += (56 * (found - known).detach().norm(dim=-1).mean().item() - mean) / min(
            step + 1, 200
        )
        bar.set_postfix(pixels=f"{mean:.2f}")
    regressor.training_facts = {
        "command": "python benchmarks/five_points.py train",
        "seed": SEED,
        "faces": {"rendered_people": PEOPLE, "first": FIRST_PERSON},
        "steps": STEPS,
        "batch_size": BATCH,
        "training_error_pixels": round(mean, 2),
    }
    regressor.eval().save(folder)
    print(f"output: {folder}")


if __name__ == "__main__":
    train(Path(sys.argv[2]) if len(sys.argv) > 2 else resource("data") / "models" / "five_points")
