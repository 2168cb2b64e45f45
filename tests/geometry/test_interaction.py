from __future__ import annotations

import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.interaction import (
    interaction_intervals,
    interaction_matrix,
    shared_nodes,
)
from tests.reference import lattice as reference


def fields(attributes: int = 3, nodes: int = 40, dimension: int = 8) -> torch.Tensor:
    return torch.randn(attributes, nodes, dimension, generator=torch.Generator().manual_seed(0))


def test_it_agrees_with_the_sentence() -> None:
    given = fields(nodes=1500)  # more than a block
    measured = interaction_matrix(given)
    for a in range(3):
        for b in range(3):
            expected = 0 if a == b else reference.interaction(*given[[a, b]].double().numpy())
            assert float(measured[a, b]) == pytest.approx(expected, abs=1e-9)
    assert torch.equal(measured, measured.T)


def test_known_answers() -> None:
    v = fields()[0]
    other = v.roll(1, dims=1) * torch.tensor([0.0, 1.0]).repeat(4)
    across = v * torch.tensor([1.0, 0.0]).repeat(4)  # no coordinate in common with `other`
    measured = interaction_matrix(torch.stack([v, 3 * v, -v]))
    expected = torch.tensor([[0.0, 0, 2], [0, 0, 2], [2, 2, 0]], dtype=torch.float64)
    assert torch.allclose(measured, expected, atol=1e-6)
    assert float(interaction_matrix(torch.stack([other, across]))[0, 1]) == 1


def test_a_node_that_one_attribute_lacks_is_left_out_of_its_pairs() -> None:
    given = fields()
    holed = given.clone()
    holed[1, :10] = 0
    measured, whole = interaction_matrix(holed), interaction_matrix(given)
    rest = interaction_matrix(given[:, 10:])
    assert float(measured[0, 1]) == pytest.approx(float(rest[0, 1]))
    assert float(measured[0, 2]) == pytest.approx(float(whole[0, 2]))
    assert shared_nodes(holed).tolist() == [[40, 30, 40], [30, 30, 30], [40, 30, 40]]
    holed[1] = 0
    nothing = interaction_matrix(holed)
    assert nothing[0, 1].isnan()
    assert nothing[1, 1] == 0


def test_intervals_are_the_bootstrap_of_each_entry() -> None:
    matrices = torch.stack(
        [interaction_matrix(fields(nodes=6).roll(i, 1)[:, :3]) for i in range(6)]
    )
    matrices[0, 0, 1] = matrices[0, 1, 0] = torch.nan
    mean, low, high = interaction_intervals(matrices)
    assert np.allclose(mean, matrices.nanmean(dim=0))
    assert bool(low[0, 1].isnan())  # five identities are too few
    assert low[0, 2] < mean[0, 2] < high[0, 2]
    assert torch.equal(low.nan_to_num(), low.T.nan_to_num())


def test_bad_fields_are_refused() -> None:
    with pytest.raises(FaceGeomError, match="at least one"):
        interaction_matrix([])
    with pytest.raises(FaceGeomError, match="same nodes"):
        interaction_matrix([torch.ones(3, 2), torch.ones(2, 2)])
    with pytest.raises(FaceGeomError, match="NaN"):
        interaction_matrix([torch.full((3, 2), torch.nan)])
