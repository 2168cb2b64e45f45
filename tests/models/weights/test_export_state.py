"""State dicts for `arcface_torch` hold the names, kinds and values that it expects."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import build_face_model, load_face_model
from facegeom_lit.models.weights.export_state import export_arcface_torch


@pytest.mark.parametrize(
    ("architecture", "arguments", "names"),
    [
        (
            "iresnet18",
            {"dimension": 64},
            {
                "conv1.weight": (64, 3, 3, 3),
                "layer1.0.downsample.0.weight": (64, 64, 1, 1),
                "layer4.1.prelu.weight": (512,),
                "fc.weight": (64, 512 * 7 * 7),
                "features.running_var": (64,),
                "features.num_batches_tracked": (),
            },
        ),
        (
            "mobilefacenet",
            {"dimension": 512, "scale": 2},
            {
                "layers.0.layers.0.weight": (128, 3, 3, 3),
                "layers.3.layers.1.layers.2.layers.0.weight": (128, 128, 1, 1),
                "conv_sep.layers.2.weight": (512,),
                "features.layers.2.weight": (512, 512),
            },
        ),
        (
            "arcface_vit",
            {"dimension": 64, "channels": 32, "depth": 3},
            {
                "mask_token": (1, 1, 32),
                "pos_embed": (1, 144, 32),
                "blocks.2.attn.qkv.weight": (96, 32),
                "feature.0.weight": (32, 144 * 32),
            },
        ),
    ],
)
def test_written_state(architecture: str, arguments: dict, names: dict, tmp_path: Path) -> None:
    model = build_face_model("m", architecture, arguments).eval()
    export_arcface_torch(model.bfloat16(), tmp_path / "backbone.pth")
    state = torch.load(tmp_path / "backbone.pth", weights_only=True)
    for name, shape in names.items():
        assert tuple(state[name].shape) == shape, name
    assert {t.dtype for t in state.values()} == {torch.float32, torch.int64}
    again = load_face_model(tmp_path / "backbone.pth")
    assert (again.card.architecture, again.card.arguments) == (architecture, arguments)
    # strict: every name, and no other
    again.backbone.load_state_dict(state, strict=True)


@pytest.mark.parametrize(
    ("architecture", "arguments", "card", "message"),
    [
        ("vit", {}, {}, "layout of arcface_torch has iresnet18, .*Use format=onnx"),
        (
            "mobilefacenet",
            {},
            {},
            "with scale=1; that of arcface_torch has scale=2 or 4",
        ),
        ("iresnet18", {"width": 0.25}, {}, "iresnet18 with width=0.25"),
        ("iresnet152", {"width": 0.25}, {}, "is of the architecture iresnet152"),
        ("arcface_vit", {"mask_ratio": 0.0}, {}, "mask_ratio=0.0; .* mask_ratio=0.1 or 0.05"),
        ("arcface_vit", {"heads": 4}, {}, "heads=4; that of arcface_torch has heads=8"),
        ("iresnet18", {"dimension": 8}, {"color_order": "BGR"}, "takes BGR, .*arcface_torch feeds"),
    ],
)
def test_models_that_the_layout_has_not(
    architecture: str, arguments: dict, card: dict, message: str, tmp_path: Path
) -> None:
    model = build_face_model("m", architecture, arguments, card=card)
    with pytest.raises(FaceGeomError, match=message):
        export_arcface_torch(model, tmp_path / "backbone.pth")
    assert not list(tmp_path.iterdir())


def test_bad_suffix_and_nan(tmp_path: Path) -> None:
    model = build_face_model("m", "mobilefacenet", {"scale": 2})
    with pytest.raises(FaceGeomError, match=r"end in \.pth or \.pt"):
        export_arcface_torch(model, tmp_path / "backbone.onnx")
    with torch.no_grad():
        model.backbone.conv_sep.layers[0].weight[0] = torch.inf
    with pytest.raises(FaceGeomError, match="not finite in conv_sep"):
        export_arcface_torch(model, tmp_path / "backbone.pth")
    assert not list(tmp_path.iterdir())
