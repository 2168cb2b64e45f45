"""Exported ONNX files give InsightFace the embeddings that torch gives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel, ModelCard, build_face_model, load_face_model
from facegeom_lit.models.backbones.backbone import Backbone
from facegeom_lit.models.weights.export_onnx import OPSET, export_onnx
from facegeom_lit.models.weights.export_preprocessing import is_bare
from facegeom_lit.models.weights.onnx_read import CARD_PROPERTY
from facegeom_lit.resources import resource

MODELS = {
    "iresnet_small": resource("data") / "models" / "iresnet_small",
    "mobilefacenet": resource("data") / "models" / "mobilefacenet",
    "prelu_casia": Path("weights/mobilefacenet_prelu_casia/068.ckpt"),
    "relu_ms1m": Path("weights/mobilefacenet_relu_ms1m/mobilefacenet.pt"),
}
IMAGENET = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
SMALL = {"width": 0.25, "dimension": 32}


def model_zoo(path: Path):
    """The file as InsightFace loads it."""
    zoo = pytest.importorskip("insightface.model_zoo")
    return zoo.get_model(str(path), providers=["CPUExecutionProvider"])


def in_insightface(path: Path, images: Tensor) -> Tensor:
    """Embeddings of RGB crops (N, 3, 112, 112) by InsightFace's own way in: BGR, rows first."""
    network = model_zoo(path)
    assert network.taskname == "recognition"
    pictures = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()[..., ::-1]) for image in images]
    return torch.from_numpy(network.get_feat(pictures))


def least_cosine(first: Tensor, second: Tensor) -> float:
    return float(torch.cosine_similarity(first.double(), second.double()).min())


