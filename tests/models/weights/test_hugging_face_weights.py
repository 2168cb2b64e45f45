from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.folder import read_folder
from facegeom_lit.models import load_face_model, save_face_model
from facegeom_lit.models.embed import embed
from facegeom_lit.models.weights.hugging_face import is_hugging_face, read_hugging_face
from facegeom_lit.models.weights.hugging_face_processor import input_facts

VIT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "initializer_range": 0.2,  # far enough from zero that every weight shows in the output
}
TEXT = {key: VIT[key] for key in list(VIT)[:4]} | {
    "vocab_size": 99,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
SAM = VIT | {"output_channels": 32, "window_size": 4, "global_attn_indexes": [1], "mlp_dim": 37}


def clip() -> hf.CLIPModel:
    return hf.CLIPModel(hf.CLIPConfig(vision_config=VIT, text_config=TEXT, projection_dim=24))


def siglip() -> hf.SiglipModel:
    return hf.SiglipModel(hf.SiglipConfig(vision_config=VIT, text_config=TEXT))


def sam() -> hf.SamModel:
    prompt = {"hidden_size": 32, "image_size": 32, "patch_size": 8}
    decoder = {"hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    return hf.SamModel(
        hf.SamConfig(
            vision_config=SAM,
            prompt_encoder_config=prompt,
            mask_decoder_config=decoder | {"iou_head_hidden_dim": 32},
        )
    )


def mae() -> hf.ViTMAEForPreTraining:
    decoder = {"decoder_hidden_size": 32, "decoder_intermediate_size": 37}
    heads = {"decoder_num_attention_heads": 4, "decoder_num_hidden_layers": 1}
    return hf.ViTMAEForPreTraining(hf.ViTMAEConfig(**VIT, **decoder, **heads))


def every_patch(folder: Path) -> hf.ViTMAEModel:
    return hf.ViTMAEModel.from_pretrained(folder, mask_ratio=0.0)


def swin() -> hf.SwinForImageClassification:
    shape = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
    return hf.SwinForImageClassification(hf.SwinConfig(**shape, image_size=32, patch_size=4))


def resnet() -> hf.ResNetForImageClassification:
    return hf.ResNetForImageClassification(hf.ResNetConfig(hidden_sizes=[16, 32], depths=[1, 1]))


def convnext() -> hf.ConvNextModel:
    shape = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "initializer_range": 0.2}
    return hf.ConvNextModel(hf.ConvNextConfig(**shape))


SQUARE = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
Reference = Callable[[Path, Tensor], Tensor]

