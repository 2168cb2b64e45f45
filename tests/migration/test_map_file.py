from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from migration import migration_cases as cases
from safetensors import safe_open
from safetensors.torch import save_file

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.migration.map_file import KEY, load_map, map_hash, save_map
from facegeom_lit.migration.migration_map import MigrationMap


def test_what_is_written_is_read_and_bytes_repeat(migration: MigrationMap, tmp_path: Path) -> None:
    digest = save_map(tmp_path / "a.safetensors", migration)
    found = load_map(tmp_path / "a.safetensors")
    assert found.card == migration.card
    assert found.people == migration.people
    assert len(found.people) == 60
    points = cases.pairs(seed=5).old
    assert torch.equal(found(points), migration(points))
    assert found.profile.read(points) == migration.profile.read(points)
    assert map_hash(found) == map_hash(migration)
    assert save_map(tmp_path / "b.safetensors", cases.migration()) == digest
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    with pytest.raises(FaceGeomError, match=r"must end in \.safetensors"):
        save_map(tmp_path / "map.npz", migration)


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    with safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()[KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(card, tensors)
    save_file(tensors, path, metadata={KEY: json.dumps(card)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card, _: card.update(format_version=9), "format version 9"),
        (lambda card, _: card.pop("expected"), "its card is damaged"),
        (lambda card, _: card.update(old=3), "its card is damaged"),
        (lambda card, _: card["old"].update(distance="x"), "its card is damaged"),
        (lambda card, _: card["lost"]["mapped"].update(rank1={"value": "x"}), "'x' is no number"),
        (lambda card, _: card.update(ridge="x"), "ridge is 'x'"),
        (lambda card, _: card["old"].update(dimension=39), "'matrix' must be .* as its card says"),
        (lambda _, tensors: tensors.pop("mean"), "'mean' must be .* but there is none"),
        (lambda card, _: card["lost"]["mapped"].pop("rank1"), "its card is damaged"),
        (lambda card, _: card["curve"].update(steps=[]), "steps are"),
        (lambda card, _: card["held_out"].update(axes=None), "axes is None"),
        (lambda _, tensors: tensors["matrix"][0].add_(1), "not as it was written"),
        (lambda _, tensors: tensors["matrix"].fill_(torch.nan), "'matrix' holds NaN"),
        (lambda _, t: t.update(matrix=t["matrix"].double()), "'matrix' must be torch.float32"),
    ],
)
def test_a_damaged_map_is_refused(
    migration: MigrationMap, tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "map.safetensors"
    save_map(path, migration)
    rewritten(path, change)
    with pytest.raises(FaceGeomError, match=message):
        load_map(path)


def test_what_is_no_map_is_refused(migration: MigrationMap, tmp_path: Path) -> None:
    path = tmp_path / "map.safetensors"
    with pytest.raises(FaceGeomError, match="does not exist"):
        load_map(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(FaceGeomError, match="but no map"):
        load_map(path)
    save_file({"x": torch.zeros(1)}, path, metadata={KEY: "[" * 9999})
    with pytest.raises(FaceGeomError, match="no JSON object"):
        load_map(path)
    save_map(path, migration)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(FaceGeomError, match="is damaged"):
        load_map(path)
