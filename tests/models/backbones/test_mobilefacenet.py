from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import build_backbone


def test_insightface_layout() -> None:
    backbone = build_backbone("mobilefacenet", scale=2, dimension=512)
    shapes = {name: tuple(tensor.shape) for name, tensor in backbone.state_dict().items()}
    expected = {
        "layers.0.layers.0.weight": (128, 3, 3, 3),
        "layers.0.layers.2.weight": (128,),
        "layers.1.layers.0.weight": (128, 2, 3, 3),
        "layers.2.layers.0.layers.0.weight": (128, 128, 1, 1),
        "layers.2.layers.1.layers.0.weight": (128, 1, 3, 3),
        "layers.2.layers.2.layers.0.weight": (128, 128, 1, 1),
        "layers.3.layers.3.layers.2.layers.1.running_var": (128,),
        "layers.4.layers.2.layers.0.weight": (256, 256, 1, 1),
        "layers.5.layers.5.layers.1.layers.2.weight": (256,),
        "layers.6.layers.0.layers.0.weight": (512, 256, 1, 1),
        "layers.7.layers.1.layers.0.layers.0.weight": (256, 256, 1, 1),
        "conv_sep.layers.0.weight": (512, 256, 1, 1),
        "conv_sep.layers.2.weight": (512,),
        "features.layers.0.layers.0.weight": (512, 1, 7, 7),
        "features.layers.0.layers.1.bias": (512,),
        "features.layers.2.weight": (512, 512),
        "features.layers.3.running_mean": (512,),
    }
    assert {name: shapes[name] for name in expected} == expected
    assert "features.layers.2.bias" not in shapes
    assert "features.layers.0.layers.2.weight" not in shapes
    # Counted from the network that InsightFace publishes.
    assert sum(p.numel() for p in backbone.parameters()) == 2_059_520


def test_the_papers_network_has_a_million_parameters() -> None:
    backbone = build_backbone("mobilefacenet")
    assert 0.98e6 < sum(p.numel() for p in backbone.parameters()) < 1.01e6


@pytest.mark.parametrize(
    ("arguments", "size"),
    [({"width": 0.5}, (112, 112)), ({"width": 0.25, "window": [7, 6]}, (112, 96))],
)
@pytest.mark.parametrize("variant", ["prelu", "relu"])
def test_window_sets_the_input(arguments: dict, size: tuple[int, int], variant: str) -> None:
    backbone = build_backbone("mobilefacenet", variant=variant, **arguments).eval()
    assert backbone.input_size == size
    assert backbone(torch.zeros(2, 3, *size)).shape == (2, 128)


def test_unknown_variant() -> None:
    with pytest.raises(FaceGeomError, match="variant"):
        build_backbone("mobilefacenet", variant="gelu")
