from __future__ import annotations

from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from facegeom_lit.callbacks.class_mean_head import ClassMeanHead, class_sums
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.datamodule import FaceDataModule
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.models import load_face_model
from facegeom_lit.models.embed import embed
from facegeom_lit.models.heads.arcface import ArcFace
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.objectives.invariance import Invariance

MODEL = Path(__file__).parents[2] / "data" / "models" / "mobilefacenet"


def module_of(faces: FaceSet) -> FineTuneModule:
    torch.manual_seed(0)
    model = load_face_model(MODEL)
    head = ArcFace(model.card.dimension, len(faces.classes))
    sgd = partial(torch.optim.SGD, lr=0.0)
    return FineTuneModule(
        model, head, Invariance(), sgd, {}, lr=1e-12, head_lr=1e-12, head_warmup_epochs=0
    )


def slow_means(faces: FaceSet, embeddings: Tensor, images: int) -> Tensor:
    """Plain loops over people and their evenly spread images."""
    means = []
    for name in faces.classes:
        rows = [row for row, who in enumerate(faces.identities) if who == name]
        count = min(images, len(rows))
        picked = [rows[round(i * (len(rows) - 1) / max(count - 1, 1))] for i in range(count)]
        means.append(sum(F.normalize(embeddings[row], dim=0) for row in picked))
    return torch.stack(means)


def fit(faces: FaceSet, folder: Path, images: int, accumulate: int = 1) -> FineTuneModule:
    module = module_of(faces)
    data = FaceDataModule(faces, identities_per_batch=2, images_per_identity=2)
    L.Trainer(
        max_steps=1,
        accumulate_grad_batches=accumulate,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        limit_val_batches=0,
        default_root_dir=folder,
        callbacks=[ClassMeanHead(images)],
    ).fit(module, data)
    return module


@pytest.mark.parametrize("images", [1, 3, 100])
def test_centres_are_the_mean_embeddings(faces: FaceSet, images: int) -> None:
    module = module_of(faces)
    wanted = slow_means(faces, embed(module.model, faces), images)
    torch.testing.assert_close(class_sums(module, faces, images), wanted, rtol=1e-4, atol=1e-5)


def test_sums_of_shares_add_up(faces: FaceSet) -> None:
    module = module_of(faces)
    parts = [class_sums(module, faces, 2, share=(rank, 3)) for rank in range(3)]
    torch.testing.assert_close(
        torch.stack(parts).sum(0), class_sums(module, faces, 2), rtol=1e-4, atol=1e-5
    )


def test_training_begins_at_the_centres_and_says_so(
    faces: FaceSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = fit(faces, tmp_path, images=2)
    wanted = F.normalize(class_sums(module, faces, 2))
    torch.testing.assert_close(module.head.centers.data, wanted, rtol=1e-4, atol=1e-4)
    said = capsys.readouterr().out
    assert "centres at class means (2 images a person)" in said
    assert "a guess among 8 people would give 2.08" in said


def test_the_first_loss_is_that_of_a_batch_however_many_make_a_step(
    faces: FaceSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for accumulate in (1, 2):
        fit(faces, tmp_path, images=2, accumulate=accumulate)
        said.append(capsys.readouterr().out.partition("first loss ")[2].split()[0])
    assert said[0] == said[1]


def test_random_centres_stay(
    faces: FaceSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = fit(faces, tmp_path, images=0)
    torch.testing.assert_close(module.head.centers.data, module_of(faces).head.centers.data)
    assert "random centres" in capsys.readouterr().out


def test_negative_count() -> None:
    with pytest.raises(FaceGeomError, match="images must be 0 or more"):
        ClassMeanHead(-1)
