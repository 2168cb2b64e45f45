from __future__ import annotations

import pytest
import torch
from matplotlib import pyplot as plt

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale import macroscale_table
from facegeom_lit.metrics import AttributeMacroscale

NAMES = ("fixed", "fickle", "length", "constant")


def faces() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    identity = torch.arange(24).repeat_interleave(5)
    fixed = (identity % 2).double()
    fickle = (torch.rand(120, generator=g) < 0.5).double()
    length = torch.rand(120, generator=g).double()
    embeddings = torch.randn(24, 16, generator=g)[identity] + torch.randn(120, 16, generator=g)
    values = torch.stack([fixed, fickle, length, torch.ones(120).double()], dim=1)
    return embeddings + 2 * fixed[:, None].float(), identity, values


def test_equals_the_function_and_undefined_is_absent() -> None:
    embeddings, identity, values = faces()
    order = embeddings[:, 0].argsort()
    table = macroscale_table(
        embeddings[order],
        identity[order],
        dict(zip(NAMES, values[order].T, strict=True)),
        draws=3,
        bootstrap=0,
    )
    metric = AttributeMacroscale(NAMES, draws=3, probes="identity")
    for rows in torch.randperm(120).split(17):  # in any order, in any batches
        metric.update(embeddings[rows], identity[rows], values[rows])
    found = {name: float(value) for name, value in metric.compute().items()}
    for name in NAMES[:3]:
        for figure in ("ks_max", "ks_mean", "ks_weighted", "intra_entropy", "inter_entropy"):
            assert found[f"{figure}/{name}"] == pytest.approx(getattr(table[name], figure))
    assert "distance_correlation/length" in found
    assert "probe_balanced_accuracy/fixed" in found
    assert "spearman/ks_mean/intra_entropy" in found
    assert not [name for name in found if name.endswith("/constant")]


def test_plot_and_errors() -> None:
    metric = AttributeMacroscale(NAMES, draws=2)
    with pytest.raises(FaceGeomError, match="no images"):
        metric.table()
    metric.update(*faces())
    figure, axis = metric.plot()
    assert {text.get_text() for text in axis.texts} == {"fixed", "fickle", "length"}
    assert metric.plot(metric.table(), axis)[0] is figure
    plt.close(figure)
    metric.reset()
    with pytest.raises(FaceGeomError, match=r"values \(B, 4\)"):
        metric.update(torch.ones(3, 2), torch.zeros(3), torch.zeros(3, 2))
    with pytest.raises(FaceGeomError, match="each once"):
        AttributeMacroscale(["age", "age"])
