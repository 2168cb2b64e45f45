from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from faces.pictures import picture

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode, encode
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.schema import write_shard
from facegeom_lit.files import read_json, write_json

MakeSet = Callable[..., FaceSet]


def test_columns_and_images(make_set: MakeSet) -> None:
    faces = make_set(12)
    assert len(faces) == 12
    assert faces.classes == ["p0", "p1", "p2"]
    assert faces.identities[4] == "p1"
    assert faces.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert faces.attributes == ("age",)
    age = faces.attribute("age")
    assert age.dtype == torch.float32
    assert age.isnan().tolist() == [i % 3 == 0 for i in range(12)]
    assert age[4] == 24.0
    for row in (11, 0, 5, 4):
        np.testing.assert_array_equal(faces.image(row), picture(row, 8))


def test_many_row_groups(make_set: MakeSet) -> None:
    faces = make_set(150, shard_rows=70)
    for row in (149, 0, 69, 70, 101, 102, 33):
        np.testing.assert_array_equal(faces.image(row), picture(row, 8))


def test_selection(make_set: MakeSet) -> None:
    faces = make_set(12)
    some = faces.select(torch.tensor([7, 2])).select([1, 0])
    assert some.identities == ["p0", "p1"]
    np.testing.assert_array_equal(some.image(1), picture(7, 8))
    test = faces.where(split="test", identities=["p1"])
    assert [int(s) for s in test.table["seed"].to_pylist()] == [4, 6]
    with pytest.raises(FaceGeomError, match=r"no split 'tset'\. It has: 'test', 'train'"):
        faces.where(split="tset")
    with pytest.raises(FaceGeomError, match="no identity p9"):
        faces.where(identities=["p9"])
    with pytest.raises(FaceGeomError, match=r"no attribute 'hue'\. It has: age"):
        faces.attribute("hue")


def test_hash_depends_on_content_alone(make_set: MakeSet, tmp_path: Path) -> None:
    a, b = make_set(12, 5, "a"), make_set(12, 12, "b")
    assert a.hash == b.hash == a.compute_hash()
    assert a.select(range(12)).hash == a.hash
    assert a.select([1, 0]).hash != a.select([0, 1]).hash
    assert make_set(11, 5, "c").hash != a.hash
    for row in range(12):  # the same content as image files
        (tmp_path / f"{row}.png").write_bytes(a.encoded(row))
    rows = [{**r, "path": f"{i}.png"} for i, r in enumerate(a.table.drop("path").to_pylist())]
    assert FaceSet.from_rows(rows, ("age",), folder=tmp_path).hash == a.hash


def test_travels_to_a_worker(make_set: MakeSet) -> None:
    faces = make_set(12)
    faces.image(0)
    copy = pickle.loads(pickle.dumps(faces))
    np.testing.assert_array_equal(copy.image(9), picture(9, 8))


def test_open_names_what_is_wrong(make_set: MakeSet, tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"no card\.json"):
        FaceSet.open(tmp_path)
    folder = tmp_path / "set"
    make_set(12)
    card = read_json(folder / "card.json")
    write_json(folder / "card.json", {**card, "complete": False})
    with pytest.raises(FaceGeomError, match="not complete"):
        FaceSet.open(folder)
    write_json(folder / "card.json", {**card, "hash": "0" * 64})
    with pytest.raises(FaceGeomError, match="its card says 000000000000"):
        FaceSet.open(folder, verify=True)
    (folder / "shard-00001.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(FaceGeomError, match=r"shard-00001\.parquet is damaged"):
        FaceSet.open(folder)
    (folder / "shard-00001.parquet").unlink()
    with pytest.raises(FaceGeomError, match="7 rows in 2 shards, but 12 belong"):
        FaceSet.open(folder)


def test_unreadable_images_are_named(make_folder: Callable[..., Path]) -> None:
    folder = make_folder({"ada": 2})
    faces = FaceSet.from_rows(
        [{"identity": "ada", "path": p} for p in ("ada/0.png", "ada/9.png")], folder=folder
    )
    faces.image(0)
    with pytest.raises(FaceGeomError, match=r"Cannot read .*ada/9\.png: No such file"):
        faces.image(1)
    (folder / "ada/0.png").write_bytes((folder / "ada/0.png").read_bytes()[:3000])
    with pytest.raises(FaceGeomError, match=r"ada/0\.png is not a readable image"):
        faces.image(0)


def test_decode_refuses_sixteen_bits() -> None:
    pgm = b"P5 2 2 65535\n" + bytes(8)
    with pytest.raises(FaceGeomError, match="deep holds more than 8 bits"):
        decode(pgm, "deep")


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_lossless_formats(image_format: str) -> None:
    image = picture(3)
    data = encode(image, image_format, 1)  # type: ignore[arg-type]
    assert data == encode(image, image_format, 1)  # type: ignore[arg-type]
    np.testing.assert_array_equal(decode(data, "x"), image)


def test_a_failed_write_damages_nothing(
    make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = make_set(12)
    shard = tmp_path / "set" / "shard-00000.parquet"
    before = shard.read_bytes()

    def full(*args: object, **kwargs: object) -> None:
        args[1].write_bytes(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facegeom_lit.faces.schema.pq.write_table", full)
    with pytest.raises(FaceGeomError, match=r"shard-00000.parquet: No space left on device\. Free"):
        write_shard(shard, [{"identity": "x", "image": b""}], ())
    assert shard.read_bytes() == before
    assert sorted(p.name for p in shard.parent.iterdir()) == [
        "card.json",
        *(f"shard-0000{i}.parquet" for i in range(3)),
    ]
    assert FaceSet.open(tmp_path / "set", verify=True).hash == faces.hash
