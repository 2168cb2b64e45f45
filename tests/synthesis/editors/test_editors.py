from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthesis.editors.conftest import edit

from facegeom_lit.synthesis.editors.arc2face import Arc2FaceEditor
from facegeom_lit.synthesis.editors.flux_kontext import FluxKontextEditor
from facegeom_lit.synthesis.editors.image_to_image import ImageToImageEditor
from facegeom_lit.synthesis.editors.instruct import InstructEditor
from facegeom_lit.synthesis.editors.ip_adapter import IpAdapterEditor
from facegeom_lit.synthesis.editors.ledits import LeditsEditor
from facegeom_lit.synthesis.editors.pipeline_editor import PipelineEditor
from facegeom_lit.synthesis.photometric import Pixels

Folders = Callable[[str], Path]
COMMON = {"size": 64, "steps": 4, "guidance": 5.0, "device": "cpu"}
ADAPTER = {"adapter_folder": "models", "adapter_file": "adapter.safetensors"}
EDITORS = ["img2img", "sdxl", "instruct", "flux", "ledits", "ip_adapter", "face_id", "arc2face"]


def build(name: str, folders: Folders, **changes: object) -> PipelineEditor:
    classes: dict[str, tuple[type[PipelineEditor], str, dict[str, object]]] = {
        "img2img": (ImageToImageEditor, "sd", {}),
        "sdxl": (ImageToImageEditor, "sdxl", {}),
        "instruct": (InstructEditor, "instruct", {}),
        "flux": (FluxKontextEditor, "flux", {"text_length": 64}),
        "ledits": (LeditsEditor, "sd", {}),
        "ip_adapter": (IpAdapterEditor, "sd", ADAPTER),
        "face_id": (IpAdapterEditor, "sd", ADAPTER),
        "arc2face": (Arc2FaceEditor, "sd", {}),
    }
    kind, model, values = classes[name]
    values = {**COMMON, **values, "model": str(folders(model))}
    if kind is IpAdapterEditor:
        values["adapter"] = str(folders(name))
    if name == "arc2face":
        values["identity"] = str(folders(name))
    if name in ("face_id", "arc2face"):
        values["face_model"] = str(folders("face_model"))
    return kind(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITORS)
def test_every_editor_runs(name: str, pipelines: Folders, photos: list[Pixels]) -> None:
    editor = build(name, pipelines)
    edits = [edit(0, 5), edit(1, 6), edit(-1, 7)]
    together = editor.edit(photos, edits)
    for image in together:
        assert image.shape == (112, 112, 3)
        assert image.dtype == np.uint8
        assert image.std() > 0
    # alone, in another order, by an editor that was loaded afresh: the same bytes
    np.testing.assert_array_equal(editor.edit(photos[1:2], edits[1:2])[0], together[1])
    again = build(name, pipelines).edit(photos[::-1], edits[::-1])
    for first, second in zip(together, again[::-1], strict=True):
        np.testing.assert_array_equal(first, second)
    # one photo and one seed, three shares
    kept, more, less = editor.edit(photos[:1] * 3, [edit(s, 5) for s in (0, 1, -1)])
    np.testing.assert_array_equal(kept, together[0])
    assert not np.array_equal(kept, more)
    assert not np.array_equal(kept, less)
    assert not np.array_equal(more, less)
    assert len(editor.version) == 12
    assert editor.version == build(name, pipelines).version


@pytest.mark.parametrize("name", ["img2img", "instruct", "flux", "arc2face"])
def test_a_batch_agrees_with_single_photos(
    name: str, pipelines: Folders, photos: list[Pixels]
) -> None:
    editor = build(name, pipelines)
    edits = [edit(0.5, 1), edit(-0.5, 2)]
    shared = editor._shared(edits[0])
    batch = editor._run(photos[:2], edits, shared)
    for index in range(2):
        (alone,) = editor._run(photos[index : index + 1], edits[index : index + 1], shared)
        np.testing.assert_allclose(alone, batch[index], atol=1e-3)  # of rounding


def test_a_gpu_takes_edits_together_that_agree(pipelines: Folders) -> None:
    editor = build("img2img", pipelines, batch_size=2)
    edits = [edit(1), edit(0), edit(-1), edit(1), edit(0.5), edit(-1)]
    assert all(len(batch) == 1 for batch, _ in editor._batches(edits))
    editor._loading = replace(editor._loading, device=torch.device("cuda"))
    assert [batch for batch, _ in editor._batches(edits)] == [[0, 2], [3, 5], [1], [4]]


