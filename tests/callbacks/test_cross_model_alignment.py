from __future__ import annotations

from pathlib import Path

import pytest
import torch
from callbacks.known import KnownEmbeddings, small_model
from torch import Tensor

from facegeom_lit.callbacks.cross_model_alignment import CrossModelAlignment
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.embed import embed
from facegeom_lit.training.sources import RunData


@pytest.fixture
def reference(data: RunData) -> Tensor:
    return embed(small_model(), data.evaluation["judge"])


def measure(data: RunData, own: Tensor, cache: Path) -> dict[str, float | None]:
    callback = CrossModelAlignment()
    callback.connect(data, {"other": small_model()}, cache)
    return callback.measure(KnownEmbeddings({"judge": own})).metrics  # type: ignore[arg-type]


def test_a_rotated_model_is_recovered_by_every_map(
    data: RunData, reference: Tensor, tmp_path: Path
) -> None:
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(3)))[0]
    metrics = measure(data, reference @ rotation, tmp_path)
    for direction in ("to", "from"):
        native = metrics[f"val/align/other/native/{direction}/rank1"]
        for kind in ("procrustes", "linear", "ridge"):
            found = metrics[f"val/align/other/{kind}/{direction}/rank1"]
            assert found == pytest.approx(native, abs=0.06)


def test_the_same_model_needs_no_map(data: RunData, reference: Tensor, tmp_path: Path) -> None:
    metrics = measure(data, reference, tmp_path)
    assert metrics["val/align/other/none/to/rank1"] == metrics["val/align/other/native/to/rank1"]


def test_reference_embeddings_are_cached_by_weights_and_faces(
    data: RunData, reference: Tensor, tmp_path: Path
) -> None:
    first = measure(data, reference, tmp_path)
    (file,) = tmp_path.iterdir()
    stamp = file.stat().st_mtime_ns
    assert measure(data, reference, tmp_path) == first
    assert file.stat().st_mtime_ns == stamp


def test_differences_of_nothing_are_zero(data: RunData, reference: Tensor, tmp_path: Path) -> None:
    callback = CrossModelAlignment(maps=("none", "ridge"))
    callback.connect(data, {"other": small_model()}, tmp_path)
    found = callback.measure(KnownEmbeddings({"judge": reference}))  # type: ignore[arg-type]
    assert all(i.value == 0 for i in callback.differences(found, found).values())


@pytest.mark.parametrize(
    "choice", [{"maps": ("ridge",)}, {"maps": ("none", "x")}, {"fit_share": 1}]
)
def test_bad_values_name_their_key(choice: dict[str, object]) -> None:
    with pytest.raises(FaceGeomError, match=r"callbacks\.cross_model_alignment"):
        CrossModelAlignment(**choice)  # type: ignore[arg-type]
