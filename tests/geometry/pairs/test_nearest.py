from __future__ import annotations

import pytest
import torch

from facegeom_lit.geometry.pairs.nearest import Nearest, both
from facegeom_lit.geometry.pairs.pair_keys import pair_keys


@pytest.mark.parametrize("count", [1, 5, 40])
@pytest.mark.parametrize("levels", [7, 10**6])
def test_the_smallest_of_each_line_block_by_block(count, levels) -> None:
    """A symmetric matrix seen once above its diagonal; few levels = many equal keys."""
    g = torch.Generator().manual_seed(count)
    matrix = torch.randint(levels, (160, 160), generator=g).float()
    matrix = torch.minimum(matrix, matrix.T).fill_diagonal_(torch.inf)
    carried = matrix * 2 + 1
    nearest = Nearest(160, count, 1, matrix.device)
    starts = (0, 64, 96)
    stops = (64, 96, 160)
    for start, stop in zip(starts, stops, strict=True):
        block = matrix[start:stop, start:stop].contiguous()
        found = nearest.first(block, start)
        nearest.take(found, [carried[start:stop, start:stop].flatten()[found.place]])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        rows, columns = slice(starts[i], stops[i]), slice(starts[j], stops[j])
        block = matrix[rows, columns].contiguous()
        found = both(nearest.in_rows(block, rows.start), nearest.in_columns(block, columns.start))
        nearest.take(found, [carried[rows, columns].flatten()[found.place]])
    expected = matrix.topk(count, dim=1, largest=False).values
    assert torch.equal(nearest.keys, expected)
    assert torch.equal(nearest.values[0], expected * 2 + 1)


def test_lines_with_too_few_keys_are_filled_with_infinity() -> None:
    block = torch.full((32, 32), torch.inf)
    block[0, 5] = 1.0
    nearest = Nearest(32, 3, 0, block.device)
    nearest.take(nearest.first(block, 0), [])
    assert nearest.keys[0].tolist() == [1.0, torch.inf, torch.inf]
    assert nearest.keys[1:].isinf().all()


def test_pair_keys_are_random_but_the_same_from_both_ends_and_in_any_block() -> None:
    every = torch.arange(300)
    keys = pair_keys(every, every)
    assert torch.equal(keys, keys.T)
    assert torch.equal(keys[37:50, 100:], pair_keys(every[37:50], every[100:]))
    assert not torch.equal(keys, pair_keys(every, every, seed=1))
    upper = keys[torch.triu_indices(300, 300, 1).unbind()]
    assert len(upper.unique()) > 0.99 * len(upper)
    assert float(upper.min()) >= 0
    assert float(upper.max()) < 1
    assert torch.histc(upper, 10, 0, 1).sub(len(upper) / 10).abs().max() < 250  # 4 sigma
    # Neither neighbouring lines nor neighbouring seeds go together.
    for other in (keys.roll(1, 0), pair_keys(every, every, seed=1)):
        assert (
            abs(float(torch.corrcoef(torch.stack([keys.flatten(), other.flatten()]))[0, 1])) < 0.02
        )
