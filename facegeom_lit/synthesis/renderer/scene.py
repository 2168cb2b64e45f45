"""One face from parameters to pixels: surface, rays, paint, light, glasses, background, grain."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from facegeom_lit.synthesis.renderer import camera, chart
from facegeom_lit.synthesis.renderer.anatomy import Anatomy, Face, anatomy
from facegeom_lit.synthesis.renderer.background import draw_background
from facegeom_lit.synthesis.renderer.brows import paint_brows
from facegeom_lit.synthesis.renderer.eyes import paint_eyes
from facegeom_lit.synthesis.renderer.glasses import frame_mask
from facegeom_lit.synthesis.renderer.hair import grow_hair, paint_hair
from facegeom_lit.synthesis.renderer.head import head_radius
from facegeom_lit.synthesis.renderer.light import Lighting, normals, occlusion, shadow
from facegeom_lit.synthesis.renderer.mouth import paint_mouth
from facegeom_lit.synthesis.renderer.paint import lay
from facegeom_lit.synthesis.renderer.shading import Surface, shade
from facegeom_lit.synthesis.renderer.skin import (
    paint_beard,
    paint_nostrils,
    paint_skin,
    skin_color,
)
from facegeom_lit.synthesis.renderer.wrinkles import line_eyes, line_forehead, line_mouth

SIZE = 112
_FINE = 168  # rays along each axis: 1.5 for each pixel


def _place(face: Face, radius: Tensor) -> tuple[camera.Pose, camera.Alignment, list[camera.Point]]:
    """Pose, alignment and the five landmarks on the bald head `radius`.

    The landmarks are those of a neutral expression at middle age: the crop follows the bones,
    so that an expression moves the mouth and nothing else.
    """
    a = anatomy({**face, "expression": 0.0, "mouth_opening": 0.0, "age": 35.0})
    flat = [
        (-a.eye_x, a.eye_y),
        (a.eye_x, a.eye_y),
        (0.0, a.nose_y),
        (-a.mouth_width, a.mouth_y),
        (a.mouth_width, a.mouth_y),
    ]
    depths = camera.surface_depth(radius, flat)
    points = [(x, y, z) for (x, y), z in zip(flat, depths, strict=True)]
    view = camera.pose(face["pose"], face["pitch"])
    return view, camera.align([view.project(point) for point in points]), points


def project_landmarks(face: Face) -> list[tuple[float, float]]:
    """Crop pixels (x, y) of eyes, nose tip and mouth corners."""
    view, alignment, points = _place(face, head_radius(face, anatomy(face)))
    return [alignment.to_crop(*view.project(point)) for point in points]


def _lighting(face: Face, generator: Generator) -> Lighting:
    draw = torch.rand(6, generator=generator).tolist()
    warm = 0.16 * (draw[0] - 0.5)
    strength = 0.84 + 0.24 * draw[1]
    fill = 0.22 + 0.20 * draw[2]
    tone = 0.10 * (draw[3] - 0.5)
    return Lighting(
        azimuth=face["illumination"],
        elevation=18.0 + 24.0 * draw[4],
        key=(strength * (1.0 + warm), strength, strength * (1.0 - warm)),
        sky=(fill * (1.0 - tone), fill, fill * (1.0 + tone)),
        ground=(0.62 * fill * (1.0 + tone), 0.56 * fill, 0.52 * fill),
    )


def _paint_features(
    albedo: Tensor,
    gloss: Tensor,
    x: Tensor,
    y: Tensor,
    z: Tensor,
    face: Face,
    a: Anatomy,
    view: camera.Pose,
    alignment: camera.Alignment,
) -> None:
    """Paint the parts of the face, in place, each on the rows of the image that can show it."""
    pixel = SIZE / _FINE / abs(alignment.scale)

    def rows(low: float, high: float) -> slice:
        return alignment.rows(view, low, high, _FINE, SIZE)

    forehead = rows(0.45, 0.92)
    line_forehead(albedo[:, forehead], x[forehead], y[forehead], face)
    eyes = rows(a.eye_y - 0.22, a.brow_y + 0.18)
    line_eyes(albedo[:, eyes], x[eyes], y[eyes], a)
    paint_eyes(albedo[:, eyes], gloss[eyes], x[eyes], y[eyes], face, a, pixel)
    paint_brows(albedo[:, eyes], x[eyes], y[eyes], face, a)
    nose = rows(a.nose_base - 0.05, a.nose_base + 0.24)
    paint_nostrils(albedo[:, nose], x[nose], y[nose], a)
    mouth = rows(a.mouth_y - a.gap - 0.3, a.nose_base + 0.13)
    line_mouth(albedo[:, mouth], x[mouth], y[mouth], a)
    paint_beard(albedo, x, y, z, face, a)
    paint_mouth(
        albedo[:, mouth], gloss[mouth], x[mouth], y[mouth], face, a, skin_color(face), pixel
    )


def render_face(face: Face, seed: int) -> Tensor:
    """Render one face.

    Args:
        face: Identity coordinates and all facial attributes.
        seed: Of the nuisance.

    Returns:
        uint8 (3, SIZE, SIZE), RGB.
    """
    generator = Generator().manual_seed(seed)
    lighting = _lighting(face, generator)
    strand_shift = 40.0 * float(torch.rand((), generator=generator)) - 20.0
    image = draw_background(generator, _FINE)
    grain = torch.randn(3, SIZE, SIZE, generator=generator)

    a = anatomy(face)
    bald = head_radius(face, a)
    view, alignment, points = _place(face, bald)
    hair = grow_hair(bald, face, a)
    px, py = alignment.plane(_FINE, SIZE)
    pixel = SIZE / _FINE / abs(alignment.scale)
    hits = camera.trace(hair.radius, view, px, py, pixel)

    position = torch.stack([hair.radius * d for d in chart.directions()])
    normal = normals(position)
    seen = shadow(hair.radius, position, normal, view.to_head(lighting.direction))
    maps = torch.cat((normal, torch.stack((occlusion(hair.radius), seen, hair.inside))))
    maps = chart.sample(maps, hits.grid)

    x, y, z = hits.points.unbind()
    albedo = paint_skin(x, y, z, face, a)
    gloss = torch.zeros_like(x)
    _paint_features(albedo, gloss, x, y, z, face, a, view, alignment)
    hairy, strands = paint_hair(albedo, maps[5], x, y, z, face, strand_shift)
    surface = Surface(maps[:3], albedo, gloss, hairy, strands, maps[3], maps[4])
    image.lerp_(shade(surface, lighting, view), hits.coverage)

    if face["glasses"] > 0.0:
        rays = camera.Rays(view, px, py)
        frame, glass = frame_mask(rays, hits.depth, a, points[0][2], pixel)
        lay(image, (0.012, 0.011, 0.012), frame * face["glasses"])
        image *= 1.0 - 0.08 * face["glasses"] * glass

    small = interpolate(image[None], size=(SIZE, SIZE), mode="bilinear", antialias=True)[0]
    encoded = small.clamp_(0.0, 1.0).pow(1.0 / 2.2)
    return (encoded + 0.010 * grain).mul_(255.0).round_().clamp_(0.0, 255.0).to(torch.uint8)
