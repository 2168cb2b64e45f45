"""Two processes that each hold half of the data must agree with one that holds all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed
import torch.multiprocessing

from facegeom_lit.metrics import (
    AlignmentMetric,
    AttributeEnergy,
    AttributeInteraction,
    AttributeMacroscale,
    VerificationMetrics,
)
from tests.geometry.alignment.test_affine import pairs
from tests.geometry.test_identity_bootstrap import people
from tests.geometry.test_lattice_people import lattice


def measure(part: slice) -> dict[str, float]:
    embeddings, curves, identity = lattice(4, 12, attributes=("age",))
    energy = AttributeEnergy(neighborhood="knn", null_permutations=3)
    energy.update(embeddings[curves["age"][part]], identity["age"][part])
    nodes = embeddings.view(48, 3, -1)
    interaction = AttributeInteraction(["age", "pose"])
    interaction.update(torch.cat([nodes, nodes[:, 1:].flip(1)], dim=1)[part], identity["age"][part])
    faces, labels = people(1.0)
    verification = VerificationMetrics(fars=[0.1])
    verification.update(faces[part], labels[part])
    macroscale = AttributeMacroscale(["half", "share"], draws=2)
    values_of = torch.stack([labels % 2, torch.arange(180) % 7], dim=1)
    macroscale.update(faces[part], labels[part], values_of[part])
    source, target = pairs()
    alignment = AlignmentMetric(8, 6)
    alignment.update(source[part], target[part], torch.arange(200)[part])
    values = {f"energy/{k}": float(v) for k, v in energy.compute().items()}
    values |= {f"verify/{k}": float(v) for k, v in verification.compute().items()}
    values |= {f"macroscale/{k}": float(v) for k, v in macroscale.compute().items()}
    values |= {"interaction": float(interaction.compute()[0, 1])}
    values |= {"align": float(alignment.compute())}
    with alignment.sync_context():
        fitted = alignment.map()
    return values | {"align/ridge": fitted.ridge, "align/matrix": float(fitted.matrix.norm())}


def process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    # Every second row, so that both hold part of each identity.
    torch.save(measure(slice(rank, None, 2)), f"{folder}/rank{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    expected = measure(slice(None))
    torch.multiprocessing.spawn(process, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        measured = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        assert measured == pytest.approx(expected, abs=1e-6)
