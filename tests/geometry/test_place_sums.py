from __future__ import annotations

import pytest
import torch

from facegeom_lit.geometry.place_sums import place_sums

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("whole", [torch.int32, torch.int64])
def test_every_place_has_its_sum_also_where_only_repeatable_ways_are_allowed(device, whole) -> None:
    g = torch.Generator().manual_seed(0)
    places = torch.randint(7, (500,), generator=g)
    weights = torch.randn(500, generator=g).double()
    expected = [float(weights[places == place].sum()) for place in range(9)]
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        found = place_sums(places.to(device, whole), weights.to(device), 9)
    finally:
        torch.use_deterministic_algorithms(before)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=1e-12)
