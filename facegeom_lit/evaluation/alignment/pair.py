"""Two models on the sets that both have embeddings of, and the maps between them."""

from __future__ import annotations

from collections.abc import Sequence

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.maps import MapChoice
from facegeom_lit.evaluation.alignment.sets import AlignmentSet, Space
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, AffineMap


class Pair:
    """Two models, and what is fitted between them: each sum and each map once.

    Args:
        first: A model.
        second: Another one.
        sets: All that both have embeddings of.

    Raises:
        FaceGeomError: When a model has other dimensions in one set than in another.
    """

    def __init__(self, first: str, second: str, sets: Sequence[AlignmentSet]) -> None:
        self.first, self.second, self.sets = first, second, tuple(sets)
        for model in (first, second):
            found = {data.name: data.spaces[model].dimension for data in sets}
            if len(set(found.values())) > 1:
                listed = ", ".join(f"{size} in {name}" for name, size in found.items())
                raise FaceGeomError(
                    f"{model} has embeddings of different dimensions ({listed}), so it is not one "
                    "model. Give one of them another name."
                )
        self._sums: dict[str, AffineAccumulator] = {}
        self._maps: dict[tuple[str, str, str], AffineMap] = {}

    @property
    def directions(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """(source, target), both ways."""
        return (self.first, self.second), (self.second, self.first)

    def spaces(self, data: AlignmentSet, source: str) -> tuple[Space, Space]:
        """What source and target make of a set."""
        return data.spaces[source], data.spaces[self.other(source)]

    def other(self, model: str) -> str:
        """The other one of the two."""
        return self.second if model == self.first else self.first

    def sums(self, data: AlignmentSet, source: str) -> AffineAccumulator:
        """Of all pairs that fit, from source to target."""
        if data.name not in self._sums:
            x, y = self.spaces(data, self.first)
            sums = AffineAccumulator()
            sums.update(x.points[data.fit], y.points[data.fit], data.groups)
            self._sums[data.name] = sums
        sums = self._sums[data.name]
        return sums if source == self.first else sums.reversed()

    def map(self, data: AlignmentSet, source: str, choice: MapChoice) -> AffineMap:
        """The map from source to target, fitted on the fitting people of a set."""
        key = data.name, source, choice.name
        if key not in self._maps:
            self._maps[key] = choice.solve(self.sums(data, source))
        return self._maps[key]
