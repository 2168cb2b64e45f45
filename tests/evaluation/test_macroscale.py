from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.attribute_sets import LabelledAttributes
from facegeom_lit.evaluation.macroscale import MacroscaleSettings, Outliers, measure_macroscale
from facegeom_lit.evaluation.microscale import Resampling
from facegeom_lit.geometry.macroscale import macroscale_table
from facegeom_lit.geometry.macroscale.outliers import find_inliers

PEOPLE, IMAGES, D = 40, 6, 8
FEW = Resampling(50)
SETTINGS = MacroscaleSettings(draws=3, permutations=19, probes=None, resampling=FEW)


def faces() -> tuple[torch.Tensor, LabelledAttributes]:
    """`sex` shifts a person's centre, `smile` changes with the image and moves nothing."""
    g = torch.Generator().manual_seed(0)
    identity = torch.arange(PEOPLE).repeat_interleave(IMAGES)
    sex = torch.where(torch.arange(PEOPLE) % 2 == 0, 1.0, -1.0)[identity]
    smile = torch.where(torch.rand(len(identity), generator=g) < 0.5, 1.0, -1.0)
    centres = torch.randn(PEOPLE, D, generator=g)
    embeddings = centres[identity] + 0.2 * torch.randn(len(identity), D, generator=g)
    embeddings[:, 0] += 2 * sex
    age = torch.randint(20, 60, (PEOPLE,), generator=g)[identity].float()
    return embeddings, LabelledAttributes(identity, {"sex": sex, "smile": smile, "age": age})


def test_outliers_go_first_and_are_counted() -> None:
    embeddings, labels = faces()
    embeddings[0] = -embeddings[0] * 9
    found = measure_macroscale(embeddings, labels, "cosine", SETTINGS)
    kept = find_inliers(embeddings, labels.identity).mask
    assert not kept[0]
    assert found.inliers is not None
    assert found.inliers.outliers == int((~kept).sum())
    reference = macroscale_table(
        embeddings[kept],
        labels.identity[kept],
        {name: values[kept] for name, values in labels.values.items()},
        draws=3,
        bootstrap=50,
        permutations=19,
    )
    assert found.table.rows == reference.rows
    assert found.table["sex"].ks_mean > found.table["smile"].ks_mean  # type: ignore[operator]
    assert found.table["age"].kind == "continuous"
    assert found.notes[0].startswith("left out of the macroscale: ")
    everything = measure_macroscale(
        embeddings, labels, "cosine", MacroscaleSettings(draws=1, probes=None, outliers=None)
    )
    assert everything.inliers is None
    assert everything.table.images == len(embeddings)


def test_a_constant_attribute_is_a_remark() -> None:
    embeddings, labels = faces()
    values = {**labels.values, "face": torch.ones(len(embeddings))}
    found = measure_macroscale(
        embeddings, LabelledAttributes(labels.identity, values), "cosine", SETTINGS
    )
    assert found.table["face"].ks_mean is None
    assert "face: fewer than two different values are known" in found.notes


def test_nobody_left_is_an_error() -> None:
    embeddings, labels = faces()
    alone = LabelledAttributes(torch.arange(len(embeddings)), labels.values)
    with pytest.raises(FaceGeomError, match=r"no image is left.*outliers=null"):
        measure_macroscale(embeddings, alone, "cosine", SETTINGS)
    lonely = MacroscaleSettings(draws=1, probes=None, outliers=Outliers(fewest=9), resampling=FEW)
    with pytest.raises(FaceGeomError, match="nobody has 9 images"):
        measure_macroscale(embeddings, labels, "cosine", lonely)
    embeddings[5, 0] = torch.nan
    with pytest.raises(FaceGeomError, match="NaN or infinity in 1 of"):
        measure_macroscale(embeddings, labels, "cosine", SETTINGS)
