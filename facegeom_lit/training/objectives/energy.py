"""Energy: move the attribute alignment energy itself."""

from __future__ import annotations

from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.batch_energy import batch_energy, batch_response
from facegeom_lit.training.objectives.base import Objective

STEPS = 3
"""Images of a curve: `a − δ`, `a`, `a + δ`."""


class Energy(Objective):
    """Identity loss, and a goal for the energy or the response of the targeted attribute.

    What Leroy et al. (ICML 2025) measure becomes a training signal: a batch holds whole curves
    (`training.curves`), and `weight · ((E − energy)² + (R − response)²)` is added, with E the
    `batch_energy` of its curves and R their mean displacement |v| on the unit sphere. An energy
    goal of 1 asks for no common direction along the attribute, 0 for one direction; a response
    goal of 0 asks that the embedding does not move.

    Args:
        energy: Goal of the energy in [0, 2]; None leaves it.
        response: Goal of the response in [0, 2]; None leaves it.
        weight: Weight of the squared distance to the goals, positive.

    Raises:
        FaceGeomError: When an argument is out of range, or there is no goal at all.
    """

    needs_attribute = True
    needs_curves = True

    def __init__(
        self, energy: float | None = 1.0, response: float | None = None, weight: float = 1.0
    ) -> None:
        super().__init__()
        if weight <= 0:
            raise FaceGeomError(f"objective.weight must be positive, got {weight}.")
        if energy is None and response is None:
            raise FaceGeomError(
                "objective.energy and objective.response are both null: there is no goal. Set one, "
                "or choose objective=none."
            )
        for key, goal in (("energy", energy), ("response", response)):
            if goal is not None and not 0 <= goal <= 2:
                raise FaceGeomError(f"objective.{key} must lie in [0, 2], got {goal}.")
        self.energy = energy
        self.response = response
        self.weight = weight

    def term(self, directions: Tensor, labels: Tensor, values: Tensor) -> Tensor:
        """Return the weighted squared distance to the goals.

        Args:
            directions: Unit embeddings (3·C, D), curve after curve in the order of its steps.
            labels: Identity of each image, (3·C,).
            values: Not read.
        """
        minus, middle, plus = directions.view(-1, STEPS, directions.shape[1]).unbind(1)
        field = plus - minus
        loss = directions.new_zeros(())
        if self.energy is not None:
            loss = loss + (batch_energy(middle, field, labels[::STEPS]) - self.energy) ** 2
        if self.response is not None:
            loss = loss + (batch_response(field) - self.response) ** 2
        return self.weight * loss
