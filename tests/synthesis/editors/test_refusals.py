from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from synthesis.editors.conftest import edit
from synthesis.editors.test_editors import build

from facegeom_lit.attributes import attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.photometric import Pixels

Folders = Callable[[str], Path]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, r"editor\.steps must be a whole number of at least 1, got 0"),
        ({"size": 100}, r"editor\.size must be a multiple of 8, got 100"),
        ({"guidance": 0.5}, r"editor\.guidance must be a number of at least 1"),
        ({"batch_size": True}, r"editor\.batch_size must be a whole number"),
        ({"dtype": "float8"}, r"editor\.dtype must be one of float32, float16, bfloat16"),
        ({"device": "tpu"}, r"editor\.device=tpu: there is no such device"),
        ({"cpu_offload": True}, r"editor\.cpu_offload=true .* device=cpu is the CPU"),
        ({"prompt": "a photo"}, r"editor\.prompt must hold \{wording\}"),
    ],
)
def test_a_wrong_setting_names_its_key(
    change: dict[str, object], words: str, pipelines: Folders
) -> None:
    with pytest.raises(FaceGeomError, match=words):
        build("img2img", pipelines, **change)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("instruct", {"image_guidance": 0}, r"editor\.image_guidance must be .* at least 1"),
        ("flux", {"size": 72}, r"editor\.size must be a multiple of 16"),
        ("ledits", {"size": 80}, r"editor\.size must be a multiple of 32"),
        ("ledits", {"skip": 1.5}, r"editor\.skip must be a number from 0 to 1"),
        ("ledits", {"attention_slicing": True}, r"editor\.attention_slicing has no effect"),
        ("ip_adapter", {"attention_slicing": True}, r"editor\.attention_slicing would replace"),
        ("ip_adapter", {"adapter_scale": 2}, r"editor\.adapter_scale must be .* from 0 to 1"),
        ("face_id", {"face_model": "nowhere.onnx"}, r"editor\.face_model=nowhere\.onnx: there is"),
        ("arc2face", {"prompt": "a person, {wording}"}, r"editor\.prompt must hold the word 'id'"),
    ],
)
def test_a_wrong_setting_of_one_editor_names_its_key(
    name: str, change: dict[str, object], words: str, pipelines: Folders
) -> None:
    with pytest.raises(FaceGeomError, match=words):
        build(name, pipelines, **change)


def test_a_hub_id_without_network_says_what_to_do(pipelines: Folders, photos: list[Pixels]) -> None:
    with pytest.raises(FaceGeomError) as caught:
        build("img2img", pipelines, model="someone/faces").edit(photos[:1], [edit(1)])
    assert "hf download someone/faces --local-dir faces" in str(caught.value)
    assert "synthesis.editor.model=faces" in str(caught.value)
    with pytest.raises(FaceGeomError, match=r"point there: synthesis\.editor\.adapter=adapter"):
        build("ip_adapter", pipelines, adapter="someone/adapter").version  # noqa: B018
    with pytest.raises(FaceGeomError, match=r"point there: synthesis\.editor\.identity=parts"):
        build("arc2face", pipelines, identity="someone/parts").version  # noqa: B018


def test_a_folder_without_a_pipeline_is_named(pipelines: Folders, tmp_path: Path) -> None:
    for missing in (f"{tmp_path}/nowhere", "./nowhere", "nowhere"):
        with pytest.raises(FaceGeomError, match="nowhere: there is no such folder"):
            build("img2img", pipelines, model=missing).version  # noqa: B018
    with pytest.raises(FaceGeomError, match=r"has no model_index\.json"):
        build("img2img", pipelines, model=str(tmp_path)).version  # noqa: B018


def test_a_damaged_folder_names_the_component(
    pipelines: Folders, photos: list[Pixels], tmp_path: Path
) -> None:
    folder = shutil.copytree(pipelines("sd"), tmp_path / "sd")

    def message() -> str:
        with pytest.raises(FaceGeomError) as caught:
            build("img2img", pipelines, model=str(folder)).edit(photos[:1], [edit(1)])
        return str(caught.value)

    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "component 'unet' is damaged" in message()
    weights.unlink()
    assert "no file named diffusion_pytorch_model.safetensors" in message()
    shutil.rmtree(folder / "vae")
    assert "lacks its component 'vae'" in message()
    (folder / "model_index.json").write_text("{")
    assert "model_index.json is damaged" in message()


def test_a_checkpoint_of_another_kind_is_refused(pipelines: Folders, photos: list[Pixels]) -> None:
    with pytest.raises(FaceGeomError, match=r"is no InstructPix2Pix checkpoint: .* 4 channels"):
        build("instruct", pipelines, model=str(pipelines("sd"))).edit(photos[:1], [edit(1)])
    with pytest.raises(FaceGeomError, match="cannot be loaded as FluxKontextPipeline"):
        build("flux", pipelines, model=str(pipelines("sd"))).edit(photos[:1], [edit(1)])


def test_an_adapter_of_another_kind_is_refused(pipelines: Folders, photos: list[Pixels]) -> None:
    def refused(name: str, words: str, **change: object) -> None:
        with pytest.raises(FaceGeomError, match=words):
            build(name, pipelines, **change).edit(photos[:1], [edit(1)])

    refused("face_id", "a FaceID adapter needs a face model", adapter=str(pipelines("ip_adapter")))
    refused("face_id", r"nothing\.bin cannot be loaded", adapter_file="nothing.bin")


def test_an_edit_that_cannot_be_said_is_refused(pipelines: Folders, photos: list[Pixels]) -> None:
    with pytest.raises(FaceGeomError, match=r"attribute\.brightness\.editing is missing"):
        build("img2img", pipelines).edit(photos[:1], [edit(1, name="brightness")])
    with pytest.raises(FaceGeomError, match=r"editor\.steps=2 leaves no step .* 0\.35 \(attribute"):
        build("img2img", pipelines, steps=2).edit(photos[:1], [edit(0)])
    for share in (1.5, float("nan")):
        with pytest.raises(FaceGeomError, match=r"share must lie in \[-1, 1\].*'age'"):
            Edit(attribute("age"), 40, share, 0)
