"""Every published layout: its full list of tensors, and what its network computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from reference import published_forward as forward
from reference import published_shapes as published
from torch import Tensor

from facegeom_lit.models import ModelCard, build_backbone, load_face_model
from facegeom_lit.models.weights.fit import compare
from facegeom_lit.models.weights.recognise import recognise

R18, R50, R101 = (published.IR_BLOCKS[depth] for depth in (18, 50, 101))
R200 = (6, 26, 60, 6)

# Published networks at full size: prefix, shapes, title, architecture, parameters.
FULL = {
    "r18": ("", published.iresnet(R18), "arcface_torch iresnet18", "iresnet18", 24_025_600),
    "r50": ("", published.iresnet(R50), "arcface_torch iresnet50", "iresnet50", 43_590_848),
    "r100": ("", published.iresnet(R101), "arcface_torch iresnet100", "iresnet100", 65_156_160),
    "r200": ("", published.iresnet(R200), "arcface_torch iresnet200", "iresnet200", 118_833_920),
    "magface": (
        *("module.features.", published.iresnet(R101)),
        *("MagFace iresnet100", "iresnet100", 65_156_160),
    ),
    "adaface_ir50": ("model.", published.ir(R50), "AdaFace IR-50", "iresnet50", 43_585_600),
    "cvlface_ir101": (
        *("model.net.", published.ir(R101)),
        *("CVLFace IR-101", "iresnet100", 65_150_912),
    ),
    "ir_se50": (
        *("", published.ir(R50, inner=False, squeeze="5", affine=True)),
        *("InsightFace_Pytorch IR-SE-50", "iresnet50", 43_797_696),
    ),
    "mbf": ("", published.mbf((1, 4, 6, 2), 2), "arcface_torch mbf", "mobilefacenet", 2_059_520),
    "mbf_large": (
        *("", published.mbf((2, 8, 12, 4), 4)),
        *("arcface_torch mbf_large", "mobilefacenet", 6_314_880),
    ),
    "mobilefacenet": (
        *("", published.mobilefacenet()),
        *("InsightFace_Pytorch MobileFaceNet", "mobilefacenet", 1_200_512),
    ),
    "vit_t": ("", published.vit(), "arcface_torch vit_t", "arcface_vit", 19_137_792),
    "vit_s": ("", published.vit(512), "arcface_torch vit_s", "arcface_vit", 76_023_296),
    "vit_b": ("", published.vit(512, 24), "arcface_torch vit_b", "arcface_vit", 113_833_472),
    "facenet": (
        *("", published.inception_resnet_v1()),
        *("facenet-pytorch InceptionResnetV1", "inception_resnet_v1", 27_910_327),
    ),
}


@pytest.mark.parametrize("name", FULL)
def test_full_list_of_published_tensors_fits(name: str) -> None:
    prefix, shapes, title, architecture, parameters = FULL[name]
    assert published.parameters(shapes) == parameters
    state = {f"{prefix}{n}": torch.empty(shape, device="meta") for n, shape in shapes.items()}
    known = recognise(state)
    assert known is not None
    assert (known.title, known.card.architecture) == (title, architecture)
    with torch.device("meta"):
        network = build_backbone(architecture, **known.card.arguments)
    names = {n: known.original(n) for n in network.state_dict()}
    compare(network, known.state, source=name, network_name=name, names=names)
    heads = {f"{prefix}{n}" for n in shapes if n.startswith("logits.")}
    added = {"features.weight", "features.bias"} if title.startswith(("Ada", "CVL")) else set()
    assert {names[n] for n in network.state_dict() if n not in added} == set(state) - heads


@dataclass(frozen=True)
class Case:
    """A small network in a published layout.

    `run` is the reference; `expected` what the card must say besides size and dimension.
    """

    shapes: published.Shapes
    run: Callable[[dict[str, Tensor], Tensor], Tensor]
    prefix: str
    title: str
    color_order: str = "RGB"
    mean: float = 127.5
    std: float = 127.5
    side: int = 112
    fit: str = "crop"
    heads: tuple[str, ...] = ()


def _ir(inner: bool = True, squeeze: str = "") -> Callable[[dict[str, Tensor], Tensor], Tensor]:
    return lambda s, x: forward.ir(s, x, (0, 2, 4, 6), inner, squeeze)


CASES = {
    "arcface_torch": Case(
        published.iresnet(R18, 16, 64),
        lambda s, x: forward.iresnet(s, x, 1e-5),
        *("module.", "arcface_torch iresnet18"),
    ),
    "magface": Case(
        published.iresnet(R18, 16, 64),
        lambda s, x: forward.iresnet(s, x, 2e-5),
        *("features.module.", "MagFace iresnet18", "BGR", 0.0, 255.0),
        heads=("fc.weight",),
    ),
    "magface_parallel": Case(
        published.iresnet(R18, 16, 64),
        lambda s, x: forward.iresnet(s, x, 2e-5),
        *("module.features.", "MagFace iresnet18", "BGR", 0.0, 255.0),
        heads=("module.parallel_fc.weight",),
    ),
    "adaface": Case(
        published.ir(R18, 16, 64),
        _ir(),
        *("model.", "AdaFace IR-18", "BGR"),
        heads=("head.kernel", "head.t", "head.batch_mean"),
    ),
    "adaface_se": Case(
        published.ir(R18, 16, 64, squeeze="se_block"),
        _ir(squeeze="se_block"),
        *("model.", "AdaFace IR-SE-18", "BGR"),
    ),
    "cvlface": Case(published.ir(R18, 16, 64), _ir(), "net.", "CVLFace IR-18"),
    "insightface_pytorch": Case(
        published.ir(R18, 16, 64, inner=False, affine=True),
        _ir(inner=False),
        *("", "InsightFace_Pytorch IR-18", "BGR"),
    ),
    "insightface_pytorch_se": Case(
        published.ir(R18, 16, 64, inner=False, squeeze="5", affine=True),
        _ir(inner=False, squeeze="5"),
        *("backbone.module.", "InsightFace_Pytorch IR-SE-18", "BGR"),
    ),
    "mobilefacenet": Case(
        published.mobilefacenet(64),
        forward.mobilefacenet,
        *("", "InsightFace_Pytorch MobileFaceNet", "BGR"),
    ),
    "mbf": Case(published.mbf((1, 4, 6, 2), 2, 64), forward.mbf, "", "arcface_torch mbf"),
    "mbf_large": Case(
        published.mbf((2, 8, 12, 4), 4, 64), forward.mbf, "", "arcface_torch mbf_large"
    ),
    "vit": Case(published.vit(32, 2, 64), forward.vit, "encoder.", "arcface_torch ViT"),
    "vit_unmasked": Case(published.vit(32, 2, 64, False), forward.vit, "net.", "CVLFace ViT"),
    "facenet": Case(
        published.inception_resnet_v1(10575),
        forward.inception_resnet_v1,
        *("", "facenet-pytorch InceptionResnetV1", "RGB", 127.5, 128.0, 160, "resize"),
        heads=("logits.weight", "logits.bias"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_imported_network_computes_what_the_published_one_does(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    state = published.random_state(case.shapes)
    stored = {f"{case.prefix}{n}": tensor for n, tensor in state.items()}
    stored |= {head: torch.ones(2) for head in case.heads if head not in stored}
    path = tmp_path / "weights.pth"
    torch.save({"epoch": 3, "state_dict": stored}, path)
    model = load_face_model(path)
    card = model.card
    assert card.training["layout"] == case.title
    assert (card.color_order, card.fit) == (case.color_order, case.fit)
    assert (card.mean, card.std) == ((case.mean,) * 3, (case.std,) * 3)
    assert card.size == (case.side, case.side)
    aside = card.training.get("left_aside", [])
    assert [entry.partition(" ")[0] for entry in aside] == list(case.heads)

    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 3, case.side, case.side), dtype=torch.uint8)
    fed = images.double().flip(1) if case.color_order == "BGR" else images.double()
    with torch.no_grad():
        expected = case.run({n: t.double() for n, t in state.items()}, (fed - case.mean) / case.std)
        found = model.double().backbone((fed - case.mean) / case.std)
        as_used = load_face_model(path)(images)
    if name in ("mobilefacenet", "facenet"):  # these normalise; our models leave that to `compare`
        found, as_used = F.normalize(found), F.normalize(as_used)
    scale = float(expected.norm(dim=1).mean())
    assert float((found - expected).norm(dim=1).max()) < 1e-8 * scale
    assert float((as_used - expected).norm(dim=1).max()) < 1e-5 * scale


@pytest.mark.parametrize("name", CASES)
def test_imported_network_trains_and_its_stages_hold_each_parameter_once(
    name: str, tmp_path: Path
) -> None:
    state = published.random_state(CASES[name].shapes)
    torch.save({f"{CASES[name].prefix}{n}": t for n, t in state.items()}, tmp_path / "w.pth")
    model = load_face_model(tmp_path / "w.pth").train()
    held = [id(p) for _, stage in model.stages() for p in stage.parameters()]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    torch.manual_seed(0)
    side = CASES[name].side
    (model(torch.randint(0, 256, (3, 3, side, side))) ** 3).sum().backward()
    reached = {}
    for key, parameter in model.backbone.named_parameters():
        assert parameter.requires_grad == (key != "features.weight"), key
        # arcface_torch's own training keeps the scale of the last norm at one.
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert bool(parameter.grad.isfinite().all()), key
            reached[key] = float(parameter.grad.abs().sum()) > 0
    # The waist of a squeeze has few channels here, which may be below zero for all images.
    assert all(hit for key, hit in reached.items() if ".se." not in key)
    squeezes = [hit for key, hit in reached.items() if ".se." in key]
    assert any(squeezes) == bool(squeezes)


@pytest.mark.parametrize("name", ["adaface", "vit", "facenet", "mobilefacenet", "mbf_large"])
def test_card_of_an_imported_model_builds_it_again(name: str, tmp_path: Path) -> None:
    state = published.random_state(CASES[name].shapes)
    torch.save(state, tmp_path / "weights.pt")
    card = load_face_model(tmp_path / "weights.pt").card
    again = ModelCard.from_json(card.to_json())
    with torch.device("meta"):
        backbone = build_backbone(again.architecture, **again.arguments)
    assert (backbone.dimension, backbone.input_size) == (again.dimension, again.size)