def small(architecture: str = "mobilefacenet", **card: object) -> FaceModel:
    """A network with statistics of its own, so that no folding is trivial."""
    torch.manual_seed(0)
    arguments = SMALL if architecture != "vit" else {"depth": 2, "dimension": 32}
    extra = {"window": [side // 16 for side in card["size"]]} if "size" in card else {}
    model = build_face_model("small", architecture, {**arguments, **extra}, card=card)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


def noise(count: int = 3) -> Tensor:
    return torch.randint(256, (count, 3, 112, 112), dtype=torch.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_real_crops_give_the_same_embeddings(name: str, real_data: Path, tmp_path: Path) -> None:
    files = sorted((real_data / "faces" / "yale_b" / "crops112").rglob("*.png"))[::200]
    pictures = [np.array(Image.open(file).convert("RGB")) for file in files]
    faces = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    model = load_face_model(real_data / MODELS[name])
    report = export_onnx(model, tmp_path / "model.onnx", faces=faces)
    with torch.inference_mode():
        wanted = model(faces)
    assert least_cosine(in_insightface(tmp_path / "model.onnx", faces), wanted) > 0.999999
    assert report.faces == len(files)
    assert report.insightface.min_cosine > 0.999999
    print(f"\n{name}: {report.insightface}")


def test_form_of_the_file(tmp_path: Path) -> None:
    model = small()
    export_onnx(model, tmp_path / "model.onnx")
    proto = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(proto, full_check=True)
    # onnxruntime 1.10 reads IR version 8 and opset 15.
    assert proto.ir_version <= 8
    assert [entry.version for entry in proto.opset_import] == [OPSET]
    (source,) = proto.graph.input
    shape = [axis.dim_value or axis.dim_param for axis in source.type.tensor_type.shape.dim]
    assert (source.name, shape) == ("input.1", ["batch", 3, 112, 112])
    assert len(proto.graph.output) == 1
    operators = [node.op_type for node in proto.graph.node]
    assert "Identity" not in operators
    assert operators.count("BatchNormalization") == 1  # the last; the others are folded
    assert {tensor.data_type for tensor in proto.graph.initializer} <= {1, 7}  # float32, int64
    assert model_zoo(tmp_path / "model.onnx").input_mean == 127.5


def test_card_travels_in_the_metadata(tmp_path: Path) -> None:
    model = small(distance="euclidean", licence="CC0", source="here")
    export_onnx(model, tmp_path / "model.onnx")
    facts = {p.key: p.value for p in onnx.load(tmp_path / "model.onnx").metadata_props}
    card = ModelCard.from_json(json.loads(facts[CARD_PROPERTY]))
    assert (card.licence, card.source, card.distance) == ("CC0", "here", "euclidean")
    assert facts["hash"] == card.hash != ""
    assert "Euclidean distance" in facts["comparison"]


@pytest.mark.parametrize(
    "card",
    [
        {"color_order": "BGR"},
        {"mean": [0, 0, 0], "std": [255, 255, 255]},
        {"color_order": "BGR", **IMAGENET},
        {"size": (112, 96), "std": [128, 128, 128]},
        {"size": (160, 160), "fit": "resize", "mean": [127.5] * 3, "std": [128] * 3},
        {"size": (224, 224), "fit": "resize", **IMAGENET},
        {"size": (64, 48), "fit": "resize", "color_order": "BGR"},
    ],
)
def test_preprocessing_is_in_the_graph(card: dict, tmp_path: Path) -> None:
    model = small(**card)
    assert not is_bare(model.card)
    export_onnx(model, tmp_path / "model.onnx")
    images = noise()
    assert model_zoo(tmp_path / "model.onnx").input_mean == 0
    with torch.inference_mode():
        wanted = model(images)
    found = in_insightface(tmp_path / "model.onnx", images)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=float(wanted.abs().max()) * 1e-4)


@pytest.mark.parametrize("architecture", ["iresnet18", "vit", "mobilefacenet"])
@pytest.mark.parametrize("frozen", [True, False])
def test_architectures(architecture: str, frozen: bool, tmp_path: Path) -> None:
    model = small(architecture).requires_grad_(not frozen).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export_onnx(model, tmp_path / "model.onnx")
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    images = noise(5)
    with torch.inference_mode():
        wanted = model.eval()(images)
    assert least_cosine(in_insightface(tmp_path / "model.onnx", images), wanted) > 0.999999


TINY_VIT = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}


def hugging_face(model_type: str) -> FaceModel:
    torch.manual_seed(0)
    arguments = {"config": {"model_type": model_type, **TINY_VIT}, "dimension": 16}
    card = {"size": (32, 32), "fit": "resize", **IMAGENET}
    return build_face_model(model_type, "hugging_face", arguments, card=card).eval()


@pytest.mark.parametrize("model_type", ["clip_vision_model", "dinov2", "vit_mae"])
def test_vision_models_of_the_hub(model_type: str, tmp_path: Path) -> None:
    report = export_onnx(hugging_face(model_type), tmp_path / "model.onnx")
    assert report.insightface.min_cosine > 0.999999


def test_vision_model_whose_operator_onnx_lacks(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="aten::_upsample_bicubic2d_aa"):
        export_onnx(hugging_face("dinov2_with_registers"), tmp_path / "model.onnx")


def test_without_insightface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "insightface", None)  # Python's own word for "not there"
    report = export_onnx(small(), tmp_path / "model.onnx")
    assert report.insightface is None
    assert report.onnxruntime.min_cosine > 0.999999


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "arguments", "card"),
    [
        ("iresnet50", {}, {}),
        ("mobilefacenet", {"scale": 2, "dimension": 512}, {}),
        ("arcface_vit", {}, {}),
        (
            "inception_resnet_v1",
            {},
            {"size": (160, 160), "fit": "resize", "std": [128] * 3},
        ),
    ],
)
def test_published_shapes(architecture: str, arguments: dict, card: dict, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_face_model("published", architecture, arguments, card=card).eval()
    report = export_onnx(model, tmp_path / "model.onnx", faces=noise(2))
    print(f"\n{architecture}: {report}")
    assert report.insightface.min_cosine > 0.999999


@pytest.mark.filterwarnings("ignore:.*none of the known architectures")
@pytest.mark.parametrize("single", [True, False])
def test_graphs_that_take_one_image(single: bool, tmp_path: Path) -> None:
    nodes = [
        {"name": "Sub_0", "op": "GlobalMaxPool", "inputs": ["x"], "outputs": ["a"]},
        {"name": "Mul_1", "op": "Relu", "inputs": ["a"], "outputs": ["b"]},
        {"name": "fc", "op": "Conv", "inputs": ["b", "w"], "outputs": ["y"]},
    ]
    shapes = {"w": [20, 3, 1, 1]}
    arguments = {"nodes": nodes, "tensors": shapes, "per_image": single, "dimension": 20}
    model = build_face_model("graph", "onnx_graph", arguments).eval()
    report = export_onnx(model, tmp_path / "model.onnx")
    assert report.single is single
    assert in_insightface(tmp_path / "model.onnx", noise(1)).shape == (1, 20)
    assert load_face_model(tmp_path / "model.onnx").card.architecture == "onnx_graph"
    # The names of its nodes would make InsightFace leave the normalisation out.
    assert model_zoo(tmp_path / "model.onnx").input_mean == 127.5


class Odd(Backbone):
    """A network of one linear map, and whatever `step` does to its embeddings."""

    dimension = 4
    input_size = (112, 112)

    def __init__(self, step) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.step = step

    def forward(self, images: Tensor) -> Tensor:
        return self.step(self.fc(images.mean((2, 3))))


def odd(step) -> FaceModel:
    torch.manual_seed(0)
    return FaceModel(Odd(step), ModelCard("odd", "odd", 4)).eval()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda x: x + torch.randn_like(x), "does not give the model's embeddings"),
        (lambda x: x + torch.zeros(int(x.shape[0]), 1), "of shape|cannot be run"),  # batch fixed
        (lambda x: x + torch.linalg.matrix_exp(x.t() @ x)[0], "aten::linalg_matrix_exp"),
        (lambda x: x / (x - x), "NaN or infinite embeddings for 4 of 4 images"),
    ],
)
def test_what_cannot_be_exported(step, message: str, tmp_path: Path, capfd) -> None:
    with pytest.raises(FaceGeomError, match=message):
        export_onnx(odd(step), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().out == ""  # the exporter would print its whole graph


def test_model_with_nan(tmp_path: Path) -> None:
    model = small()
    with torch.no_grad():
        model.backbone.conv_sep.layers[0].weight[0, 0] = torch.nan
    with pytest.raises(FaceGeomError, match=r"not finite in conv_sep\.layers\.0\.weight"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_model_too_large_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facegeom_lit.models.weights.export_onnx.MAX_BYTES", 100_000)
    with pytest.raises(FaceGeomError, match="an ONNX file holds at most"):
        export_onnx(small(), tmp_path / "model.onnx")


def test_bad_places_and_faces(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"must end in \.onnx"):
        export_onnx(small(), tmp_path / "model.pth")
    (tmp_path / "file").touch()
    with pytest.raises(FaceGeomError, match="Cannot write"):
        export_onnx(small(), tmp_path / "file" / "model.onnx")
    with pytest.raises(FaceGeomError, match=r"uint8 crops .* got torch\.float32"):
        export_onnx(small(), tmp_path / "model.onnx", faces=torch.zeros(1, 3, 112, 112))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    export_onnx(small(), tmp_path / "model.onnx")
    before = (tmp_path / "model.onnx").read_bytes()
    with pytest.raises(FaceGeomError):
        export_onnx(odd(lambda x: x + torch.randn_like(x)), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
