from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.training.embedding_pass import EmbeddingPass


def test_order_and_duplicates_do_not_matter() -> None:
    truth = torch.randn(5, 3)
    collected = EmbeddingPass({"faces": 5})
    for rows in ([4, 0], [1, 3], [2, 0]):
        collected.add("faces", torch.tensor(rows), truth[rows])
    assert torch.equal(collected.whole("faces"), truth)
    assert collected.whole("faces") is collected.whole("faces")


def test_every_process_is_gathered() -> None:
    truth = torch.randn(4, 2)
    mine = EmbeddingPass({"faces": 4})
    mine.add("faces", torch.tensor([0, 2]), truth[[0, 2]])
    others = {torch.int64: torch.tensor([1, 3]), torch.float32: truth[[1, 3]]}
    joined = mine.whole("faces", lambda part: torch.cat([part, others[part.dtype]]))
    assert torch.equal(joined, truth)


def test_missing_images_are_counted_with_likely_causes() -> None:
    collected = EmbeddingPass({"faces": 5})
    collected.add("faces", torch.tensor([0, 1, 3]), torch.zeros(3, 2))
    with pytest.raises(FaceGeomError, match=r"2 of 5 .*first: image 2.*limit_val_batches"):
        collected.whole("faces")


def test_nan_is_caught_where_it_is_born() -> None:
    collected = EmbeddingPass({"faces": 2})
    with pytest.raises(FaceGeomError, match=r"1 of 2 images of 'faces' \(first: image 7\)"):
        collected.add("faces", torch.tensor([6, 7]), torch.tensor([[1.0], [torch.nan]]))


def test_a_new_pass_forgets_the_last() -> None:
    collected = EmbeddingPass({"faces": 1})
    collected.add("faces", torch.tensor([0]), torch.ones(1, 2))
    collected.whole("faces")
    collected.clear()
    with pytest.raises(FaceGeomError, match="gave no batch"):
        collected.whole("faces")
