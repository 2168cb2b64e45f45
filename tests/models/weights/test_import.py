"""Recognising published weights, and what is said when they are not whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from reference import published_shapes as published
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import ModelCard, build_backbone, load_face_model
from facegeom_lit.models.weights.fit import compare
from facegeom_lit.models.weights.layouts import LAYOUTS
from facegeom_lit.models.weights.layouts.mobilefacenet import PRELU_NAMES, RELU_NAMES
from facegeom_lit.models.weights.recognise import HEADS, recognise

R18 = published.IR_BLOCKS[18]
SMALL = {
    "arcface_torch iresnet18": published.iresnet(R18, 16, 64),
    "AdaFace IR-18": published.ir(R18, 16, 64),
    "arcface_torch mbf": published.mbf((1, 4, 6, 2), 2, 64),
    "InsightFace_Pytorch MobileFaceNet": published.mobilefacenet(64),
    "arcface_torch ViT": published.vit(32, 2, 64),
    "facenet-pytorch InceptionResnetV1": published.inception_resnet_v1(0),
}


def foreign(modules: dict[str, str], **arguments: object) -> dict[str, Tensor]:
    """A state dict in another layout: our network's tensors under the other names."""
    torch.manual_seed(0)
    theirs = {ours: name for name, ours in modules.items()}
    state = build_backbone("mobilefacenet", **arguments).state_dict()
    return {
        f"{theirs[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": tensor
        for name, tensor in state.items()
    }


def meta(shapes: published.Shapes) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_arcface_torch_training_checkpoint_is_unwrapped_and_its_rest_named(tmp_path: Path) -> None:
    state = published.random_state(SMALL["arcface_torch iresnet18"])
    checkpoint = {
        "epoch": 3,
        "global_step": 1000,
        "state_dict_backbone": {f"module.{name}": tensor for name, tensor in state.items()},
        "state_dict_softmax_fc": {"weight": torch.zeros(10, 64)},
        "state_optimizer": {"state": {}, "param_groups": []},
    }
    torch.save(checkpoint, tmp_path / "checkpoint_gpu_0.pt")
    card = load_face_model(tmp_path / "checkpoint_gpu_0.pt").card
    assert card.arguments == {"dimension": 64, "width": 0.25}
    assert card.training["left_aside"] == ["state_dict_softmax_fc", "state_optimizer"]
    assert "non-commercial" in card.licence


@pytest.mark.parametrize(
    ("modules", "arguments", "size"),
    [
        (PRELU_NAMES, {"window": [7, 6]}, (112, 96)),
        (PRELU_NAMES, {"window": [7, 7], "dimension": 64}, (112, 112)),
        (RELU_NAMES, {"variant": "relu"}, (112, 112)),
    ],
)
def test_foreign_mobilefacenets_are_renamed(
    modules: dict, arguments: dict, size: tuple[int, int], tmp_path: Path
) -> None:
    state = foreign(modules, **arguments)
    last = "linear1.conv.weight" if modules is PRELU_NAMES else "conv3.weight"
    state[last] = state[last][:, :, None, None]
    torch.save({"net_state_dict": state}, tmp_path / "net.ckpt")
    model = load_face_model(tmp_path / "net.ckpt")
    assert model.card.size == size
    torch.manual_seed(0)
    same = build_backbone("mobilefacenet", **arguments)
    for name, tensor in same.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], tensor), name


def test_widths_strides_and_blocks_are_read_from_shapes(tmp_path: Path) -> None:
    for architecture, arguments in (
        ("iresnet34", {"dimension": 32, "width": 0.25, "stem_stride": 2}),
        ("mobilefacenet", {"dimension": 32, "scale": 2, "width": 0.5}),
        ("mobilefacenet", {"dimension": 32, "scale": 1, "blocks": [2, 3, 4, 1]}),
        ("arcface_vit", {"dimension": 32, "channels": 16, "depth": 3, "patch": 28}),
    ):
        torch.save(build_backbone(architecture, **arguments).state_dict(), tmp_path / "w.pth")
        card = load_face_model(tmp_path / "w.pth").card
        assert (card.architecture, card.arguments) == (architecture, arguments)


@pytest.mark.parametrize("prefix", ["", "module.", "model.backbone.", "_orig_mod.module.net."])
@pytest.mark.parametrize("title", SMALL)
def test_prefixes_in_any_nesting(title: str, prefix: str) -> None:
    known = recognise({f"{prefix}{name}": t for name, t in meta(SMALL[title]).items()})
    assert known is not None
    assert known.prefix == prefix
    expected = title.partition(" ")[2]  # what stands before says whose preprocessing it is
    assert known.title.partition(" ")[2] == expected


