"""ONNX files that are no recognition networks, or none any more, are named for what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from models.weights.onnx_checks import (
    assert_same,
    edited,
    faces,
)
from onnx import numpy_helper
from reference.onnx_graphs import (
    detector_onnx,
    genderage_onnx,
    iresnet_onnx,
    squeeze_excite_onnx,
)

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import (
    ModelCard,
    load_face_model,
    weights_hash,
)
from facegeom_lit.models.weights.onnx_import import read_onnx


def test_detectors_and_attribute_networks_are_named(tmp_path: Path, real_data: Path) -> None:
    yunet = real_data / "weights" / "yunet_detector" / "face_detection_yunet_2026may.onnx"
    for path in (yunet, detector_onnx(tmp_path / "det.onnx")):
        with pytest.raises(FaceGeomError, match=r"\.onnx has .* outputs .*this is a detector"):
            load_face_model(path)
    with pytest.raises(FaceGeomError, match=r"gives 3 numbers .* attribute or quality network"):
        read_onnx(genderage_onnx(tmp_path / "genderage.onnx"))


def test_open_sizes_need_a_card(tmp_path: Path) -> None:
    def open_size(model: onnx.ModelProto) -> None:
        for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
            dim.dim_param = "any"

    path = edited(iresnet_onnx(tmp_path / "a.onnx"), tmp_path / "b.onnx", open_size)
    with pytest.raises(FaceGeomError, match="takes images of any size, as a detector does"):
        read_onnx(path)
    assert_same(path, read_onnx(path, ModelCard("mine", "iresnet18", 32)))


@pytest.mark.filterwarnings("ignore:.*none of the known:UserWarning")
def test_other_sizes_are_enlarged_crops(tmp_path: Path) -> None:
    path = squeeze_excite_onnx(tmp_path / "128.onnx", side=128)
    with pytest.warns(UserWarning, match="wider frame"):
        model = read_onnx(path)
    assert (model.card.size, model.card.fit) == ((128, 128), "resize")
    assert_same(path, model)
    assert model(faces()).shape == (3, 32)
    with pytest.raises(FaceGeomError, match="4096×4096 pixels; an aligned face"):
        read_onnx(squeeze_excite_onnx(tmp_path / "4096.onnx", side=4096))


def test_files_that_are_no_onnx(tmp_path: Path) -> None:
    good = iresnet_onnx(tmp_path / "good.onnx")
    contents = {
        "text.onnx": b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 174383860\n",
        "empty.onnx": b"",
        "cut.onnx": good.read_bytes()[:-1000],
        "pickle.onnx": b"\x80\x04cos\nsystem\n(S'touch /tmp/x'\ntR.",
        "noise.onnx": np.random.default_rng(0).bytes(4096),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FaceGeomError, match=f"{name} .*no ONNX file"):
            load_face_model(tmp_path / name)
    with pytest.raises(FaceGeomError, match="does not exist"):
        read_onnx(tmp_path / "none.onnx")


def lose_weight(model: onnx.ModelProto) -> None:
    del model.graph.initializer[4]


def not_a_number(model: onnx.ModelProto) -> None:
    array = numpy_helper.to_array(model.graph.initializer[0]).copy()
    array[0, 0, 0, 0] = np.nan
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(array, model.graph.initializer[0].name)
    )


def other_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [16, 3, 3, 4]


def huge_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [2**40, 2**20]


def wrong_channels(model: onnx.ModelProto) -> None:
    name = model.graph.initializer[0].name
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.ones((16, 4, 3, 3), np.float32), name)
    )


def outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "../../etc/passwd"), ("offset", "0"), ("length", "1728")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def absent(model: onnx.ModelProto) -> None:
    outside(model)
    model.graph.initializer[0].external_data[0].value = "weights.bin"


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[3].domain = "com.microsoft"


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "NonMaxSuppression"


def cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[5].output[0]


def nonsense(model: onnx.ModelProto) -> None:
    strides = next(a for a in model.graph.node[0].attribute if a.name == "strides")
    strides.CopyFrom(onnx.helper.make_attribute("strides", "wide"))


def future(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def branch(model: onnx.ModelProto) -> None:
    node = model.graph.node[1]
    node.op_type = "If"
    node.attribute.append(onnx.helper.make_attribute("then_branch", model.graph))


def infinite(model: onnx.ModelProto) -> None:
    array = numpy_helper.to_array(model.graph.initializer[0]).copy()
    array[:] = np.inf
    name = model.graph.initializer[0].name
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(array, name))


def two_inputs(model: onnx.ModelProto) -> None:
    extra = model.graph.input.add()
    extra.CopyFrom(model.graph.input[0])
    extra.name = "target"


def channels_last(model: onnx.ModelProto) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_value, dims[3].dim_value = 112, 3


def giant_pads(model: onnx.ModelProto) -> None:
    pads = next(a for a in model.graph.node[0].attribute if a.name == "pads")
    pads.ints[:] = [2**20] * 4


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lose_weight, r"node 'BatchNormalization_2' .* takes '\d+', which is neither a weight"),
        (not_a_number, r"tensor '\d+' holds values that are not numbers"),
        (other_shape, r"tensor '\d+' is damaged: its data do not fill the shape"),
        (huge_shape, r"tensor '\d+' states the impossible shape"),
        (wrong_channels, r"ONNX node 'Conv_0' \(Conv\) cannot be run on inputs of shapes"),
        (outside, r"points to '\.\./\.\./etc/passwd', outside the folder"),
        (absent, r"is in weights\.bin, which is not beside the ONNX file"),
        (foreign_operator, "of 'com.microsoft', which is not among ONNX's own operators"),
        (unknown_operator, "is a NonMaxSuppression, which is not among the supported"),
        (nonsense, "'Conv_0' is no valid Conv"),
        (future, r"version \[99\] of the ONNX operators"),
        (branch, "with a graph inside: branches and loops are not supported"),
        (infinite, r"not finite in conv1\.weight"),
        (cycle, "neither a weight nor made by an earlier node"),
        (two_inputs, r"takes 2 inputs \(input\.1, target\)"),
        (channels_last, "channels last"),
        (giant_pads, r"ONNX node 'Conv_0' \(Conv\) cannot be run .*too large"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_graphs(edit: object, message: str, tmp_path: Path) -> None:
    path = edited(iresnet_onnx(tmp_path / "good.onnx"), tmp_path / "bad.onnx", edit)
    with pytest.raises(FaceGeomError, match=message) as caught:
        load_face_model(path)
    assert "bad.onnx" in str(caught.value)


def test_weights_beside_the_file(tmp_path: Path) -> None:
    path = iresnet_onnx(tmp_path / "whole.onnx")
    onnx.save(
        onnx.load(path),
        tmp_path / "split.onnx",
        save_as_external_data=True,
        location="split.bin",
        size_threshold=64,
    )
    assert (tmp_path / "split.bin").is_file()
    split = read_onnx(tmp_path / "split.onnx")
    assert weights_hash(split) == weights_hash(read_onnx(path))
    (tmp_path / "split.bin").write_bytes((tmp_path / "split.bin").read_bytes()[:-100])
    with pytest.raises(FaceGeomError, match=r"does not hold\. Copy both files again"):
        read_onnx(tmp_path / "split.onnx")
