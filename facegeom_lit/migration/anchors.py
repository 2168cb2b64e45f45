"""How many anchor images a map needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from facegeom_lit.geometry.alignment.affine import AffineAccumulator
from facegeom_lit.geometry.alignment.judging import Judge
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.migration.card import AnchorCurve, Figures
from facegeom_lit.migration.method import MapMethod
from facegeom_lit.migration.pairs import PairedEmbeddings
from facegeom_lit.migration.ways import measure_mapped

STEPS = 7
"""At most so many steps, each of twice the images of the one before."""
SMALLEST = 16
"""Images of the smallest step, at least."""


def anchor_steps(count: int) -> list[int]:
    """Numbers of images to try out of `count`, each about twice the one before.

    Example:
        >>> anchor_steps(100)
        [25, 50, 100]
    """
    steps = [count]
    while len(steps) < STEPS and steps[-1] // 2 >= SMALLEST:
        steps.append(steps[-1] // 2)
    return steps[::-1]


def anchor_curve(
    fitting: PairedEmbeddings,
    judging: PairedEmbeddings,
    judge: Judge,
    method: MapMethod,
    *,
    figure: str,
    gain: float,
    seed: int,
) -> AnchorCurve:
    """Judge the maps of more and more anchor images, drawn at random, each step holding the last.

    Args:
        fitting: The anchors.
        judging: Other people.
        judge: Of their images.
        method: How maps are fitted.
        figure: Name of the figure that decides how many are needed.
        gain: What is too little to be worth more anchors.
        seed: Of the order of the anchors.
    """
    steps = anchor_steps(len(fitting))
    order = torch.randperm(len(fitting), generator=torch.Generator().manual_seed(seed))
    sums, taken, found = AffineAccumulator(), 0, []
    for step in steps:
        rows = fitting.select(order[taken:step])
        sums.update(rows.old, rows.new, rows.labels)
        taken = step
        found.append(measure_mapped(judge, judging, method.solve(sums)))
    return AnchorCurve(tuple(steps), _by_name(found), figure, gain)


def _by_name(found: Sequence[Figures]) -> dict[str, tuple[Interval, ...]]:
    return {name: tuple(figures[name] for figures in found) for name in found[0]}


def advice(curve: AnchorCurve) -> str:
    """Say how many anchors are needed, and whether these are enough."""
    given, needed = curve.steps[-1], curve.needed
    if needed is not None:
        return (
            f"From {needed} anchor images on, less than {curve.gain:g} of {curve.figure} is "
            f"gained; {given} were fitted on: enough."
        )
    if len(curve.steps) == 1:
        return f"{given} anchor images are too few to say how many are needed. Give more."
    before, last = (entry.value or 0.0 for entry in curve.figures[curve.figure][-2:])
    return (
        f"{given} anchor images are too few: the last step, from {curve.steps[-2]}, still gained "
        f"{last - before:.3f} of {curve.figure} (at least {curve.gain:g}). Give twice as many."
    )
