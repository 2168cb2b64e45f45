"""Tells from a few crops whether a card's colour order or normalisation is likely wrong.

A network that is fed as it was trained keeps people apart better than one that is fed otherwise.
So the card as it stands is compared with its channels swapped and with the usual normalisations,
on the same crops, by d′: the distance between the mean genuine and the mean impostor score in
units of their spread (Green & Swets, Signal Detection Theory, 1966, ch. 3). Without enough people
the two views of a crop, itself and its shifted mirror image, stand for two images of a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.geometry.points import Distance, comparable
from facegeom_lit.geometry.statistics import Interval, percentiles
from facegeom_lit.geometry.verification import block_scores
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.face_model import FaceModel, preprocess
from facegeom_lit.models.probe_report import MARGIN, Candidate, ProbeReport, Three

NORMALISATIONS: Mapping[str, tuple[Three, Three]] = {
    "(x - 127.5) / 127.5": ((127.5,) * 3, (127.5,) * 3),
    "(x - 127.5) / 128": ((127.5,) * 3, (128.0,) * 3),
    "x / 255": ((0.0,) * 3, (255.0,) * 3),
    "x in 0-255": ((0.0,) * 3, (1.0,) * 3),
    "ImageNet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "CLIP": ((122.771, 116.746, 104.094), (68.501, 66.632, 70.323)),
}
"""Mean and standard deviation in units of 0–255, for channels in the order R, G, B."""

PEOPLE = 12
"""With fewer people who have two images, the views of single crops are compared."""
CROPS = 12
"""Fewest crops to say anything of."""
PER_PERSON = 4
SHIFT = 3
"""A crop's other view is moved by up to so many pixels."""
RESAMPLES = 2000
LEVEL = 0.95
"""Of the intervals of all candidates together."""
GREY = 1.0
"""Crops whose channels differ by less on average, in 0–255, have no colour."""
SWAPPED = "channels swapped"


def probe(model: FaceModel, faces: FaceSet, *, seed: int = 0, images: int = 64) -> ProbeReport:
    """Compare a model's card with other ways of feeding its network.

    Args:
        model: The model, used where it stands.
        faces: Aligned crops, best 24 people with two images or more, in colour.
        seed: Of the choice of crops, the shifts and the resampling.
        images: How many crops are embedded, eight times each.

    Returns:
        The report. A difference that hardly changes the embeddings, such as 127.5 for 128, is
        never called suspicious.

    Raises:
        FaceGeomError: When there are too few crops, or an embedding of the card is not finite.
    """
    rows, groups, views = _choose(faces, images, seed)
    pixels = [faces.image(row) for row in rows]
    if len({image.shape for image in pixels}) > 1:
        raise FaceGeomError(f"The crops of {faces!r} differ in size. Align and crop them first.")
    crops = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    colors = crops.float()
    grey = bool((colors.amax(1) - colors.amin(1)).mean() < GREY)
    if views:
        crops = torch.cat([crops, other_view(crops, seed)])
        groups = groups.repeat(2)
    ways = ways_to_feed(model.card, swap=not grey)
    found = [feed(model, card, crops) for _, card in ways]
    if not bool(found[0].isfinite().all()):
        raise FaceGeomError(
            f"Model {model.card.name!r} gives NaN or infinite embeddings: its weights are damaged, "
            "or its card's mean and std wrong."
        )
    candidates = compare(ways, found, groups, seed=seed)
    return ProbeReport(model.card.name, len(rows), int(groups.max()) + 1, views, grey, candidates)


def compare(
    ways: Sequence[tuple[str, ModelCard]],
    embeddings: Sequence[Tensor],
    groups: Tensor,
    *,
    seed: int,
) -> tuple[Candidate, ...]:
    """Compare ways of feeding one network by d′, resampling groups.

    Args:
        ways: Name and card of each; the first is the one that is questioned.
        embeddings: (N, D) of each, of the same crops.
        groups: Person, or crop, of each row, 0 … G − 1, shape (N,).
        seed: Of the resampling, which is the same for all.
    """
    count = int(groups.max()) + 1
    drawn = torch.randint(count, (RESAMPLES, count), generator=torch.Generator().manual_seed(seed))
    weights = torch.zeros(RESAMPLES, count, dtype=torch.float64)
    weights.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    distance = cast(Distance, ways[0][1].distance)
    level = 1 - (1 - LEVEL) / max(1, len(ways) - 1)  # Bonferroni: one alarm in twenty probes
    own = own_sampled = None
    candidates = []
    for (name, card), points in zip(ways, embeddings, strict=True):
        value, sampled = _separation(points, distance, groups, weights)
        gain, better = None, False
        if own is None or own_sampled is None:
            own, own_sampled = value, sampled
        else:
            low, high = percentiles((sampled - own_sampled).nan_to_num(0.0), level)
            gain = Interval(value - own, low, high, count)
            better = low > 0 and value - own > MARGIN * abs(own)
        candidates.append(
            Candidate(name, card.color_order, card.mean, card.std, value, gain, better)
        )
    return tuple(candidates)


