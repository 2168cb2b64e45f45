from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faces.pictures import picture, rows_of

from facegeom_lit.faces.codec import encode
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.schema import shard_name, write_shard
from facegeom_lit.files import write_json

MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write `{identity: images}` as a folder of identity sub-folders."""

    def make(counts: dict[str, int], size: int = 112) -> Path:
        seed = 0
        for name, count in counts.items():
            (tmp_path / "faces" / name).mkdir(parents=True)
            for image in range(count):
                seed += 1
                data = encode(picture(seed, size), "png", 95)
                (tmp_path / "faces" / name / f"{image}.png").write_bytes(data)
        return tmp_path / "faces"

    return make


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., FaceSet]:
    """Write a face set of `count` rows in shards of `shard_rows`."""

    def make(count: int = 12, shard_rows: int = 5, name: str = "set", size: int = 8) -> FaceSet:
        folder = tmp_path / name
        rows = rows_of(count, size)
        for start in range(0, count, shard_rows):
            part = rows[start : start + shard_rows]
            write_shard(folder / shard_name(start // shard_rows), part, ("age",))
        card = {"complete": True, "rows": count}
        faces = FaceSet.from_shards(folder, card)
        write_json(folder / "card.json", {**card, "hash": faces.compute_hash()})
        return FaceSet.open(folder, verify=True)

    return make
