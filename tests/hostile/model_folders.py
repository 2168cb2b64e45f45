"""Model folders of our own and of Hugging Face, with more in them than weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from hostile.cases import Build, add, hostile
from hostile.pickles import Calls, write

from facegeom_lit.models import FaceModel, ModelCard, save_face_model
from facegeom_lit.models.backbones import build_backbone

TINY = {"width": 0.125, "dimension": 8}


def own(folder: Path) -> Path:
    """A small face model."""
    card = ModelCard("tiny", "mobilefacenet", 8, TINY)
    save_face_model(FaceModel(build_backbone("mobilefacenet", **TINY), card), folder / "tiny")
    return folder / "tiny"


def with_card(change: Callable[[dict[str, Any]], Any] | bytes) -> Build:
    """The model with another card."""

    def build(folder: Path) -> Path:
        place = own(folder) / "card.json"
        if isinstance(change, bytes):
            place.write_bytes(change)
        else:
            facts = json.loads(place.read_text())
            place.write_text(json.dumps(change(facts) or facts))
        return folder / "tiny"

    return build


def stating(**facts: Any) -> Build:
    return with_card(lambda card: card | facts)


CARDS: dict[str, Build] = {
    "list": with_card(lambda card: [card]),
    "number": with_card(b"7"),
    "nothing": with_card(b""),
    "UTF-16": with_card('{"name": "tiny"}'.encode("utf-16")),
    "nested": with_card(b"[" * 100_000),
    "digits": with_card(b'{"name": "tiny", "dimension": ' + b"9" * 10_000 + b"}"),
    "NaN": stating(mean=[float("nan")] * 3),
    "infinite std": stating(std=[float("inf")] * 3),
    "name of a list": stating(name=["tiny"]),
    "architecture of a list": stating(architecture=["mobilefacenet"]),
    "architecture of a module": stating(architecture="os.system", arguments={"command": "ls"}),
    "target": with_card(lambda card: card | {"_target_": "os.system"}),
    "arguments of text": stating(arguments="width"),
    "gigantic width": stating(arguments={**TINY, "width": 1e6}),
    "gigantic dimension": stating(dimension=10**12, arguments={**TINY, "dimension": 10**12}),
    "width of text": stating(arguments={**TINY, "width": "1"}),
    "NaN width": stating(arguments={**TINY, "width": float("nan")}),
    "negative dimension": stating(dimension=-8),
    "gigantic size": stating(size=[10**9, 10**9]),
    "dimension of text": stating(dimension="8"),
    "deep vit": stating(architecture="vit", arguments={"depth": 10**9}),
    "wide vit": stating(architecture="vit", arguments={"channels": 10**7, "heads": 1}),
    "deep arcface_vit": stating(architecture="arcface_vit", arguments={"depth": 10**9}),
    "other network": stating(architecture="iresnet18", arguments={}),
    "hash of another": stating(hash="0" * 64),
    "hash of a list": stating(hash=["0"]),
    "graph": stating(architecture="onnx_graph", arguments={"nodes": [{"op": "Loop"}]}),
    "hub model": stating(architecture="hugging_face", arguments={"config": {"model_type": "x"}}),
}
for title, build in CARDS.items():
    add(f"card, {title}", "model", build, "tiny")

VIT: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}


def hub(folder: Path) -> Path:
    """A small model in the layout of the hub."""
    place = folder / "hub"
    torch.manual_seed(0)
    transformers.ViTModel(transformers.ViTConfig(**VIT)).save_pretrained(place)
    processor = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3}
    processor |= {"image_std": [0.5] * 3, "rescale_factor": 1 / 255, "do_rescale": True}
    processor |= {"image_processor_type": "ViTImageProcessor", "do_normalize": True}
    (place / "preprocessor_config.json").write_text(json.dumps(processor))
    return place


def changed(file: str, change: Callable[[dict[str, Any]], Any] | bytes) -> Build:
    """The model with another file."""

    def build(folder: Path) -> Path:
        place = hub(folder) / file
        if isinstance(change, bytes):
            place.write_bytes(change)
        else:
            place.write_text(json.dumps(change(json.loads(place.read_text()))))
        return folder / "hub"

    return build


def code_beside(folder: Path) -> Path:
    """Python files beside the weights, and entries that name them."""
    place = hub(folder)
    for name in ("configuration_evil", "modeling_evil", "image_processing_evil", "__init__"):
        (place / f"{name}.py").write_text(write(folder))
    for file in ("config.json", "preprocessor_config.json"):
        facts = json.loads((place / file).read_text())
        facts |= {"trust_remote_code": True, "custom_pipelines": {"x": {"impl": "modeling_evil.X"}}}
        facts["auto_map"] = {
            "AutoConfig": "configuration_evil.X",
            "AutoModel": "modeling_evil.X",
            "AutoImageProcessor": "image_processing_evil.X",
        }
        (place / file).write_text(json.dumps(facts))
    return place


def unknown_type_with_code(folder: Path) -> Path:
    place = code_beside(folder)
    facts = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(facts | {"model_type": "evil"}))
    return place


def pickles_beside(folder: Path) -> Path:
    """Pickles where a tokenizer, a trainer and older weights would be."""
    place = hub(folder)
    for name in ("pytorch_model.bin", "training_args.bin", "tokenizer.pkl", "optimizer.pt"):
        torch.save(Calls(exec, write(folder)), place / name)
    return place


def pickles_alone(folder: Path) -> Path:
    place = pickles_beside(folder)
    (place / "model.safetensors").unlink()
    return place


def attention_code(folder: Path) -> Path:
    place = code_beside(folder)
    facts = json.loads((place / "config.json").read_text())
    facts |= {"attn_implementation": "evil/kernels", "_attn_implementation": "evil/kernels"}
    (place / "config.json").write_text(json.dumps(facts))
    return place


def index_outside(folder: Path) -> Path:
    """An index of shards that names a file outside."""
    place = hub(folder)
    (place / "model.safetensors").rename(folder / "outside.safetensors")
    index = {"metadata": {}, "weight_map": {"layernorm.weight": "../outside.safetensors"}}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    return place


LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(
    f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)
)

add("hub, code beside", "model", code_beside, "hub", harmless=True)
add("hub, code of an unknown type", "model", unknown_type_with_code, "hub")
add("hub, attention from the hub", "model", attention_code, "hub", harmless=True)
add("hub, pickles beside", "model", pickles_beside, "hub", harmless=True)
add("hub, pickles alone", "model", pickles_alone, "hub")
add("hub, shards outside", "model", index_outside, "hub")
HUB: dict[str, tuple[str, Callable[[dict[str, Any]], Any] | bytes]] = {
    "layers": ("config.json", lambda c: c | {"num_hidden_layers": 10**9}),
    "width": ("config.json", lambda c: c | {"hidden_size": 10**9}),
    "heads of text": ("config.json", lambda c: c | {"num_attention_heads": "two"}),
    "type of a list": ("config.json", lambda c: c | {"model_type": ["vit"]}),
    "type of a path": ("config.json", lambda c: c | {"model_type": "../../evil"}),
    "nested config": ("config.json", b'{"model_type":' + b"[" * 100_000),
    "list": ("config.json", b'["model_type"]'),
    "patch of nothing": ("config.json", lambda c: c | {"patch_size": 0}),
    "size of nothing": ("preprocessor_config.json", lambda c: c | {"size": {"height": 0}}),
    "gigantic size": (
        "preprocessor_config.json",
        lambda c: c | {"size": {"height": 10**9, "width": 10**9}},
    ),
    "mean of text": ("preprocessor_config.json", lambda c: c | {"image_mean": "zero"}),
    "processor of a number": ("preprocessor_config.json", b"7"),
    "adapter": ("adapter_config.json", b'{"base_model_name_or_path": "evil/evil"}'),
    "weights cut": ("model.safetensors", b"\x10\0\0\0\0\0\0\0{"),
}
for title, (file, change) in HUB.items():
    add(f"hub, {title}", "model", changed(file, change), "hub")
for title, text in {
    "laughs": f"---\n{LAUGHS}license: *a39\n---\n",
    "YAML tags": "---\nlicense: !!python/object/apply:os.system ['touch canary']\n---\n",
}.items():
    add(f"hub, {title}", "model", changed("README.md", text.encode()), "hub", harmless=True)


@hostile("model", "empty_folder")
def empty_folder(folder: Path) -> Path:
    (folder / "empty_folder").mkdir()
    return folder / "empty_folder"
