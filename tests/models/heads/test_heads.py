"""Every head against a slow float64 formula with acos, and what all heads share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.heads import AdaFace, ArcFace, CombinedMargin, CosFace, Softmax

D, K, B = 16, 7, 40
CONF = Path(__file__).parents[3] / "conf" / "head"
HEADS: dict[str, Callable[[], nn.Module]] = {
    "arcface": lambda: ArcFace(D, K, scale=32.0, margin=0.5),
    "cosface": lambda: CosFace(D, K, scale=32.0, margin=0.35),
    "combined": lambda: CombinedMargin(D, K, scale=32.0, multiplier=1.3, angle=0.3, cosine=0.2),
    "adaface": lambda: AdaFace(D, K, scale=32.0, margin=0.4, momentum=1.0),
    "softmax": lambda: Softmax(D, K),
}


def slow_arcface(cosine: float, norm: float, norms: Tensor) -> float:
    theta = math.acos(cosine)
    return math.cos(theta + 0.5) if theta + 0.5 < math.pi else cosine - 0.5 * math.sin(0.5)


def slow_cosface(cosine: float, norm: float, norms: Tensor) -> float:
    return cosine - 0.35


def slow_combined(cosine: float, norm: float, norms: Tensor) -> float:
    theta, last = math.acos(cosine), (math.pi - 0.3) / 1.3
    inside = math.cos(1.3 * theta + 0.3) if theta < last else cosine - math.cos(last) - 1
    return inside - 0.2


def slow_adaface(cosine: float, norm: float, norms: Tensor) -> float:
    # The authors' formula; with momentum 1 the statistics are those of the batch.
    z = (norm - float(norms.mean())) / (float(norms.std()) + 1e-3)
    z = min(max(0.333 * z, -1), 1)
    theta = min(max(math.acos(cosine) - 0.4 * z, 0.0), math.pi)
    return math.cos(theta) - (0.4 + 0.4 * z)


SLOW = {
    "arcface": slow_arcface,
    "cosface": slow_cosface,
    "combined": slow_combined,
    "adaface": slow_adaface,
}


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(B, D, generator=generator)
    embeddings *= torch.rand(B, 1, generator=generator) * 15
    return embeddings, torch.randint(K, (B,), generator=generator)


def spread_over_all_angles(head: nn.Module, labels: Tensor) -> Tensor:
    """Embeddings whose angles to their own centres run from 0 to π."""
    generator = torch.Generator().manual_seed(1)
    center = nn.functional.normalize(head.centers.detach()[labels])
    other = torch.randn(B, D, generator=generator)
    other = nn.functional.normalize(other - (other * center).sum(1, keepdim=True) * center)
    angle = torch.linspace(0, math.pi, B)[:, None]
    return (center * angle.cos() + other * angle.sin()) * torch.linspace(5, 25, B)[:, None]


@pytest.mark.parametrize("name", SLOW)
def test_agrees_with_the_slow_formula(name: str) -> None:
    torch.manual_seed(0)
    head = HEADS[name]()
    _, labels = batch()
    embeddings = spread_over_all_angles(head, labels)
    logits = head(embeddings, labels)
    x, w = embeddings.double(), head.centers.detach().double()
    cosines = ((x / x.norm(dim=1, keepdim=True)) @ (w / w.norm(dim=1, keepdim=True)).T).clamp(-1, 1)
    norms = embeddings.norm(dim=1).clamp(1e-3, 100)
    expected = 32 * cosines
    for row, label in enumerate(labels.tolist()):
        harder = SLOW[name](float(cosines[row, label]), float(norms[row]), norms)
        expected[row, label] = 32 * harder
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits.double(), expected, atol=2e-2, rtol=0)
    # Away from the poles, where float32 cosines lose the angle, it agrees to rounding.
    inner = slice(4, B - 4)
    torch.testing.assert_close(logits[inner].double(), expected[inner], atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", HEADS)
def test_gradients_are_finite_at_the_poles(name: str) -> None:
    head = HEADS[name]()
    labels = torch.tensor([0, 1, 2, 3])
    own = head.centers.detach()[labels]
    embeddings = torch.stack([own[0], -own[1], own[2] * 100, -own[3] * 1e-3]).requires_grad_()
    loss = nn.functional.cross_entropy(head(embeddings, labels), labels)
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(embeddings.grad.isfinite().all())
    assert bool(head.centers.grad.isfinite().all())
    assert float(head.centers.grad.norm(dim=1).max()) < 1e5


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    head = HEADS[name]().eval()
    embeddings, labels = batch()
    embeddings = embeddings.to(dtype)
    expected = head(embeddings.float(), labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(embeddings, labels)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, expected)


@pytest.mark.parametrize("name", SLOW)
def test_harder_for_the_true_class_only(name: str) -> None:
    head = HEADS[name]()
    embeddings, labels = batch()
    cosines = nn.functional.linear(
        nn.functional.normalize(embeddings), nn.functional.normalize(head.centers)
    )
    logits = head(embeddings, labels)
    true = nn.functional.one_hot(labels, K).bool()
    torch.testing.assert_close(logits[~true], 32 * cosines[~true])
    assert bool((logits[true] < 32 * cosines[true]).all())


@pytest.mark.parametrize("name", HEADS)
def test_labels_are_checked(name: str) -> None:
    head = HEADS[name]()
    embeddings, labels = batch()
    assert torch.equal(head(embeddings, labels.int()), head(embeddings, labels))
    with pytest.raises(FaceGeomError, match=r"\[0, 6\].*from 0 to 7"):
        head(embeddings[:2], torch.tensor([0, 7]))
    with pytest.raises(FaceGeomError, match="from -1 to 0"):
        head(embeddings[:2], torch.tensor([0, -1]))
    with pytest.raises(FaceGeomError, match=r"integers, got torch\.float32"):
        head(embeddings, labels.float())
    with pytest.raises(FaceGeomError, match="one for each embedding"):
        head(embeddings, labels[:-1])
    with pytest.raises(FaceGeomError, match=r"\(B, 16\)"):
        head(embeddings[:, :-1], labels)


def test_combined_margin_contains_the_others() -> None:
    embeddings, labels = batch()
    combined = CombinedMargin(D, K, scale=32.0, angle=0.3, cosine=0.0)
    arcface = ArcFace(D, K, scale=32.0, margin=0.3)
    cosface = CosFace(D, K, scale=32.0, margin=0.2)
    arcface.load_state_dict(combined.state_dict())
    cosface.load_state_dict(combined.state_dict())
    torch.testing.assert_close(
        combined(embeddings, labels), arcface(embeddings, labels), atol=1e-4, rtol=0
    )
    combined.angle, combined.cosine = 0.0, 0.2
    torch.testing.assert_close(
        combined(embeddings, labels), cosface(embeddings, labels), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("multiplier", [1.0, 1.35, 2.0])
def test_combined_margin_falls_with_the_angle_without_a_jump(multiplier: float) -> None:
    head = CombinedMargin(2, 2, scale=1.0, multiplier=multiplier, angle=0.4, cosine=0.1)
    cosines = torch.linspace(0.001, math.pi - 0.001, 5000).cos()
    steps = head.margin_cosine(cosines, torch.empty(0)).diff()
    assert bool((steps < 0).all())
    assert float(steps.abs().max()) < 5e-3


def test_adaface_learns_the_norms_in_training_only() -> None:
    head = AdaFace(D, K, momentum=0.25)
    embeddings, labels = batch()
    head.eval()(embeddings, labels)
    assert float(head.norm_mean) == 20
    head.train()(embeddings, labels)
    norms = embeddings.norm(dim=1)
    assert float(head.norm_mean) == pytest.approx(0.75 * 20 + 0.25 * float(norms.mean()))
    assert float(head.norm_std) == pytest.approx(0.75 * 100 + 0.25 * float(norms.std()))
    # One image has no deviation: it must not turn the statistics into NaN.
    before = float(head.norm_std)
    assert bool(head(embeddings[:1], labels[:1]).isfinite().all())
    assert float(head.norm_std) == before
    assert {"norm_mean", "norm_std"} <= set(head.state_dict())


def test_softmax_is_linear_in_the_raw_embedding() -> None:
    head = Softmax(D, K)
    embeddings, labels = batch()
    torch.testing.assert_close(head(embeddings, labels), embeddings @ head.centers.T)


@pytest.mark.parametrize(
    ("make", "culprit"),
    [
        (lambda: ArcFace(D, K, margin=2.0), "margin"),
        (lambda: ArcFace(D, K, scale=0.0), "scale"),
        (lambda: ArcFace(D, 1), "two identities"),
        (lambda: CosFace(D, K, margin=-0.1), "margin"),
        (lambda: CombinedMargin(D, K, multiplier=0.5), "multiplier"),
        (lambda: AdaFace(D, K, margin=-1.0), "margin"),
        (lambda: AdaFace(D, K, momentum=0.0), "momentum"),
        (lambda: Softmax(D, 0), "two identities"),
    ],
)
def test_bad_arguments_are_named(make: Callable[[], nn.Module], culprit: str) -> None:
    with pytest.raises(FaceGeomError, match=culprit):
        make()


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_configuration_makes_a_head(path: Path) -> None:
    from hydra.utils import instantiate

    head = instantiate(yaml.safe_load(path.read_text()))(D, K)
    assert head.centers.shape == (K, D)
    assert type(head).__module__.endswith(path.stem)


@pytest.mark.parametrize("name", HEADS)
def test_learns_to_tell_identities_apart(name: str) -> None:
    torch.manual_seed(0)
    head = HEADS[name]()
    labels = torch.arange(B) % K
    embeddings = nn.Parameter(torch.randn(B, D))
    optimizer = torch.optim.Adam([embeddings, *head.parameters()], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(embeddings, labels), labels).backward()
        optimizer.step()
    cosines = nn.functional.normalize(embeddings) @ nn.functional.normalize(head.centers).T
    assert bool((cosines.argmax(1) == labels).all())
