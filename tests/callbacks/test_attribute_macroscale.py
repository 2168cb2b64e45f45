from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from callbacks.known import IMAGES, PEOPLE, KnownEmbeddings
from torch import Tensor

from facegeom_lit.callbacks.attribute_macroscale import AttributeMacroscale
from facegeom_lit.callbacks.evaluation import Measurement
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.geometry.macroscale import macroscale_table
from facegeom_lit.training.sources import RunData


def labelled(data: RunData, names: tuple[str, ...]) -> RunData:
    """Eight people with nine images each: `part` is theirs, `turned` and `flag` their images'."""
    rows = [
        {
            "identity": f"p{person}",
            "path": f"{person}_{image}.png",
            "part": float(person < PEOPLE // 2),
            "turned": float(image),
            "flag": float(person == 0),
            "same": 1.0,
        }
        for person in range(PEOPLE)
        for image in range(IMAGES)
    ]
    return replace(data, evaluation={"judge": FaceSet.from_rows(rows, names)})


def measured(data: RunData, embeddings: Tensor, **choices: object) -> Measurement:
    callback = AttributeMacroscale(**choices)  # type: ignore[arg-type]
    callback.connect(data, {}, Path())
    return callback.measure(KnownEmbeddings({"judge": embeddings}))  # type: ignore[arg-type]


def test_logged_figures_are_the_tables(data: RunData, embeddings: Tensor) -> None:
    data = labelled(data, ("turned",))
    found = measured(data, embeddings, draws=3)
    faces = data.evaluation["judge"]
    row = macroscale_table(
        embeddings, faces.labels, {"turned": faces.attribute("turned")}, draws=3, bootstrap=0
    )["turned"]
    assert found.metrics["val/macro_ks/turned"] == pytest.approx(row.ks_mean)
    correlation = found.metrics["val/macro_distance_correlation/turned"]
    assert correlation == pytest.approx(row.distance_correlation)
    assert found.tables["macroscale"]["turned"]["intra_entropy"] == pytest.approx(math.log(3))
    assert found.notes == []


def test_undefined_is_none_with_a_remark_and_never_nan(data: RunData, embeddings: Tensor) -> None:
    found = measured(labelled(data, ("part", "flag", "same", "turned")), embeddings)
    assert found.metrics["val/macro_ks/part"] is None  # four people with it, six are needed
    assert found.metrics["val/macro_ks/flag"] is None
    assert not [name for name in found.metrics if name.endswith("/same")]
    assert all(v is None or math.isfinite(v) for v in found.metrics.values())
    assert len(found.notes) == 2
    assert any("4 identities with and 4 without" in note for note in found.notes)
    assert "val/macro_distance_correlation/part" not in found.metrics


def test_probes_are_off_unless_asked_for(data: RunData, embeddings: Tensor) -> None:
    labels = labelled(data, ("turned",))
    assert "val/macro_probe/turned" not in measured(labels, embeddings).metrics
    probed = measured(labels, embeddings, probes="identity").metrics["val/macro_probe/turned"]
    assert probed is not None
    assert 0.6 < probed <= 1.0  # one common direction


def test_a_set_without_attributes_is_said_and_no_error(data: RunData, embeddings: Tensor) -> None:
    found = measured(labelled(data, ()), embeddings)
    assert found.metrics == {}
    assert found.notes == ["judge: no attribute varies; the macroscale is not measured"]
    assert AttributeMacroscale().differences(found, found) == {}


@pytest.mark.parametrize("choice", [{"draws": 0}, {"per_modality": 1}, {"probes": "fold"}])
def test_bad_values_name_their_key(choice: dict[str, object]) -> None:
    with pytest.raises(FaceGeomError, match=r"callbacks\.attribute_macroscale"):
        AttributeMacroscale(**choice)  # type: ignore[arg-type]


def test_the_same_images_are_drawn_every_time(data: RunData, embeddings: Tensor) -> None:
    labels = labelled(data, ("turned",))
    assert measured(labels, embeddings).metrics == measured(labels, embeddings).metrics
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0))).Q
    turned = measured(labels, embeddings @ turn).metrics
    assert turned == pytest.approx(measured(labels, embeddings).metrics, abs=2e-2)
