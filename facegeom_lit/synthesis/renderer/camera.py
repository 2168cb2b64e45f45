"""Camera: head rotation, five-point alignment, and first hits of parallel rays with the head."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from facegeom_lit.synthesis.renderer import chart
from facegeom_lit.synthesis.renderer.paint import edge

#: ArcFace's template of eye centres, nose tip, mouth corners in a 112×112 crop (x, y down).
TEMPLATE: tuple[tuple[float, float], ...] = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
_BOUND = 1.62  # every visible part of head and hair is nearer to the origin
_COARSE_STEPS = 26
_SECANTS = 2

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """Rotation head → view, as three rows (orthonormal)."""

    right: Point
    up: Point
    ahead: Point

    def project(self, point: Point) -> tuple[float, float]:
        """Image-plane coordinates (x right, y up) of a point of the head."""
        return _dot(self.right, point), _dot(self.up, point)

    def to_head(self, vector: Point) -> Point:
        """A view-space vector in head coordinates."""
        x, y, z = vector
        r, u, a = self.right, self.up, self.ahead
        return (
            r[0] * x + u[0] * y + a[0] * z,
            r[1] * x + u[1] * y + a[1] * z,
            r[2] * x + u[2] * y + a[2] * z,
        )


def _dot(a: Point, b: Point) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def pose(yaw: float, pitch: float) -> Pose:
    """Rotation for a yaw (+ towards the viewer's right) and a pitch (+ up), in degrees."""
    cy, sy = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    cp, sp = math.cos(math.radians(pitch)), math.sin(math.radians(pitch))
    return Pose((cy, 0.0, sy), (-sp * sy, cp, sp * cy), (-cp * sy, -sp, cp * cy))


@dataclass(frozen=True)
class Alignment:
    """Similarity from the image plane (x right, y up) to crop pixels (y down)."""

    scale: complex
    shift: complex

    def to_crop(self, x: float, y: float) -> tuple[float, float]:
        """Crop pixel of an image-plane point."""
        q = self.scale * complex(x, -y) + self.shift
        return q.real, q.imag

    def rows(self, view: Pose, low: float, high: float, size: int, crop: int) -> slice:
        """Rows of a grid of `plane` that can show the face between the heights `low`, `high`."""
        corners = [
            self.to_crop(*view.project((x, y, z)))[1]
            for x in (-0.75, 0.75)
            for y in (low, high)
            for z in (0.25, 1.15)
        ]
        first = math.floor(min(corners) * size / crop)
        last = math.ceil(max(corners) * size / crop) + 1
        start = min(max(first, 0), size - 1)
        return slice(start, max(min(last, size), start + 1))

    def plane(self, size: int, crop: int) -> tuple[Tensor, Tensor]:
        """Image-plane coordinates (size, size) of the centres of a grid over the crop."""
        steps = (torch.arange(size) + 0.5) * (crop / size) - 0.5
        inverse = 1.0 / self.scale
        qx, qy = (steps - self.shift.real)[None, :], (steps - self.shift.imag)[:, None]
        x = qx * inverse.real - qy * inverse.imag
        y = qx * inverse.imag + qy * inverse.real
        return x, -y


def align(points: list[tuple[float, float]]) -> Alignment:
    """Least-squares similarity of five projected landmarks to the template.

    The same as Umeyama's estimate that InsightFace's `norm_crop` uses: in the plane a
    similarity is one complex factor and one complex shift.
    """
    source = [complex(x, -y) for x, y in points]
    target = [complex(x, y) for x, y in TEMPLATE]
    p0, q0 = sum(source) / len(source), sum(target) / len(target)
    numerator = sum((p - p0).conjugate() * (q - q0) for p, q in zip(source, target, strict=True))
    denominator = sum(abs(p - p0) ** 2 for p in source)
    scale = numerator / denominator
    return Alignment(scale, q0 - scale * p0)


@dataclass(frozen=True)
class Hits:
    """First hits of the rays: head coordinates (3, H, W), depth, chart grid, coverage (H, W)."""

    points: Tensor
    depth: Tensor
    grid: Tensor
    coverage: Tensor


class Rays:
    """Parallel rays through a grid of image-plane points (H, W)."""

    def __init__(self, view: Pose, x: Tensor, y: Tensor) -> None:
        self.toward = torch.tensor(view.ahead)[:, None, None]
        right, up = torch.tensor([view.right, view.up])[..., None, None]
        self.origin = right * x + up * y

    def at(self, depth: Tensor) -> Tensor:
        """Head coordinates (3, H, W) at `depth` (towards the viewer) along each ray."""
        return torch.addcmul(self.origin, self.toward, depth)


def _height(radius: Tensor, rays: Rays, depth: Tensor) -> Tensor:
    """Signed height of the points at `depth` above the surface."""
    points = rays.at(depth)
    length = chart.norm(points)
    return length - chart.sample(radius[None], chart.lookup(points, length))[0]


def trace(radius: Tensor, view: Pose, x: Tensor, y: Tensor, pixel: float) -> Hits:
    """First hits with the star-shaped surface `radius`.

    A coarse grid is marched from outside with steps scaled down for the slope of the surface,
    then the hits are upsampled and refined. Rays that miss keep their nearest approach, whose
    height against `pixel` (the size of a pixel in the image plane) softens the outline.
    """
    coarse = Rays(view, _halve(x), _halve(y))
    depth = torch.sqrt((_BOUND**2 - _halve(x) ** 2 - _halve(y) ** 2).clamp_(min=0.0))
    best = depth
    nearest = torch.full_like(depth, 9.0)
    for _ in range(_COARSE_STEPS):
        height = _height(radius, coarse, depth)
        closer = (nearest - height).mul_(1e6).clamp_(0.0, 1.0)
        nearest = torch.minimum(nearest, height)
        best = torch.lerp(best, depth, closer)
        # a least step carries rays that graze one part on to what lies behind it
        ahead = 0.85 * height.clamp(min=0.0) + 0.4 * height.clamp(max=0.0)
        depth = depth - torch.maximum(ahead, 0.05 * edge(height, 0.006, 0.012))
    hit = edge(height.abs(), 0.05, 0.03) * edge(depth, -1.3, -1.2)
    best = torch.lerp(best, depth, hit)
    nearest = nearest * (1.0 - hit)
    both = interpolate(torch.stack((best, nearest))[None], size=x.shape, mode="bilinear")[0]
    rays, depth, nearest = Rays(view, x, y), both[0], both[1]
    # a damped step, then along secants: the neck is steep where it is seen from above
    height = _height(radius, rays, depth)
    step = 0.35 * height.clamp(-0.1, 0.1)
    for _ in range(_SECANTS):
        depth = depth - step
        left = _height(radius, rays, depth)
        slope = ((height - left) / (step + 1e-6)).clamp_(0.7, 8.0)
        height, step = left, (left / slope).clamp_(-0.06, 0.06)
    depth = depth - step
    points = rays.at(depth)
    grid = chart.lookup(points, chart.norm(points))
    coverage = (1.25 - nearest * (1.0 / pixel)).clamp_(0.0, 1.0)
    return Hits(points, depth, grid, coverage)


def _halve(plane: Tensor) -> Tensor:
    """Average of 2×2 blocks."""
    return torch.nn.functional.avg_pool2d(plane[None, None], 2)[0, 0]


def surface_depth(radius: Tensor, points: list[tuple[float, float]]) -> list[float]:
    """Frontal depth z of the surface at head-plane points (x, y)."""
    x = torch.tensor([[p[0] for p in points]])
    y = torch.tensor([[p[1] for p in points]])
    rays = Rays(pose(0.0, 0.0), x, y)
    depth = torch.ones_like(x)
    for _ in range(8):
        depth = depth - 0.8 * _height(radius, rays, depth)
    return [float(value) for value in depth[0]]
