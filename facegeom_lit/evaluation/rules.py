"""Neighbourhoods by their labels, as configurations and tables name them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.neighborhood import Neighborhood


def rules_named(
    labels: Sequence[str], *, include_self: bool = False, max_neighbors: int | None = None
) -> tuple[Neighborhood, ...]:
    """Return the neighbourhoods of labels, in their order.

    Args:
        labels: `ball_RADIUS`, `knn_K` or `inverse_distance`, e.g. `ball_0.6` and `knn_10`.
        include_self: Whether a point is among its own neighbours.
        max_neighbors: At most so many random neighbours of a ball; None: all.

    Raises:
        FaceGeomError: When a label is none of these, or comes twice.

    Example:
        >>> [rule.label for rule in rules_named(["ball_0.6", "knn_10"])]
        ['ball_0.6', 'knn_10']
    """
    rules = tuple(_rule(str(label), include_self, max_neighbors) for label in labels)
    found = [rule.label for rule in rules]
    if twice := [label for label in found if found.count(label) > 1]:
        raise FaceGeomError(f"The neighbourhood {twice[0]} comes twice. Leave one of them out.")
    return rules


def _rule(label: str, include_self: bool, max_neighbors: int | None) -> Neighborhood:
    name, _, parameter = label.partition("_")
    if name == "ball" and (radius := _number(parameter)) is not None:
        return Neighborhood(
            "ball", radius=radius, include_self=include_self, max_neighbors=max_neighbors
        )
    if name == "knn" and parameter.isdecimal() and 0 < int(parameter) < 2**31:
        return Neighborhood("knn", k=int(parameter), include_self=include_self)
    if label == "inverse_distance":
        return Neighborhood("inverse_distance", include_self=include_self)
    raise FaceGeomError(
        f"Unknown neighbourhood {label!r}. Write ball_RADIUS (in mean distances, e.g. ball_0.6), "
        "knn_K (e.g. knn_10) or inverse_distance."
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
