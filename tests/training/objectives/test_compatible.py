from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from facegeom_lit.attributes import attribute
from facegeom_lit.commands.assemble import make_objective
from facegeom_lit.commands.run_name import register_resolvers
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.keys import ATTRIBUTE, IMAGE, LABEL
from facegeom_lit.geometry.alignment.affine import fit
from facegeom_lit.models import FaceModel, ModelCard
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.resources import resource
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.objectives.base import Objective
from facegeom_lit.training.objectives.compatible import Compatible, Kind
from facegeom_lit.training.objectives.energy import Energy
from facegeom_lit.training.objectives.invariance import Invariance
from facegeom_lit.training.objectives.sensitivity import Sensitivity

D = 6


def rows(seed: int, count: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, D, generator=generator), dim=1)


def made(kind: Kind = "affine", **choices: Any) -> Compatible:
    return Compatible(Objective(), D, kind=kind, **choices)


@pytest.mark.parametrize("kind", ["identity", "affine"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_an_unchanged_model_is_at_distance_zero(kind: Kind, count: int) -> None:
    """Also while there are fewer pairs than dimensions."""
    objective = made(kind)
    for seed in range(3):
        assert float(objective.distance(rows(seed, count), rows(seed, count))) < 1e-6


def test_unrelated_embeddings_are_at_distance_one() -> None:
    assert float(made("identity").distance(rows(0, 4000), rows(1, 4000))) == pytest.approx(
        1, abs=0.03
    )
    assert float(made("affine").distance(rows(0, 4000), rows(1, 4000))) == pytest.approx(
        1, abs=0.03
    )


def test_identity_is_one_minus_the_cosine_and_pulls_towards_the_old() -> None:
    new, old = rows(0).requires_grad_(), rows(1)
    distance = made("identity").distance(new, old)
    torch.testing.assert_close(distance, (1 - F.cosine_similarity(new, old)).mean())
    distance.backward()
    moved = F.normalize(new.detach() - 5 * new.grad, dim=1)  # type: ignore[operator]
    assert bool(((moved * old).sum(1) > (new * old).sum(1)).all())


def test_affine_allows_an_affine_map_and_not_a_bent_one() -> None:
    old = rows(0, 400)
    turned = old @ torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(2)))[0]
    shifted = 0.7 * turned @ torch.diag(torch.linspace(0, 1, D)) + 0.3  # singular: no way back
    assert float(made(ridge=1e-9).distance(turned, old)) < 1e-9
    assert float(made(ridge=1e-9).distance(shifted, old)) < 1e-9
    assert float(made("identity").distance(turned, old)) > 0.5
    assert float(made(ridge=1e-9).distance(F.normalize(turned**3, dim=1), old)) > 0.02


def test_the_map_is_the_ridge_fit_of_the_change() -> None:
    """Against `fit` of what moved; sums over batches are those of all rows at once."""
    old, new = rows(0, 120), rows(1, 120) + rows(0, 120)
    objective = made(ridge=0.1)
    objective.keep = 1.0  # nothing fades
    for batch in torch.arange(120).split(40):
        objective._take(new[batch], old[batch])
    matrix, offset, variance = objective._solve()
    x, y = old.double(), new.double()
    penalty = 0.1 * float((x - x.mean(0)).square().sum()) / D
    change = fit(old, new - old, ridge=penalty)
    torch.testing.assert_close(matrix.float(), change.matrix + torch.eye(D), atol=1e-5, rtol=0)
    torch.testing.assert_close(offset.float(), change.offset, atol=1e-5, rtol=0)
    assert float(variance) == pytest.approx(float((y - y.mean(0)).square().sum() / 120))


def test_sums_fade() -> None:
    objective = made(batches=4)
    pairs = [(rows(seed), rows(seed + 9)) for seed in range(3)]
    for new, old in pairs:
        objective._take(new, old)
    ones = torch.ones(40, 1)
    expected = sum(
        0.75 ** (2 - age) * (stack.T @ stack)
        for age, (new, old) in enumerate(pairs)
        if (stack := torch.cat([ones, old, new], 1).double()) is not None
    )
    torch.testing.assert_close(objective.sums, expected)


@pytest.mark.parametrize("kind", ["identity", "affine"])
def test_a_broken_embedding_breaks_the_loss_and_nothing_else(kind: Kind) -> None:
    new = rows(0)
    new[3, 2] = torch.nan
    assert bool(made(kind).distance(new, rows(1)).isnan())


def test_no_gradient_passes_through_the_map() -> None:
    new, old = rows(0).requires_grad_(), rows(1)
    objective = made()
    distance = objective.distance(new, old)
    distance.backward()
    matrix, offset, variance = objective._solve()
    mapped = (old.double() @ matrix + offset).float()
    torch.testing.assert_close(new.grad, 2 * (new.detach() - mapped) / float(variance) / len(new))


