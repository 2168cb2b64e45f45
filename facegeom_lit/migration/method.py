"""How a migration map is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.maps import OPTIONS, MapChoice
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, AffineMap, Method


@dataclass(frozen=True)
class MapMethod:
    """Arguments of the fit.

    Attributes:
        method: See `geometry.alignment.affine.fit`, as all others.
        bias: Centre both sides.
        ridge: λ, "gcv" or "kfold", of `ridge` and `low_rank`; None: "kfold" over people.
        rank: Of `low_rank`; None: chosen over people.
        scale: Let `procrustes` scale.

    Raises:
        FaceGeomError: When an argument belongs to another method.
    """

    method: Method = "ridge"
    bias: bool = True
    ridge: float | str | None = None
    rank: int | None = None
    scale: bool = False

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise FaceGeomError(f"method must be one of {get_args(Method)}, got {self.method!r}.")
        for name in ("ridge", "rank", "scale"):
            methods = [method for method, options in OPTIONS.items() if name in options]
            value = getattr(self, name)
            given = value is not None and value is not False  # a λ of 0 equals False
            if given and self.method not in methods:
                raise FaceGeomError(
                    f"{name}={value} belongs to method={' or '.join(methods)}, not "
                    f"to {self.method}. Leave one of them out."
                )

    def solve(self, sums: AffineAccumulator) -> AffineMap:
        """The map of these sums, as `MapChoice` solves it."""
        if self.method == "none":
            return sums.solve("none")
        choice = MapChoice(self.method, self.method, self.bias, self.ridge, self.scale, self.rank)
        return choice.solve(sums)
