"""Recognition networks in ONNX files become ours, and train."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from models.weights.onnx_checks import (
    assert_same,
    assert_stored,
    assert_trains,
    edited,
    faces,
    runtime,
)
from onnx import numpy_helper
from reference.onnx_graphs import (
    GraphBuilder,
    iresnet_onnx,
    mobilefacenet_onnx,
    shuffle_onnx,
    squeeze_excite_onnx,
)

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import (
    FaceModel,
    ModelCard,
    build_backbone,
    load_face_model,
    weights_hash,
)
from facegeom_lit.models.weights.export_onnx import export_onnx
from facegeom_lit.models.weights.onnx_import import read_onnx
from facegeom_lit.models.weights.onnx_parity import onnx_parity
from facegeom_lit.models.weights.onnx_write import write_onnx_graph

SMALL = {"iresnet": iresnet_onnx, "mobilefacenet": mobilefacenet_onnx}


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("kind", SMALL)
def test_published_layouts(kind: str, folded: bool, tmp_path: Path) -> None:
    path = SMALL[kind](tmp_path / "w600k.onnx", folded=folded)
    model = read_onnx(path)
    assert not model.training
    assert model.card.architecture.startswith(kind)
    assert model.card.name == "w600k"
    assert model.card.hash == weights_hash(model)
    assert (model.card.mean, model.card.std) == ((127.5,) * 3, (127.5,) * 3)
    assert "non-commercial" in model.card.licence
    assert model.card.training == ({"folded_batch_norm": True} if folded else {})
    assert_same(path, model)
    assert onnx_parity(path, model, faces()) > 0.99999
    assert_stored(model, tmp_path / "model")
    assert_trains(model)


@pytest.mark.parametrize(
    ("blocks", "architecture"), [((3, 4, 6, 3), "iresnet34"), ((3, 4, 14, 3), "iresnet50")]
)
def test_iresnets_of_other_depths(blocks: tuple, architecture: str, tmp_path: Path) -> None:
    path = iresnet_onnx(tmp_path / "r.onnx", blocks=blocks, last_norm=False, batch=1)
    model = load_face_model(path)
    assert model.card.architecture == architecture
    assert model.card.arguments == {"dimension": 32, "width": 0.25}
    assert_same(path, model)


@pytest.mark.parametrize("flatten", ["Reshape", "view"])
@pytest.mark.parametrize("blocks", [(1, 4, 6, 2), (2, 8, 12, 4)])
def test_mobilefacenets_of_other_depths(blocks: tuple, flatten: str, tmp_path: Path) -> None:
    path = mobilefacenet_onnx(tmp_path / "m.onnx", blocks=blocks, flatten=flatten, batch=1)
    model = load_face_model(path, architecture=None)
    expected = {"dimension": 32, "width": 0.25, "scale": 2}
    expected |= {} if blocks == (1, 4, 6, 2) else {"blocks": list(blocks)}
    assert model.card.arguments == expected
    assert_same(path, model)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_full_width(kind: str, tmp_path: Path) -> None:
    if kind == "iresnet":
        channels = (64, 64, 128, 256, 512)
        path = iresnet_onnx(
            tmp_path / "r50.onnx", blocks=(3, 4, 14, 3), channels=channels, dimension=512
        )
        arguments = {"dimension": 512}
    else:
        path = mobilefacenet_onnx(
            tmp_path / "mbf.onnx", blocks=(2, 8, 12, 4), width=1, dimension=512, folded=False
        )
        # The size of InsightFace's w600k_mbf.onnx, by which this is its layout.
        assert path.stat().st_size == pytest.approx(13_616_099, rel=0.002)
        arguments = {"dimension": 512, "scale": 2, "blocks": [2, 8, 12, 4]}
    model = read_onnx(path)
    assert model.card.arguments == arguments
    assert_same(path, model)


def spoil(backbone: torch.nn.Module) -> torch.nn.Module:
    """Random statistics, weights and slopes, so that no two tensors are alike."""
    torch.manual_seed(0)
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                torch.nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                torch.nn.init.normal_(tensor, 0, 0.3)
        elif isinstance(module, torch.nn.PReLU):
            torch.nn.init.uniform_(module.weight, 0, 0.5)
        elif isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
    return backbone.eval()


def export(backbone: torch.nn.Module, path: Path, **facts: object) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.randn(1, 3, *backbone.input_size)
        torch.onnx.export(
            backbone, (example,), path, dynamo=False, do_constant_folding=True, **facts
        )
    return path


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("iresnet18", {"dimension": 32, "width": 0.25}),
        ("iresnet50", {"dimension": 16, "width": 0.125, "stem_stride": 2}),
        ("mobilefacenet", {"dimension": 32, "width": 0.25, "scale": 2}),
        ("mobilefacenet", {"dimension": 32, "width": 0.25, "window": [7, 6]}),
        ("mobilefacenet", {"dimension": 32, "width": 0.25, "variant": "relu"}),
    ],
)
@pytest.mark.parametrize("opset", [11, 17])
def test_torchs_own_exports(architecture: str, arguments: dict, opset: int, tmp_path: Path) -> None:
    backbone = spoil(build_backbone(architecture, **arguments))
    path = export(backbone, tmp_path / "net.onnx", opset_version=opset)
    model = read_onnx(path)
    assert (model.card.architecture, model.card.arguments) == (architecture, arguments)
    assert_same(path, model)
    x = torch.randn(2, 3, *backbone.input_size)
    with torch.no_grad():
        torch.testing.assert_close(model.backbone(x), backbone(x), atol=1e-4, rtol=1e-4)


def test_fresh_exports_share_equal_tensors(tmp_path: Path) -> None:
    """Torch stores equal tensors once and copies them by Identity nodes; ours are apart."""
    backbone = build_backbone("iresnet18", dimension=32, width=0.25).eval()
    path = export(backbone, tmp_path / "net.onnx")
    assert any(node.op_type == "Identity" for node in onnx.load(path).graph.node)
    model = read_onnx(path)
    assert model.card.architecture == "iresnet18"
    storages = [p.data_ptr() for p in model.parameters()]
    assert len(set(storages)) == len(storages)
    assert_same(path, model)


def test_preprocessing_in_the_graph_goes_to_the_card(tmp_path: Path) -> None:
    path = iresnet_onnx(tmp_path / "r100.onnx", normalises=True)
    model = read_onnx(path)
    assert model.card.mean == (127.5,) * 3
    assert model.card.std == (128.0,) * 3
    assert model.card.architecture == "iresnet18"
    with torch.no_grad():  # InsightFace feeds 0–255 to such a file
        found, expected = model(faces()), runtime(path, faces().float())
    assert float(torch.cosine_similarity(found, expected).min()) > 0.99999
    assert onnx_parity(path, model, faces()) > 0.99999


def test_insightface_reads_the_same_embeddings(tmp_path: Path) -> None:
    model_zoo = pytest.importorskip("insightface.model_zoo")
    for normalises in (False, True):
        path = iresnet_onnx(tmp_path / "net.onnx", normalises=normalises)
        network = model_zoo.get_model(str(path), providers=["CPUExecutionProvider"])
        bgr = [image.permute(1, 2, 0).flip(2).numpy() for image in faces()]
        with torch.no_grad():
            found = read_onnx(path)(faces())
        expected = torch.from_numpy(network.get_feat(bgr))
        assert float(torch.cosine_similarity(found, expected).min()) > 0.99999


def half(model: onnx.ModelProto) -> None:
    """Half precision inside, as converters make it: casts at both ends, float16 weights."""
    graph = model.graph
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), tensor.name))
    result, last = graph.output[0].name, graph.node[-1]
    last.output[0] = "half"
    graph.node[0].input[0] = "small"
    graph.node.insert(0, onnx.helper.make_node("Cast", ["input.1"], ["small"], to=10))
    graph.node.append(onnx.helper.make_node("Cast", ["half"], [result], to=1))


def test_half_precision_files(tmp_path: Path) -> None:
    path = edited(iresnet_onnx(tmp_path / "full.onnx"), tmp_path / "half.onnx", half)
    model = read_onnx(path)
    assert model.card.architecture == "iresnet18"
    assert next(model.parameters()).dtype == torch.float32
    assert onnx_parity(path, model, faces()) > 0.999


def test_other_epsilons_go_into_the_variance(tmp_path: Path) -> None:
    def other(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.name == "epsilon":
                    attribute.f = 0.01

    path = edited(iresnet_onnx(tmp_path / "a.onnx"), tmp_path / "b.onnx", other)
    model = read_onnx(path)
    assert model.card.architecture == "iresnet18"
    assert_same(path, model)


def test_our_own_export_comes_back(tmp_path: Path) -> None:
    backbone = spoil(build_backbone("mobilefacenet", dimension=32, width=0.25, window=[7, 6]))
    card = ModelCard(
        "ours",
        "mobilefacenet",
        32,
        {"dimension": 32, "width": 0.25, "window": [7, 6]},
        color_order="BGR",
        mean=(103.53, 116.28, 123.675),
        std=(57.375, 57.12, 58.395),
        size=(112, 96),
        distance="euclidean",
        licence="my own",
        training={"seed": 3},
    )
    model = FaceModel(backbone, card)
    export_onnx(model, tmp_path / "ours.onnx")
    back = read_onnx(tmp_path / "ours.onnx")
    for fact, value in asdict(card).items():
        if fact not in ("hash", "training"):
            assert getattr(back.card, fact) == value, fact
    assert back.card.training == {"seed": 3, "folded_batch_norm": True}
    with torch.no_grad():
        torch.testing.assert_close(back(faces()), model(faces()), atol=1e-4, rtol=1e-4)


def test_card_is_checked_and_kept(tmp_path: Path) -> None:
    path = iresnet_onnx(tmp_path / "net.onnx")
    card = ModelCard("mine", "iresnet18", 32, std=(128.0,) * 3, licence="my own", source="home")
    model = read_onnx(path, card)
    assert (model.card.name, model.card.std, model.card.licence) == ("mine", (128.0,) * 3, "my own")
    assert model.card.arguments == {"dimension": 32, "width": 0.25}
    for wrong, message in (
        (ModelCard("mine", "iresnet50", 32), "holds iresnet18, the card 'mine' says iresnet50"),
        (ModelCard("mine", "iresnet18", 64), "length 32, the card 'mine' says 64"),
        (
            ModelCard("mine", "iresnet18", 32, {"dimension": 32, "width": 0.5}),
            r"with \{'width': 0.25\}, the card 'mine' says \{'width': 0.5\}",
        ),
    ):
        with pytest.raises(FaceGeomError, match=message):
            read_onnx(path, wrong)


def test_generic_on_demand(tmp_path: Path) -> None:
    path = iresnet_onnx(tmp_path / "net.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = read_onnx(path, ModelCard("mine", "onnx_graph", 32))
    assert model.card.architecture == "onnx_graph"
    assert model.card.training == {}
    assert_same(path, model)


@pytest.mark.parametrize("make", [squeeze_excite_onnx, shuffle_onnx])
@pytest.mark.parametrize("batch", [1, "None"])
def test_unknown_graphs_run_as_they_are(make: object, batch: int | str, tmp_path: Path) -> None:
    path = make(tmp_path / "odd.onnx", batch=batch)  # type: ignore[operator]
    with pytest.warns(UserWarning, match="none of the known architectures"):
        model = read_onnx(path)
    assert model.card.architecture == "onnx_graph"
    assert model.card.training["onnx_fallback"].startswith("no ")
    assert not model.card.arguments.get("per_image", False)
    assert_same(path, model)
    assert_stored(model, tmp_path / "model")
    assert_trains(model)


def test_single_images_stay_single(tmp_path: Path) -> None:
    """A reshape without the batch leaves room for one image only."""
    b = GraphBuilder(5)
    x = b.add("GlobalAveragePool", b.conv_norm("data", (3, 16), stride=2, padding=1))
    x = b.add("Unsqueeze", b.add("Reshape", x, b.weight(np.array([16]))), axes=[0])
    path = b.save(tmp_path / "one.onnx", "data", {b.linear(x, 16, 16): (1, 16)}, batch=1)
    with pytest.warns(UserWarning, match="none of the known"):
        model = read_onnx(path)
    assert model.card.arguments["per_image"]
    assert_same(path, model)
    assert_stored(model, tmp_path / "model")


@pytest.mark.parametrize("make", [squeeze_excite_onnx, shuffle_onnx])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_generic_graphs_are_written_back(make: object, tmp_path: Path) -> None:
    model = read_onnx(make(tmp_path / "odd.onnx"))  # type: ignore[operator]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    proto = write_onnx_graph(model.backbone)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, tmp_path / "again.onnx")
    assert_same(tmp_path / "again.onnx", model)
    again = read_onnx(tmp_path / "again.onnx")
    assert weights_hash(again) == weights_hash(model)
    assert again.card.arguments == model.card.arguments


def test_vision_transformer_runs_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = build_backbone("vit", dimension=32, channels=32, depth=2, heads=2).eval()
    path = export(backbone, tmp_path / "vit.onnx", opset_version=17)
    with pytest.warns(UserWarning, match="none of the known architectures"):
        model = read_onnx(path)
    assert_same(path, model)
    assert_stored(model, tmp_path / "model")
    assert_trains(model)
    moved = model.backbone.to("meta")(torch.zeros(2, 3, 112, 112, device="meta"))
    assert moved.shape == (2, 32)


@pytest.mark.parametrize("make", [squeeze_excite_onnx, shuffle_onnx])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_generic_graphs_move_to_other_devices(make: object, tmp_path: Path) -> None:
    """ "meta" stands for a GPU: sizes stay on the CPU, everything else follows the images."""
    backbone = read_onnx(make(tmp_path / "odd.onnx")).backbone.to("meta")  # type: ignore[operator]
    found = backbone(torch.zeros(2, 3, 112, 112, device="meta"))
    assert (found.device.type, found.shape) == ("meta", (2, 32))


def test_real_mobilefacenet_is_its_state_dict(real_data: Path) -> None:
    from PIL import Image

    folder = real_data / "weights" / "mobilefacenet_relu_ms1m"
    model = load_face_model(folder / "MobileFaceNet.onnx")
    twin = load_face_model(folder / "mobilefacenet.pt")
    for fact in ("architecture", "arguments", "mean", "std", "size"):
        assert getattr(model.card, fact) == getattr(twin.card, fact), fact
    paths = sorted((real_data / "faces" / "yale_b" / "crops112").glob("*.png"))[::100]
    crops = torch.stack(
        [torch.from_numpy(np.asarray(Image.open(p).convert("RGB")).copy()) for p in paths]
    ).permute(0, 3, 1, 2)
    with torch.no_grad():
        assert float(torch.cosine_similarity(model(crops), twin(crops)).min()) > 0.9999
    assert onnx_parity(folder / "MobileFaceNet.onnx", model, crops) > 0.9999
    assert_trains(model)