def test_it_keeps_the_losses_of_its_goal() -> None:
    goal = Invariance(pull=3.0)
    labels, logits = torch.arange(40) // 4, torch.zeros(40, 10)
    batch = (logits, rows(0), labels, torch.zeros(40))
    alone = goal(*batch)
    both = Compatible(goal, D, weight=2.0, kind="identity")(*batch, rows(1))
    assert torch.equal(both.identity, alone.identity)
    assert torch.equal(both.attribute, alone.attribute)
    distance = (1 - F.cosine_similarity(rows(0), rows(1))).mean()
    torch.testing.assert_close(both.total, alone.total + 2 * distance)
    free = Compatible(goal, D, weight=0)
    assert not free.needs_start
    assert free(*batch).compatible is None


def test_it_needs_what_its_goal_needs() -> None:
    made_of = Compatible(partial(Sensitivity, weight=3.0), D)
    assert isinstance(made_of.goal, Sensitivity)
    assert made_of.needs_attribute
    assert not made_of.needs_curves
    assert Compatible(Energy(), D).needs_curves


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"weight": -1}, r"objective\.weight must be at least 0"),
        ({"kind": "linear"}, r"objective\.kind must be one of identity, affine"),
        ({"batches": 0.5}, r"objective\.batches must be at least 1"),
        ({"ridge": 0}, r"objective\.ridge must be positive"),
    ],
)
def test_bad_values_name_their_key(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(FaceGeomError, match=message):
        made(**choices)
    with pytest.raises(FaceGeomError, match=r"objective\.goal must be another"):
        Compatible(made(), D)


def composed(*overrides: str) -> Any:
    register_resolvers()
    with initialize_config_dir(str(resource("conf")), version_base="1.3"):
        return compose("config", overrides=["objective=compatible", *overrides])


def model() -> FaceModel:
    arguments = {"width": 0.25, "dimension": 8}
    card = ModelCard("small", "mobilefacenet", 8, arguments)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FaceModel(build_backbone("mobilefacenet", **arguments), card)


def test_configured_with_a_goal_of_the_group() -> None:
    chosen = composed("objective@objective.goal=energy", "objective.goal.weight=5")
    with pytest.raises(FaceGeomError, match=r"training\.curves=0"):
        make_objective(chosen, model(), attribute("age"))
    objective = make_objective(composed("objective.goal.pull=20"), model(), None)
    assert isinstance(objective, Compatible)
    assert objective.goal.pull == 20
    with pytest.raises(FaceGeomError, match="starts from random weights"):
        make_objective(composed("backbone.weights=null"), model(), None)


class _Head(nn.Linear):
    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(embeddings)


def module() -> FineTuneModule:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        head = _Head(8, 2)
    start = model()
    return FineTuneModule(
        model(),
        head,
        Compatible(Invariance(1.0), 8, weight=5.0),
        partial(torch.optim.SGD),
        {},
        lr=1e-2,
        head_warmup_epochs=0,
        provenance={"weights": "here"},
        start=start,
    )


def trained(folder: Path, resumed: Path | None = None) -> FineTuneModule:
    pixels = torch.randint(0, 256, (2, 3, 112, 112), generator=torch.Generator().manual_seed(0))
    images = [
        {IMAGE: image, LABEL: number, ATTRIBUTE: 0.0} for number, image in enumerate(pixels.byte())
    ]
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=3,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder, "{epoch}", save_top_k=-1, every_n_epochs=1)],
        limit_val_batches=0,
    )
    result = module()
    trainer.fit(result, DataLoader(images, batch_size=2), ckpt_path=resumed)  # type: ignore[arg-type]
    return result


@pytest.mark.filterwarnings("ignore")
def test_a_resumed_run_ends_with_the_same_weights_and_sums(tmp_path: Path) -> None:
    whole = trained(tmp_path)
    resumed = trained(tmp_path / "again", tmp_path / "epoch=0.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    start = model().state_dict()
    assert all(torch.equal(start[name], v) for name, v in whole._start[0].state_dict().items())
    moved = whole.model(torch.zeros(1, 3, 112, 112)) - whole._start[0](torch.zeros(1, 3, 112, 112))
    assert float(moved.abs().max()) > 1e-4, "nothing was trained"


def test_the_start_model_is_in_no_checkpoint_and_does_not_learn() -> None:
    whole = module()
    parts = {"model", "head", "objective"}
    assert {name.split(".")[0] for name in whole.state_dict()} == parts
    assert {name.split(".")[0] for name, _ in whole.named_parameters()} == {"model", "head"}
    assert "objective.sums" in whole.state_dict()
    assert not whole._start[0].training
