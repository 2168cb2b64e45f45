"""Alignments of made-up models, whose figures are simple functions of the models' families."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from facegeom_lit.evaluation.alignment.result import (
    NATIVE,
    UNALIGNED,
    Alignment,
    Cell,
    Families,
    Fusion,
    Index,
    Ladder,
    Leakage,
    Survival,
)
from facegeom_lit.geometry.statistics import Interval

NAMES = (
    "mobilefacenet_prelu_casia",
    "mobilefacenet_relu_ms1m",
    "mobilefacenet_y1",
    "mobilefacenet_y1_other_training",
    "mobilefacenet_int8_casia",
    "mobileface_v2",
    "mobileface_v3",
    "reidentification_retail_0095",
    "densenet_hinge",
    "iresnet_50_webface_arcface",
    "clip_vit_large_patch14_336",
    "dinov2_base",
)
MAPS = {"procrustes": 0.9, "linear": 0.93, "ridge": 0.97, "low_rank": 0.95}
UNDEFINED = Interval(None, None, None, 0)


def interval(value: float, half: float = 0.02, count: int = 150) -> Interval:
    return Interval(value, value - half, value + half, count)


def native(model: int) -> float:
    """Rank-1 of a model by its number."""
    return 0.9 - 0.04 * (model % 5)


def recovered(source: int, target: int) -> float:
    """How much the best map recovers: more within a family of every third model."""
    alike = 0.1 if source % 3 == target % 3 else 0.0
    return 0.85 + alike - 0.01 * abs(source - target) - 0.005 * (source < target)


def example(
    models: int = 9, sets: tuple[str, ...] = ("celeba_subset", "att"), attributes: int = 8
) -> Alignment:
    """An alignment that has everything."""
    names = NAMES[:models]
    pairs = list(permutations(range(models), 2))
    cells = [cell for judged in sets for cell in _cells(names, pairs, sets, judged)]
    return Alignment(
        models=names,
        sets={name: {"people": 299, "judging": 150, "images": 6284} for name in sets},
        cells=tuple(cells),
        indices=tuple(_index(names, sets[0], pair, kind) for pair in pairs for kind in _KINDS),
        ladders=tuple(
            _ladder(names, sets[0], pair, kind) for pair in pairs for kind in ("rank", "anchors")
        ),
        families=tuple(_families(names, name) for name in sets) if models > 1 else (),
        leakage=tuple(_leakage(names, sets[0], p, a) for p in pairs[:6] for a in range(attributes)),
        survival=tuple(
            _survival(names, sets[0], p, a) for p in pairs[:6] for a in range(attributes)
        ),
        fusions=tuple(_fusion(names, sets[0], method) for method in ("scores", "features")),
        notes=("densenet_hinge was centred.",),
    )


_KINDS = ("cka", "mutual_knn", "procrustes_disparity")


def _figures(rank1: float) -> dict[str, Interval]:
    tar = {f"tar@1e-{n}": interval(rank1 * (1 - 0.1 * (n - 1))) for n in (1, 2, 3)}
    return {"rank1": interval(rank1), "rank5": interval(rank1), **tar, "tar@1e-4": UNDEFINED}


def _cells(
    names: tuple[str, ...], pairs: list[tuple[int, int]], sets: tuple[str, ...], judged: str
) -> list[Cell]:
    cells = [
        Cell(name, name, NATIVE, judged, judged, _figures(native(index)))
        for index, name in enumerate(names)
    ]
    for source, target in pairs:
        ends = names[source], names[target]
        low, high = 0.004 + 0.001 * (source % 4), native(target)
        cells.append(Cell(*ends, UNALIGNED, judged, judged, _figures(low)))
        for name, share in MAPS.items():
            for fitted in sets:
                part = share * recovered(source, target) * (1 if fitted == judged else 0.9)
                figures = _figures(low + part * (high - low)) | {"recovered": interval(part)}
                null = 0.007 if fitted == judged else None
                cells.append(Cell(*ends, name, fitted, judged, figures, 1.0, 3000, null))
    return cells


def _index(names: tuple[str, ...], name: str, pair: tuple[int, int], kind: str) -> Index:
    value = (
        recovered(*sorted(pair)) - 0.3 + 0.03 * np.sin(sum(pair) ** 2)
        if kind == "cka"
        else 0.4 * recovered(*sorted(pair))
    )
    value = 1 - value if kind == "procrustes_disparity" else value
    first, second = (names[index] for index in pair)
    return Index(first, second, name, kind, interval(value), 0.01, 0.0099)


def _ladder(names: tuple[str, ...], name: str, pair: tuple[int, int], kind: str) -> Ladder:
    steps = (1, 2, 4, 8, 16, 32, 64, 128) if kind == "rank" else (50, 100, 200, 400, 800, 1600)
    top = recovered(*pair) * native(pair[1])
    figures = tuple(
        interval(top * (1 - np.exp(-20 * step / steps[-1] / (1 + pair[0])))) for step in steps
    )
    source, target = (names[index] for index in pair)
    of_map = "low_rank" if kind == "rank" else "ridge"
    level = native(pair[1])
    return Ladder(source, target, name, kind, of_map, steps, figures, level, 0.006)


def _families(names: tuple[str, ...], name: str) -> Families:
    count = len(names)
    distance = np.zeros((count, count))
    matrix = np.diag([native(index) for index in range(count)])
    for source, target in permutations(range(count), 2):
        distance[source, target] = 1 - (recovered(source, target) + recovered(target, source)) / 2
        matrix[source, target] = recovered(source, target) * native(target)
    tree = linkage(squareform(distance), "average")
    family = tuple(int(number) for number in fcluster(tree, 0.15, "distance"))
    return Families(name, "ridge", names, matrix, distance, tree, family)


def _leakage(names: tuple[str, ...], name: str, pair: tuple[int, int], attribute: int) -> Leakage:
    level = 0.95 - 0.04 * (attribute % 10) - 0.01 * pair[1]
    own, other, mapped, crossed = (interval(level - drop) for drop in (0.0, 0.03, 0.05, 0.1))
    source, target = (names[index] for index in pair)
    return Leakage(
        source, target, name, "ridge", f"Attribute_{attribute}", own, other, mapped, crossed, 0.5
    )


def _survival(names: tuple[str, ...], name: str, pair: tuple[int, int], attribute: int) -> Survival:
    own = 0.2 + 0.05 * attribute
    other = 0.2 + 0.05 * ((attribute * 3) % 7) if attribute else None
    mapped = None if other is None else 0.7 * own + 0.3 * other + 0.01 * pair[1]
    source, target = (names[index] for index in pair)
    where = source, target, name, "ridge", f"Attribute_{attribute}"
    return Survival(*where, "ks_mean", own, other, mapped)


def _fusion(names: tuple[str, ...], name: str, method: str) -> Fusion:
    figures, best = _figures(0.93), _figures(0.9)
    changes = {key: interval(0.03) if of.value else UNDEFINED for key, of in figures.items()}
    common = "" if method == "scores" else names[0]
    return Fusion(name, method, names, common, figures, names[0], best, changes)