@pytest.mark.parametrize("title", SMALL)
def test_whichever_tensor_is_missing_it_is_named(title: str) -> None:
    whole = meta(SMALL[title])
    # Without its mask token a ViT is another one, trained without masks.
    optional = ("num_batches_tracked", "mask_token")
    weights = [name for name in whole if not name.endswith(optional)]
    for gone in weights[:: len(weights) // 10]:
        known = recognise({name: t for name, t in whole.items() if name != gone})
        assert known is not None, gone
        with torch.device("meta"):
            network = build_backbone(known.card.architecture, **known.card.arguments)
        names = {name: known.original(name) for name in network.state_dict()}
        with pytest.raises(FaceGeomError) as caught:
            compare(network, known.state, source="file", network_name="net", names=names)
        # Without its width, a network is taken for one of the published width.
        assert re.search(rf"missing: [^;]*{re.escape(gone)} ", str(caught.value)), gone


def test_almost_known_layout_names_the_nearest_and_what_is_missing(tmp_path: Path) -> None:
    state = published.random_state(SMALL["AdaFace IR-18"])
    del state["body.3.res_layer.1.weight"]
    torch.save({f"model.{name}": tensor for name, tensor in state.items()}, tmp_path / "a.ckpt")
    with pytest.raises(
        FaceGeomError,
        match=r"a\.ckpt looks like AdaFace IR-18, but .*1 tensor missing: "
        r"model\.body\.3\.res_layer\.1\.weight \(here layer2\.1\.conv1\.weight\) \(32, 32, 3, 3\)",
    ):
        load_face_model(tmp_path / "a.ckpt")


def test_mismatch_is_explained_tensor_by_tensor(tmp_path: Path) -> None:
    state = foreign(PRELU_NAMES, window=[7, 6])
    del state["blocks.3.conv.0.weight"]
    state["extra.weight"] = torch.zeros(2)
    state["conv1.bn.bias"] = torch.zeros(64, dtype=torch.long)
    state["conv2.conv.weight"] = torch.zeros(512, 64, 1, 1)
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(FaceGeomError) as caught:
        load_face_model(tmp_path / "net.pth")
    message = str(caught.value)
    assert "net.pth looks like Xiaoccer's MobileFaceNet, but does not fit mobilefacenet" in message
    ours = "layers.3.layers.2.layers.0.layers.0.weight"
    assert f"1 tensor missing: blocks.3.conv.0.weight (here {ours}) (128, 64, 1, 1)" in message
    assert "1 tensor left over: extra.weight (2,)" in message
    assert "conv2.conv.weight (here conv_sep.layers.0.weight) expected (512, 128, 1, 1)" in message
    assert "found (512, 64, 1, 1)" in message
    assert "1 tensor of whole numbers: conv1.bn.bias" in message


def test_long_lists_are_cut(tmp_path: Path) -> None:
    state = published.random_state(SMALL["arcface_torch iresnet18"])
    torch.save({n: t for n, t in state.items() if "layer2.1" not in n}, tmp_path / "net.pth")
    with pytest.raises(FaceGeomError, match=r"15 tensors missing: layer2\.1\.bn1\.weight .*, …"):
        load_face_model(tmp_path / "net.pth")


def test_what_is_beside_the_network_is_a_head_or_left_over(tmp_path: Path) -> None:
    state = {f"backbone.{n}": t for n, t in published.random_state(SMALL["AdaFace IR-18"]).items()}
    torch.save({**state, "classifier.0.weight": torch.ones(3, 64)}, tmp_path / "head.pt")
    card = load_face_model(tmp_path / "head.pt").card
    assert card.training["left_aside"] == ["classifier.0.weight (3, 64)"]
    # A tensor beside the network with one of our names fills no hole.
    del state["backbone.input_layer.0.weight"]
    torch.save({**state, "conv1.weight": torch.ones(16, 3, 3, 3)}, tmp_path / "other.pt")
    with pytest.raises(FaceGeomError, match=r"1 tensor missing.*1 tensor left over: conv1\.weight"):
        load_face_model(tmp_path / "other.pt")
    assert "head" in HEADS


def test_two_networks_in_one_file_are_refused(tmp_path: Path) -> None:
    state = published.random_state(SMALL["arcface_torch ViT"])
    both = {f"{prefix}{n}": t for prefix in ("model.", "net.") for n, t in state.items()}
    torch.save(both, tmp_path / "two.pt")
    with pytest.raises(FaceGeomError, match=r"tensors left over: model\."):
        load_face_model(tmp_path / "two.pt")


def test_unknown_layouts_need_a_card_and_get_their_prefix_removed(tmp_path: Path) -> None:
    backbone = build_backbone("vit", depth=1, dimension=16)
    state = {f"module.net.{name}": tensor for name, tensor in backbone.state_dict().items()}
    torch.save({**state, "head.kernel": torch.ones(3)}, tmp_path / "vit.pt")
    with pytest.raises(FaceGeomError, match="not a known one"):
        load_face_model(tmp_path / "vit.pt")
    card = ModelCard("mine", "vit", 16, {"depth": 1, "dimension": 16})
    model = load_face_model(tmp_path / "vit.pt", card=card)
    assert torch.equal(model.backbone.fc.weight, backbone.fc.weight)
    assert model.card.training == {"left_aside": ["head.kernel (3,)"]}
    del state["module.net.fc.weight"]
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(FaceGeomError, match=r"less\.pt does not fit vit .*module\.net\.fc\.weight"):
        load_face_model(tmp_path / "less.pt", card=card)


def test_a_card_says_how_to_feed_a_known_layout(tmp_path: Path) -> None:
    torch.save(published.random_state(SMALL["AdaFace IR-18"]), tmp_path / "a.pt")
    found = load_face_model(tmp_path / "a.pt").card
    card = ModelCard("mine", found.architecture, found.dimension, found.arguments, "RGB")
    model = load_face_model(tmp_path / "a.pt", card=card)
    assert (model.card.name, model.card.color_order) == ("mine", "RGB")
    assert model.card.hash == found.hash


def test_colour_order_that_the_names_cannot_tell_is_said_to_be_unsure() -> None:
    notes = {}
    for prefix in ("", "model.", "net."):
        known = recognise({f"{prefix}{n}": t for n, t in meta(SMALL["AdaFace IR-18"]).items()})
        notes[prefix] = (known.card.color_order, "check the colour" in str(known.card.training))
    assert notes == {"": ("BGR", True), "model.": ("BGR", False), "net.": ("RGB", False)}


def test_wild_numbers_ask_for_no_wild_network() -> None:
    state = meta(SMALL["arcface_torch ViT"])
    known = recognise(state | {f"blocks.{'9' * 5000}.norm1.weight": torch.empty(1, device="meta")})
    assert known is not None
    assert known.card.arguments["depth"] <= 6
    assert len(LAYOUTS) == 8