# Made how, which processor, and what transformers' own classes give for prepared pixels.
FAMILIES: dict[str, tuple[Callable[[], Any], Any, Reference]] = {
    "clip": (
        clip,
        hf.CLIPImageProcessorPil(**SQUARE),
        lambda f, x: hf.AutoModel.from_pretrained(f).vision_model(x).pooler_output,
    ),
    "siglip": (
        siglip,
        hf.SiglipImageProcessorPil(**SQUARE),
        lambda f, x: hf.AutoModel.from_pretrained(f).vision_model(x).pooler_output,
    ),
    "dinov2": (
        lambda: hf.Dinov2Model(hf.Dinov2Config(**VIT)),
        hf.BitImageProcessorPil(**SQUARE, image_mean=[0.485, 0.456, 0.406]),
        lambda f, x: hf.AutoModel.from_pretrained(f)(x).last_hidden_state[:, 0],
    ),
    "dinov3": (
        lambda: hf.DINOv3ViTModel(hf.DINOv3ViTConfig(**VIT, num_register_tokens=2)),
        hf.ViTImageProcessorPil(**SQUARE),
        lambda f, x: hf.AutoModel.from_pretrained(f)(x).last_hidden_state[:, 0],
    ),
    "sam": (
        sam,
        hf.SamImageProcessorPil(size={"longest_edge": 32}, pad_size={"height": 32, "width": 32}),
        lambda f, x: hf.AutoModel.from_pretrained(f).get_image_embeddings(x).mean((2, 3)),
    ),
    "vit_mae": (
        mae,
        hf.ViTImageProcessorPil(**SQUARE),
        lambda f, x: every_patch(f)(x).last_hidden_state[:, 1:].mean(1),
    ),
    "vit": (
        lambda: hf.ViTForImageClassification(hf.ViTConfig(**VIT)),
        hf.ViTImageProcessorPil(**SQUARE),
        lambda f, x: hf.AutoModel.from_pretrained(f)(x).last_hidden_state[:, 0],
    ),
    "swin": (
        swin,
        hf.ViTImageProcessorPil(**SQUARE),
        lambda f, x: hf.AutoModel.from_pretrained(f)(x).pooler_output,
    ),
    "resnet": (
        resnet,
        hf.ViTImageProcessorPil(**SQUARE),
        lambda f, x: hf.AutoModel.from_pretrained(f)(x).pooler_output.flatten(1),
    ),
    "convnext": (
        convnext,
        hf.ViTImageProcessorPil(**SQUARE),
        lambda f, x: hf.AutoModel.from_pretrained(f)(x).pooler_output,
    ),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each family, as its publisher would leave it."""
    hf.utils.logging.disable_progress_bar()
    root = tmp_path_factory.mktemp("published")
    torch.manual_seed(0)
    for name, (make, processor, _) in FAMILIES.items():
        make().eval().save_pretrained(root / name)
        processor.save_pretrained(root / name)
        (root / name / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    return root


def crops(count: int = 3, side: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_are_those_of_transformers(published: Path, family: str) -> None:
    folder, (_, processor, reference) = published / family, FAMILIES[family]
    assert is_hugging_face(folder)
    model = load_face_model(folder)
    images = crops()
    pixels = processor(images=list(images.permute(0, 2, 3, 1).numpy()), return_tensors="pt")
    with torch.no_grad():
        expected = reference(folder, pixels["pixel_values"])
        found = model(images)
    assert found.shape == expected.shape == (3, model.card.dimension)
    assert float((expected[0] - expected[1]).abs().max()) > 1e-3  # the images are told apart
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert model.card.licence == "apache-2.0"
    assert (model.card.fit, model.card.color_order) == ("resize", "RGB")


def test_the_projection_of_a_full_clip_checkpoint(published: Path) -> None:
    model = read_hugging_face(published / "clip", pooling="projection")
    images = crops()
    pixels = FAMILIES["clip"][1](images=list(images.permute(0, 2, 3, 1).numpy()))["pixel_values"]
    reference = hf.AutoModel.from_pretrained(published / "clip")
    with torch.no_grad():
        expected = reference.get_image_features(torch.as_tensor(np.stack(pixels))).pooler_output
        torch.testing.assert_close(model(images), expected, rtol=1e-5, atol=1e-5)
    assert not any("text" in name for name, _ in model.named_parameters())


def test_siglip2_which_takes_patches(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vision = VIT | {"num_patches": 16}
    made = hf.Siglip2Model(hf.Siglip2Config(vision_config=vision, text_config=TEXT)).eval()
    made.save_pretrained(tmp_path)
    processor = hf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    processor.save_pretrained(tmp_path)
    images = crops()
    inputs = processor(images=list(images.permute(0, 2, 3, 1).numpy()), return_tensors="pt")
    model = load_face_model(tmp_path)
    with torch.no_grad():
        expected = made.vision_model(
            inputs["pixel_values"], inputs["pixel_attention_mask"], inputs["spatial_shapes"]
        ).pooler_output
        torch.testing.assert_close(model(images), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_saved_models_load_in_a_fresh_process_without_network(
    published: Path, tmp_path: Path
) -> None:
    images, expected = crops(side=112), {}
    for family in FAMILIES:
        model = load_face_model(published / family)
        save_face_model(model, tmp_path / family)
        with torch.no_grad():
            expected[family] = model(images)
    torch.save({"images": images, **expected}, tmp_path / "expected.pt")
    script = f"""
import socket, torch
torch.set_num_threads(1)  # as here: sums in another order differ in the last bit
def refuse(*_): raise AssertionError("network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from facegeom_lit.models import load_face_model
expected = torch.load({str(tmp_path / "expected.pt")!r})
images = expected.pop("images")
for family, embeddings in expected.items():
    model = load_face_model({str(tmp_path)!r} + "/" + family)
    with torch.no_grad():
        assert torch.equal(model(images), embeddings), family
print("all equal")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip().endswith("all equal"), done.stderr


def test_a_projection_trains_and_survives_saving(published: Path, tmp_path: Path) -> None:
    model = read_hugging_face(published / "vit", dimension=16).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    (model(crops(4)) ** 3).sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    optimizer.step()
    assert any(not torch.equal(before[name], p) for name, p in model.named_parameters())
    model.eval()
    save_face_model(model, tmp_path)
    assert torch.equal(load_face_model(tmp_path)(crops()), model(crops()))


def test_a_face_set_is_embedded(published: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for person in ("ada", "ben"):
        (tmp_path / person).mkdir()
        pixels = generator.integers(0, 256, (112, 112, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / person / "0.png")
    embeddings = embed(load_face_model(published / "dinov2"), read_folder(tmp_path))
    assert embeddings.shape == (2, 32)
    assert not torch.equal(embeddings[0], embeddings[1])


def copy_of(folder: Path, to: Path, **changes: Any) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    config = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(config | changes))
    return to


def test_code_beside_the_weights_is_never_run(published: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').write('x')\n"
    for number, model_type in enumerate(("vit", "their_own")):
        remote = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
        folder = copy_of(
            published / "vit", tmp_path / str(number), auto_map=remote, model_type=model_type
        )
        (folder / "evil.py").write_text(code)
        if model_type == "vit":
            read_hugging_face(folder)
        else:
            with pytest.raises(FaceGeomError, match=r"their_own.*never run"):
                read_hugging_face(folder)
    assert not mark.exists()


def test_pickled_weights_are_refused(published: Path, tmp_path: Path) -> None:
    folder = copy_of(published / "vit", tmp_path / "vit")
    state = {"vit.layernorm.weight": torch.ones(32)}
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(FaceGeomError, match="only safetensors"):
        read_hugging_face(folder)


def test_an_adapter_is_refused(published: Path, tmp_path: Path) -> None:
    folder = copy_of(published / "vit", tmp_path / "vit")
    elsewhere = {"base_model_name_or_path": "someone/else", "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(elsewhere))
    with pytest.raises(FaceGeomError, match="holds an adapter"):
        read_hugging_face(folder)


def test_a_truncated_file_is_named(published: Path, tmp_path: Path) -> None:
    folder = copy_of(published / "vit", tmp_path / "vit")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(FaceGeomError, match=r"vit cannot be read"):
        read_hugging_face(folder)


def test_weights_of_another_model_are_refused(published: Path, tmp_path: Path) -> None:
    folder = copy_of(published / "vit", tmp_path / "vit")
    weights = (published / "resnet" / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(FaceGeomError, match=r"lacks \d+ tensors"):
        read_hugging_face(folder)


def test_a_pooler_without_weights_is_refused(published: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"lacks 2 tensors that pooling=pooler.*pooler"):
        read_hugging_face(published / "vit", pooling="pooler")


def test_a_model_without_its_image_processor_is_refused(published: Path, tmp_path: Path) -> None:
    folder = copy_of(published / "vit", tmp_path / "vit")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(FaceGeomError, match="has no preprocessor_config"):
        read_hugging_face(folder)


def test_a_text_model_is_refused(tmp_path: Path) -> None:
    bert = {key: TEXT[key] for key in list(VIT)[:4]} | {"vocab_size": 99}
    hf.BertModel(hf.BertConfig(**bert)).save_pretrained(tmp_path)
    with pytest.raises(FaceGeomError, match=r"'bert' is no vision encoder.*takes input_ids"):
        load_face_model(tmp_path)


def test_a_hub_id_without_network_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert is_hugging_face("hf:facegeom/no-such-model")
    with pytest.raises(FaceGeomError, match=r"hf:facegeom/no-such-model.*HF_HUB_OFFLINE.*folder"):
        load_face_model("hf:facegeom/no-such-model")


def test_other_folders_are_not_taken_for_hugging_face(published: Path, tmp_path: Path) -> None:
    assert not is_hugging_face(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    assert not is_hugging_face(tmp_path)
    save_face_model(load_face_model(published / "vit"), tmp_path / "ours")
    assert not is_hugging_face(tmp_path / "ours")


HALF = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}


@pytest.mark.parametrize(
    ("processor", "size", "mean", "std"),
    [
        ({"size": 224, **HALF}, 224, 127.5, 63.75),
        ({"size": {"shortest_edge": 256}, "crop_size": 224, **HALF}, 256, 127.5, 63.75),
        (
            {"size": {"shortest_edge": 256}, "crop_size": 224, "do_center_crop": True, **HALF},
            224,
            127.5,
            63.75,
        ),
        ({"size": {"longest_edge": 1024}, "do_normalize": False}, 1024, 0.0, 255.0),
        ({"size": 64, "do_rescale": False, **HALF}, 64, 0.5, 0.25),
        ({"max_num_patches": 256, "patch_size": 16, **HALF}, 256, 127.5, 63.75),
        (
            {"size": 64, "rescale_factor": 1 / 127.5, "rescale_offset": True, **HALF},
            64,
            191.25,
            31.875,
        ),
    ],
)
def test_a_processor_in_words_of_the_card(
    processor: dict[str, Any], size: int, mean: float, std: float
) -> None:
    facts = input_facts(processor, "here")
    assert facts["size"] == (size, size)
    assert facts["mean"] == pytest.approx((mean,) * 3)
    assert facts["std"] == pytest.approx((std,) * 3)


@pytest.mark.parametrize(
    "processor",
    [
        {"size": 224},
        {"size": "large", **HALF},
        {"image_mean": [1], "size": 8},
        {"size": 8, "image_mean": ["a", "b", "c"], "image_std": [1, 1, 1]},
        {"size": 8, "rescale_factor": 0, **HALF},
    ],
)
def test_a_processor_that_does_not_say_enough_is_refused(processor: dict[str, Any]) -> None:
    with pytest.raises(FaceGeomError, match="here"):
        input_facts(processor, "here")
