from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.datamodule import FaceDataModule
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_folder
from facegeom_lit.faces.keys import ATTRIBUTE, IMAGE, INDEX, LABEL
from facegeom_lit.faces.transforms import Chain, MirrorFlip, MoveImageAttribute

MakeFolder = Callable[..., Path]


def add(image: np.ndarray, value: float, seed: int) -> np.ndarray:
    return (image // 2 + int(value)).astype(np.uint8)


JITTER = Chain(MirrorFlip(), MoveImageAttribute(add, 0, 100))


@pytest.fixture
def faces(make_folder: MakeFolder) -> FaceSet:
    return read_folder(make_folder({f"p{i}": 4 for i in range(6)}))


class Spy(lightning.LightningModule):
    """Notes what it is given, epoch by epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.trained: list[tuple[int, list[int], float]] = []
        self.judged: list[tuple[int, list[int]]] = []

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        total = float(batch[IMAGE].sum())
        self.trained.append((self.current_epoch, batch[INDEX].tolist(), total))
        return self.weight * 1.0

    def validation_step(
        self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.judged.append((dataloader_idx, batch[INDEX].tolist()))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(faces: FaceSet, epochs: int, workers: int = 0, **options: Any) -> Spy:
    spy = Spy()
    data = FaceDataModule(
        faces,
        {"b": faces.select([3, 1]), "a": faces},
        identities_per_batch=3,
        images_per_identity=2,
        evaluation_batch_size=16,
        transform=JITTER,
        workers=workers,
    )
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **options,
    )
    trainer.fit(spy, datamodule=data)
    return spy


def test_batch(faces: FaceSet) -> None:
    batch = next(iter(FaceDataModule(faces, identities_per_batch=2).train_dataloader()))
    assert batch[IMAGE].shape == (8, 3, 112, 112)
    assert batch[IMAGE].dtype == torch.uint8
    assert batch[LABEL].dtype == batch[INDEX].dtype == torch.int64
    assert torch.equal(batch[LABEL], faces.labels[batch[INDEX]])
    assert batch[ATTRIBUTE].dtype == torch.float32
    assert batch[ATTRIBUTE].isnan().all()
    row = int(batch[INDEX][3])
    np.testing.assert_array_equal(batch[IMAGE][3].permute(1, 2, 0), faces.image(row))


def test_lightning_tells_each_epoch(faces: FaceSet) -> None:
    spy = fit(faces, 3)
    orders = [[rows for epoch, rows, _ in spy.trained if epoch == e] for e in range(3)]
    assert [len(order) for order in orders] == [4, 4, 4]
    assert orders[0] != orders[1] != orders[2]
    assert spy.judged[:3] == [(0, [0, 1]), (1, list(range(16))), (1, list(range(16, 24)))]
    assert fit(faces, 3).trained == spy.trained


@pytest.mark.slow
def test_workers_change_nothing(faces: FaceSet) -> None:
    assert fit(faces, 2, workers=2).trained == fit(faces, 2).trained


def test_names_keep_their_order(faces: FaceSet) -> None:
    data = FaceDataModule(None, {"b": faces, "a": faces})
    assert data.evaluation_names == ["b", "a"]
    with pytest.raises(FaceGeomError, match="no training set"):
        data.train_dataloader()


def test_identity_with_one_image(make_folder: MakeFolder) -> None:
    faces = read_folder(make_folder({"ada": 4, "eve": 1}))
    with pytest.raises(FaceGeomError, match="'eve' has one image"):
        FaceDataModule(faces).train_dataloader()


def test_transforms_follow_seed_epoch_and_row(faces: FaceSet) -> None:
    def drawn(seed: int, epoch: int, cache: int) -> list[float]:
        dataset = FaceDataset(faces, JITTER, seed=seed, cache_mib=cache)
        dataset.set_epoch(epoch)
        return [float(dataset[row][ATTRIBUTE]) for row in (5, 2, 5)]

    first = drawn(0, 0, 0)
    assert first[0] == first[2] != first[1]
    assert drawn(0, 0, 100) == first
    assert drawn(1, 0, 0) != first != drawn(0, 1, 0)


def test_cache_gives_the_same_images(faces: FaceSet) -> None:
    cached, plain = FaceDataset(faces), FaceDataset(faces, cache_mib=0)
    for row in (0, 7, 0):
        assert torch.equal(cached[row][IMAGE], plain[row][IMAGE])
    assert cached._cached.sum() == 2
    assert plain._cache is None


def test_mirror_turns_the_sign() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)
    generator = np.random.default_rng(0)
    flipped, value = MirrorFlip(1.0, signed=True)(image, 30.0, generator)
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    assert value == -30.0
    assert MirrorFlip(0.0)(image, 30.0, generator)[1] == 30.0
    with pytest.raises(FaceGeomError, match=r"must lie in \[0, 1\]"):
        MirrorFlip(2.0)


def test_wrong_size_is_named(make_folder: MakeFolder) -> None:
    faces = read_folder(make_folder({"ada": 2}, size=96), verify=False)
    with pytest.raises(FaceGeomError, match=r"ada/1\.png has 96×96 pixels"):
        FaceDataset(faces)[1]


@pytest.mark.slow
def test_two_processes_share_an_epoch(tmp_path: Path, faces: FaceSet) -> None:
    import torch.multiprocessing as multiprocessing

    context = multiprocessing.spawn(_one_of_two, (faces, tmp_path), nprocs=2, join=False)
    assert any(context.join(timeout=30) for _ in range(6))  # true once both have ended
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    assert [len(part["trained"]) for part in found] == [4, 4]  # 2 epochs of 2 batches
    first = [set(part["trained"][0]) | set(part["trained"][1]) for part in found]
    assert not first[0] & first[1]
    assert first[0] | first[1] == set(range(24))
    judged = [
        {row for loader, rows in part["judged"] if loader == 1 for row in rows} for part in found
    ]
    assert judged[0] | judged[1] == set(range(24))


def _one_of_two(rank: int, faces: FaceSet, folder: Path) -> None:
    import os

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"}
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}
    os.environ |= {"GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "test", "LOCAL_WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    spy = fit(faces, 2, devices=2, strategy="ddp")
    trained = [rows for _, rows, _ in spy.trained]
    torch.save({"trained": trained, "judged": spy.judged}, folder / f"{rank}.pt")