def _choose(faces: FaceSet, images: int, seed: int) -> tuple[list[int], Tensor, bool]:
    """Rows to look at, the group of each, and whether groups are single crops."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(faces), generator=generator).tolist()
    people: dict[str, list[int]] = {}
    for row in shuffled:
        people.setdefault(faces.identities[row], []).append(row)
    several = [rows[:PER_PERSON] for rows in people.values() if len(rows) > 1]
    if len(several) >= PEOPLE:
        each = max(2, min(PER_PERSON, images // len(several)))
        kept = [rows[:each] for rows in several][: max(PEOPLE, images // each)]
        chosen = [row for rows in kept for row in rows]
        groups = [number for number, rows in enumerate(kept) for _ in rows]
        return chosen, torch.tensor(groups), False
    if len(faces) < CROPS:
        raise FaceGeomError(
            f"{len(faces)} crops are too few to probe a card: give at least {CROPS}, best "
            f"{2 * PEOPLE} people with two images each."
        )
    chosen = shuffled[: max(CROPS, images)]
    return chosen, torch.arange(len(chosen)), True


def other_view(crops: Tensor, seed: int) -> Tensor:
    """Mirror crops (N, 3, H, W) and move each by a few pixels."""
    shifts = torch.randint(
        -SHIFT, SHIFT + 1, (len(crops), 2), generator=torch.Generator().manual_seed(seed)
    )
    moved = [
        crop.roll(shift, (1, 2)) for crop, shift in zip(crops.flip(3), shifts.tolist(), strict=True)
    ]
    return torch.stack(moved)


def ways_to_feed(card: ModelCard, *, swap: bool = True) -> list[tuple[str, ModelCard]]:
    """The card, its channels swapped if wanted, and the usual normalisations but its own."""
    ways = [("the card", card)]
    if swap:
        other = "RGB" if card.color_order == "BGR" else "BGR"
        ways.append((SWAPPED, replace(card, color_order=other)))
    for name, (mean, std) in NORMALISATIONS.items():
        if card.color_order == "BGR":
            mean, std = mean[::-1], std[::-1]
        if not np.allclose(mean + std, card.mean + card.std, atol=0.01):
            ways.append((name, replace(card, mean=mean, std=std)))
    return ways


@torch.inference_mode()
def feed(model: FaceModel, card: ModelCard, crops: Tensor) -> Tensor:
    """Embed crops (N, 3, H, W), uint8 RGB, as another card says; (N, D) on the CPU."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    parts = [model.backbone(preprocess(part.to(device), card)) for part in crops.split(32)]
    model.train(training)
    return torch.cat(parts).float().cpu()


def _separation(
    embeddings: Tensor, distance: Distance, groups: Tensor, weights: Tensor
) -> tuple[float, Tensor]:
    """d′ on all crops, and in every resample (R,) of the groups."""
    if not bool(embeddings.isfinite().all()) or not bool(embeddings.norm(dim=1).all()):
        return 0.0, weights.new_zeros(len(weights))  # fed like this, it tells nobody apart
    points = comparable(embeddings, distance)
    scores = block_scores(points, points, distance).double()
    # Count, sum and sum of squares of the scores between any two groups: the moments of a
    # resample are weighted sums of these.
    members = torch.nn.functional.one_hot(groups).double()
    powers = (torch.ones_like(scores), scores, scores.square())
    tables = torch.stack([members.T @ power.triu(1) @ members for power in powers])
    genuine = tables.diagonal(dim1=1, dim2=2)
    impostor = tables - torch.diag_embed(genuine)
    value, sampled = (
        _d_prime(w @ genuine.T, torch.einsum("ri,kij,rj->rk", w, impostor, w))
        for w in (torch.ones_like(weights[:1]), weights)
    )
    return float(value), sampled


def _d_prime(genuine: Tensor, impostor: Tensor) -> Tensor:
    """d′ from counts, sums and sums of squares (R, 3) of the two kinds of pairs."""
    means, variances = [], []
    for count, total, squares in (genuine.unbind(1), impostor.unbind(1)):
        means.append(total / count)
        variances.append((squares / count - means[-1] ** 2).clamp(min=1e-12))
    return (means[0] - means[1]) / ((variances[0] + variances[1]) / 2).sqrt()
