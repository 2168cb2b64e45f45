from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faces.pictures import picture

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import encode
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.images import ImagesInMemory
from facegeom_lit.faces.parquet import read_parquet, write_parquet

IMAGES = [encode(picture(i, 8), "png", 95) for i in range(6)]
STRUCTS = [{"bytes": image, "path": None} for image in IMAGES]


def table(metadata: dict[str, Any] | None = None, **columns: Any) -> pa.Table:
    made = pa.table(columns)
    text = {"huggingface": json.dumps(metadata)} if metadata else None
    return made.replace_schema_metadata(text)


def write(folder: Path, made: pa.Table, kind: str = "parquet", parts: int = 2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    step = len(made) // parts
    for part in range(parts):
        rows = made.slice(part * step, step)
        path = folder / f"train-{part:05d}.{kind}"
        if kind == "parquet":
            pq.write_table(rows, path, row_group_size=2)
            continue
        new = pa.ipc.new_stream if part % 2 else pa.ipc.new_file
        with new(path, made.schema) as writer:
            writer.write_table(rows, max_chunksize=2)
    return folder


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("image", [IMAGES, STRUCTS], ids=["bytes", "structs"])
def test_read(tmp_path: Path, kind: str, image: list[Any]) -> None:
    names = {"names": ["zoe", "ada", "eve"], "_type": "ClassLabel"}
    features = {"info": {"features": {"label": names}}}
    folder = write(tmp_path, table(features, image=image, label=[0, 1, 1, 0, 0, 1]), kind)
    faces = pickle.loads(pickle.dumps(read_parquet(folder)))
    assert faces.classes == ["ada", "zoe"]
    assert faces.identities == ["zoe", "ada", "ada", "zoe", "zoe", "ada"]
    for row in (5, 0, 3, 2, 1, 4):
        np.testing.assert_array_equal(faces.image(row), picture(row, 8))
    one = read_parquet(sorted(folder.iterdir())[1])
    np.testing.assert_array_equal(one.image(0), picture(3, 8))


def test_columns_of_other_names(tmp_path: Path) -> None:
    made = table(crop=IMAGES, who=["b", "a", "b", "a", "a", "a"], count=[10, 2, 2, 3, 3, 3])
    folder = write(tmp_path, made)
    with pytest.raises(
        FaceGeomError,
        match=r"no image column called image, .* It has: crop \(binary\), who \(string\), count "
        r"\(int64\)\. Name the column with image=…",
    ):
        read_parquet(folder)
    with pytest.raises(FaceGeomError, match="no identity column called identity, label"):
        read_parquet(folder, image="crop")
    with pytest.raises(FaceGeomError, match="no identity column called 'crop' that holds text"):
        read_parquet(folder, image="crop", identity="crop")
    assert read_parquet(folder, image="crop", identity="who").classes == ["a", "b"]
    assert read_parquet(folder, image="crop", identity="count").classes == ["02", "03", "10"]


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="nowhere is no Parquet or Arrow file"):
        read_parquet(tmp_path / "nowhere")
    for kind in ("parquet", "arrow"):
        (tmp_path / f"x.{kind}").write_bytes(b"garbage" * 100)
        with pytest.raises(FaceGeomError, match=rf"x\.{kind} is"):
            read_parquet(tmp_path / f"x.{kind}")
    path = write(tmp_path / "a", table(image=IMAGES, identity=["a", None, "a", "a", "a", "a"]))
    with pytest.raises(FaceGeomError, match="1 of 6 rows have no 'identity'"):
        read_parquet(path)
    path = write(tmp_path / "e", table(image=IMAGES, identity=["a", "", "a", "a", "a", "a"]))
    with pytest.raises(FaceGeomError, match="rows have an empty 'identity'"):
        read_parquet(path)
    path = write(tmp_path / "n", table(image=IMAGES, label=[0, 0, 1, 1, -1, -1]))
    with pytest.raises(FaceGeomError, match="'label' holds -1, which is nobody's number"):
        read_parquet(path)
    holes = [*STRUCTS[:4], {"bytes": None, "path": "a.png"}, STRUCTS[5]]
    faces = read_parquet(write(tmp_path / "b", table(image=holes, identity=list("aabbbb"))))
    with pytest.raises(
        FaceGeomError, match=r"train-00001\.parquet, row 1: no image under 'image\.b"
    ):
        faces.image(4)
    names = {"info": {"features": {"label": {"names": ["zoe"]}}}}
    path = write(tmp_path / "c", table(names, image=IMAGES, label=[0, 1, 0, 0, 0, 0]))
    with pytest.raises(FaceGeomError, match="'label' holds 0 … 1, but the file names 1 people"):
        read_parquet(path)
    pq.write_table(table(image=IMAGES, label=list("aabbbb")), path / "other.parquet")
    with pytest.raises(FaceGeomError, match=r"train-00000\.parquet has other columns than .*other"):
        read_parquet(path)


def test_write(tmp_path: Path) -> None:
    rows = [
        {"identity": f"p{i % 2}", "path": f"{i}.png", "age": 20.0 + i if i else None}
        for i in range(6)
    ]
    for i, image in enumerate(IMAGES):
        (tmp_path / f"{i}.png").write_bytes(image)
    faces = FaceSet.from_rows(rows, ["age"], folder=tmp_path, card={"source": "mine"})
    write_parquet(faces, tmp_path / "set")
    written = FaceSet.open(tmp_path / "set", verify=True)
    assert written.hash == faces.hash
    assert written.identities == faces.identities
    assert written.attribute("age").tolist()[1:] == faces.attribute("age").tolist()[1:]
    assert [written.encoded(row) for row in range(6)] == IMAGES


def test_a_broken_image_is_not_written(tmp_path: Path) -> None:
    images = [*IMAGES[:2], IMAGES[2][:-30]]
    store = ImagesInMemory(images)
    faces = FaceSet.from_store(store, np.zeros(3, np.int64), ["ada"], Path("memory"))
    with pytest.raises(FaceGeomError, match="row 2 of memory is not a readable image"):
        write_parquet(faces, tmp_path / "set")
    assert not list(tmp_path.iterdir())