def test_ledits_reconstructs_what_shall_stay(pipelines: Folders, photos: list[Pixels]) -> None:
    editor = build("ledits", pipelines)
    (kept,) = editor._run(photos[:1], [edit(0)], editor._shared(edit(0)))
    inverted = editor._pipe.invert(editor._enlarge(photos[0]), num_inversion_steps=4)
    expected = np.asarray(inverted.vae_reconstruction_images[0]) / 255
    np.testing.assert_allclose(kept, expected, atol=0.01)


@pytest.mark.parametrize("name", ["ip_adapter", "face_id"])
def test_the_adapter_acts(name: str, pipelines: Folders, photos: list[Pixels]) -> None:
    (without,), (with_it,) = (
        build(name, pipelines, adapter_scale=scale).edit(photos[:1], [edit(1)]) for scale in (0, 1)
    )
    assert not np.array_equal(without, with_it)


def test_the_face_takes_the_place_of_its_word(pipelines: Folders, photos: list[Pixels]) -> None:
    editor = build("arc2face", pipelines)
    faces = editor._face(photos[:2])  # type: ignore[attr-defined]
    torch.testing.assert_close(faces.norm(dim=1), torch.ones(2))
    prompts = ["photo of a id person", ""]
    ids = editor._pipe.tokenizer(prompts, padding="max_length", return_tensors="pt").input_ids
    layer = editor._pipe.text_encoder.get_input_embeddings()
    plain = layer(ids)
    with editor._in_place_of_word(faces[:1]):  # type: ignore[attr-defined]
        changed = layer(ids)
    differs = (plain != changed).any(-1)
    assert differs.sum() == 1
    torch.testing.assert_close(changed[differs][0, : faces.shape[1]], faces[0])
    assert not changed[differs][0, faces.shape[1] :].any()


class Recorder:
    """Takes the place of a pipeline and keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[dict] = []

    def __call__(self, **asked: object) -> Recorder:
        self.asked.append(asked)
        self.images = np.zeros((1, 64, 64, 3), np.float32)
        return self

    def invert(self, *_: object, **__: object) -> None:
        pass


def asked_of(editor: PipelineEditor, photos: list[Pixels], *shares: float) -> list[dict]:
    recorder = Recorder()
    editor.__dict__["_pipe"] = recorder
    editor.edit(photos[:1] * len(shares), [edit(share) for share in shares])
    return recorder.asked


def test_wording_reaches_image_to_image(pipelines: Folders, photos: list[Pixels]) -> None:
    kept, more, less = asked_of(build("img2img", pipelines), photos, 0, 1, -0.5)
    old = "a photo of an old person with deep wrinkles and grey hair"
    young = "a photo of a young person with smooth skin"
    assert (kept["prompt"], kept["negative_prompt"]) == (["a photo of a person"], [""])
    assert (more["prompt"], more["negative_prompt"]) == ([old], [young])
    assert (less["prompt"], less["negative_prompt"]) == ([young], [old])
    assert [a["strength"] for a in (kept, more, less)] == pytest.approx([0.35, 0.75, 0.55])
    assert more["image"][0].size == (64, 64)


def test_wording_reaches_the_instruction(pipelines: Folders, photos: list[Pixels]) -> None:
    kept, more, less = asked_of(build("instruct", pipelines), photos, 0, 1, -0.5)
    assert kept["prompt"] == [""]
    assert more["prompt"] == ["turn the person into an old person with deep wrinkles and grey hair"]
    assert less["prompt"] == ["turn the person into a young person with smooth skin"]
    assert [a["guidance_scale"] for a in (kept, more, less)] == [5.0, 5.0, 3.0]


def test_wording_reaches_ledits(pipelines: Folders, photos: list[Pixels]) -> None:
    kept, more, less = asked_of(build("ledits", pipelines), photos, 0, 1, -0.5)
    ends = ["an old person with deep wrinkles and grey hair", "a young person with smooth skin"]
    assert more["editing_prompt"] == ends
    assert less["editing_prompt"] == ends[::-1]
    assert more["reverse_editing_direction"] == [False, True]
    assert [a["edit_guidance_scale"] for a in (kept, more, less)] == [0, 5.0, 2.5]


def test_the_version_follows_what_decides_a_pixel(pipelines: Folders) -> None:
    plain = build("img2img", pipelines).version
    assert plain == build("img2img", pipelines, batch_size=7).version
    assert plain != build("img2img", pipelines, steps=5).version
    assert plain != build("img2img", pipelines, neutral="a face").version
    assert plain != build("sdxl", pipelines).version
