"""All models on one set, at the scales that the set allows, and the tests between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from facegeom_lit.evaluation.macroscale import MacroscaleResult
from facegeom_lit.evaluation.microscale import Microscale, Resampling
from facegeom_lit.evaluation.shape import Shape
from facegeom_lit.geometry.comparison import Comparison, compare

TESTED = ("energy", "response")
"""What two models, or two attributes, are compared by: the main energy, and the response."""


@dataclass(frozen=True)
class Analysis:
    """What was found on one set.

    Attributes:
        set: Its name.
        microscale: By model; measured on the same curves.
        macroscale: By model; measured with the same labels.
        shape: By model; of the same images.
        notes: What a reader must know of the set.
        resampling: Of the differences between models and attributes.
    """

    set: str
    microscale: Mapping[str, Microscale]
    macroscale: Mapping[str, MacroscaleResult]
    shape: Mapping[str, Shape] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    resampling: Resampling = field(default_factory=Resampling)

    @property
    def remarks(self) -> tuple[str, ...]:
        """All notes of the set, and those of models, which name whom they are about."""
        models: dict[str, list[str]] = {}
        for results in (self.microscale, self.macroscale, self.shape):
            for model, result in results.items():
                for note in result.notes:
                    models.setdefault(note, []).append(model)
        return (*self.notes, *(f"{', '.join(names)}: {note}" for note, names in models.items()))

    def between_models(self, measure: str) -> list[Comparison]:
        """Test every two models along every attribute, as one family.

        Args:
            measure: One of `TESTED`.
        """
        attributes = dict.fromkeys(a for r in self.microscale.values() for a in r.figures)
        return self._compared(
            {
                attribute: {m: r.values(measure, attribute) for m, r in self.microscale.items()}
                for attribute in attributes
            }
        )

    def between_attributes(self, measure: str) -> list[Comparison]:
        """Test every two attributes under every model, as one family; see `between_models`."""
        return self._compared(
            {
                model: {attribute: r.values(measure, attribute) for attribute in r.figures}
                for model, r in self.microscale.items()
            }
        )

    def _compared(self, groups: Mapping[str, Mapping[str, Tensor]]) -> list[Comparison]:
        bootstrap = self.resampling
        return compare(
            groups, resamples=bootstrap.resamples, level=bootstrap.level, seed=bootstrap.seed
        )
