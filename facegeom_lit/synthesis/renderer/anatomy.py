"""Where the parts of one face stand: identity and attributes turned into positions.

Head coordinates: unit 10 cm, origin inside the head below the line of the eyes; x to the
viewer's right, y up, z towards the viewer of a frontal face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Face = Mapping[str, float]
"""Identity coordinates ([-1, 1]) and facial attributes (their own units) of one sample."""


def ramp(x: float, low: float, high: float) -> float:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def aging(face: Face) -> float:
    """Marks of age: 0 at 18, 1 at 80 years, faster later."""
    years = (face["age"] - 18.0) / 62.0
    return 0.45 * years + 0.55 * years * years


@dataclass(frozen=True)
class Anatomy:
    """Positions and sizes shared by surface, skin, eyes, hair (units of 10 cm)."""

    eye_x: float
    eye_y: float
    eye_width: float
    eye_opening: float
    eye_tilt: float
    nose_y: float
    nose_base: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    gap: float
    smile: float
    jaw_drop: float
    chin_y: float
    brow_y: float
    hairline: float
    old: float


def anatomy(face: Face) -> Anatomy:
    """Place the parts of `face`."""
    smile = face["expression"]
    old = aging(face)
    mouth_open = face["mouth_opening"]
    gap = 0.26 * mouth_open + 0.035 * ramp(smile, 0.35, 1.0)
    jaw_drop = 0.20 * mouth_open
    long = 0.045 * face["face_length"]
    nose_y = -0.113 - 0.036 * face["nose_length"] - long - 0.012 * old
    mouth_y = -0.475 - 0.024 * face["mouth_height"] - 0.02 * face["nose_length"] - 1.2 * long
    opening = 0.056 + 0.016 * face["eye_opening"] - 0.008 * old
    opening *= 1.0 - 0.22 * max(smile, 0.0) + 0.10 * max(-smile, 0.0)
    thin = 1.0 - 0.30 * old
    return Anatomy(
        eye_x=0.315 + 0.028 * face["eye_spacing"],
        eye_y=0.25,
        eye_width=0.152 + 0.022 * face["eye_size"],
        eye_opening=opening + 0.006 * face["eye_size"],
        eye_tilt=0.10 + 0.20 * face["eye_tilt"] - 0.08 * old,
        nose_y=nose_y,
        nose_base=nose_y - 0.125 + 0.02 * face["nose_tip"],
        nose_width=0.165 + 0.042 * face["nose_width"] + 0.012 * face["build"] + 0.008 * old,
        mouth_y=mouth_y,
        mouth_width=(0.26 + 0.036 * face["mouth_width"])
        * (1.0 + 0.16 * max(smile, 0.0) - 0.06 * max(-smile, 0.0) - 0.06 * mouth_open),
        upper_lip=(0.055 + 0.032 * face["upper_lip"]) * thin * (1.0 - 0.25 * max(smile, 0.0)),
        lower_lip=(0.078 + 0.034 * face["lower_lip"]) * thin * (1.0 - 0.15 * max(smile, 0.0)),
        gap=gap,
        smile=smile,
        jaw_drop=jaw_drop,
        chin_y=-0.90 - 0.08 * face["chin_length"] - 1.5 * long - jaw_drop - 0.02 * face["build"],
        brow_y=0.25 + 0.185 + 0.036 * face["brow_height"] - 0.012 * face["build"],
        hairline=0.93 + 0.09 * face["hairline_height"],
        old=old,
    )
