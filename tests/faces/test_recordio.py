from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from faces.pictures import picture
from hypothesis import given
from hypothesis import strategies as st
from reference.recordio import image_record as reference_image_record
from reference.recordio import mxface_dataset, records
from torch.utils.data import DataLoader

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode, encode
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_csv
from facegeom_lit.faces.images import ImagesInMemory
from facegeom_lit.faces.record_file import RecordFile
from facegeom_lit.faces.recordio import RecordImages, read_recordio
from facegeom_lit.faces.recordio_writer import image_record, write_record, write_recordio
from facegeom_lit.files import new_folder

MAGIC = b"\x0a\x23\xd7\xce"
ROOT = Path(__file__).resolve().parents[2]


def face_set(count: int = 12, each: int = 4, size: int = 112) -> FaceSet:
    """Faces in an order that mixes people, as JPEG and PNG."""
    kinds = ("jpeg", "png")
    images = [encode(picture(i, size), kinds[i % 2], 95) for i in range(count)]  # type: ignore[arg-type]
    people = -(-count // each)
    return FaceSet.from_store(
        ImagesInMemory(images),
        np.arange(count) % people,
        [f"person {i}" for i in range(people)],
        Path("memory"),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_recordio(face_set(), tmp_path / "set")
    return tmp_path / "set"


def plain_file(
    folder: Path, labels: list[float], images: list[bytes] | None = None, index: bool = True
) -> Path:
    """Write a `.rec` file as im2rec does: no header record."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    with (folder / "train.rec").open("wb") as file:
        for key, label in enumerate(labels):
            image = images[key] if images else encode(picture(key), "jpeg", 95)
            lines.append(f"{key}\t{file.tell()}\n")
            write_record(file, image_record(key, label, image))
    if index:
        (folder / "train.idx").write_text("".join(lines))
    return folder


pieces = st.one_of(st.binary(max_size=9), st.just(MAGIC), st.just(MAGIC[:3]))


@given(st.lists(st.lists(pieces, max_size=6).map(b"".join), min_size=1, max_size=6))
def test_framing(payloads: list[bytes]) -> None:
    file = BytesIO()
    starts = []
    for payload in payloads:
        starts.append(file.tell())
        write_record(file, payload)
    data = file.getvalue()
    assert len(data) % 4 == 0
    assert records(data) == payloads
    for at in range(0, len(data), 4):  # the magic number marks starts of parts and nothing else
        if data[at : at + 4] == MAGIC:
            word = struct.unpack_from("<I", data, at + 4)[0]
            assert at + 8 + word % 2**29 <= len(data)
    records_on_disk = RecordFile(Path("memory"))
    records_on_disk._map = data  # type: ignore[assignment]
    assert [records_on_disk.payload(start) for start in starts] == payloads
    assert [records_on_disk.end(start) for start in starts] == [*starts[1:], len(data)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**24),
            st.sampled_from([0, 1, 2, 237]),
            st.lists(pieces, min_size=1, max_size=6).map(b"".join).filter(len),
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_any_image_bytes_survive(
    tmp_path_factory: pytest.TempPathFactory, content: list[tuple[int, int, bytes]], index: bool
) -> None:
    path = tmp_path_factory.mktemp("rec") / "train.rec"
    lines = []
    with path.open("wb") as file:
        for key, (label, count, image) in enumerate(content):
            lines.append(f"{key}\t{file.tell()}\n")
            many = np.array([label, *[-1.0] * (count - 1)], np.float32)
            write_record(file, image_record(key, many if count else float(label), image))
    if index:
        path.with_suffix(".idx").write_text("".join(lines))
    faces = read_recordio(path)
    expected = [reference_image_record(payload) for payload in records(path.read_bytes())]
    assert [faces.encoded(row) for row in range(len(faces))] == [image for _, _, image in expected]
    assert [int(name) for name in faces.identities] == [int(labels[0]) for labels, _, _ in expected]


def test_round_trip(folder: Path) -> None:
    original, faces = face_set(), read_recordio(folder)
    assert faces.classes == ["0", "1", "2"]
    assert faces.labels.tolist() == sorted(original.labels.tolist())
    order = original.labels.argsort(stable=True).tolist()
    for row, before in enumerate(order):
        assert faces.encoded(row) == original.encoded(before)
        np.testing.assert_array_equal(faces.image(row), original.image(before))
    assert (folder / "property").read_text() == "3,112,112\n"
    listed = [line.split("\t") for line in (folder / "train.lst").read_text().splitlines()]
    assert [line[1].split("/")[0] for line in listed] == sorted(original.identities)
    assert [int(line[2]) for line in listed] == faces.labels.tolist()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["set"]


def test_others_read_what_is_written(folder: Path) -> None:
    faces = read_recordio(folder)
    theirs = mxface_dataset((folder / "train.rec").read_bytes(), (folder / "train.idx").read_text())
    assert [label for label, _ in theirs] == faces.labels.tolist()
    assert [image for _, image in theirs] == [faces.encoded(row) for row in range(len(faces))]
    written = [reference_image_record(p) for p in records((folder / "train.rec").read_bytes())]
    assert [number for _, number, _ in written] == [*range(1, 13), 0, 13, 14, 15]
    assert [labels for labels, _, image in written if not image] == [
        [13, 16],
        [1, 5],
        [5, 9],
        [9, 13],
    ]


def test_with_and_without_index_and_header(folder: Path, tmp_path: Path) -> None:
    faces = read_recordio(folder)
    encoded = [faces.encoded(row) for row in range(len(faces))]
    (folder / "train.idx").unlink()
    (folder / "train.lst").unlink()
    scanned = read_recordio(folder / "train.rec")
    (folder / "property").unlink()
    bare = read_recordio(folder)
    plain = read_recordio(plain_file(tmp_path / "plain", faces.labels.tolist(), encoded))
    for other in (scanned, bare, plain):
        assert other.labels.tolist() == faces.labels.tolist()
        assert [other.encoded(row) for row in range(len(other))] == encoded


def test_labels_with_gaps_keep_their_numbers(tmp_path: Path) -> None:
    faces = read_recordio(plain_file(tmp_path / "plain", [10, 2, 10]))
    assert faces.identities == ["10", "02", "10"]
    assert faces.labels.tolist() == [1, 0, 1]


def test_an_image_that_holds_the_magic_number(tmp_path: Path) -> None:
    jpeg = encode(picture(0), "jpeg", 95)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 42) + 2 * b"x" + 10 * MAGIC
    image = jpeg[:2] + comment + jpeg[2:]
    folder = plain_file(tmp_path / "plain", [0, 0], [image, jpeg])
    kinds = {struct.unpack_from("<I", (folder / "train.rec").read_bytes(), 4)[0] >> 29}
    assert kinds == {1}
    faces = read_recordio(folder)
    assert faces.encoded(0) == image
    np.testing.assert_array_equal(faces.image(0), faces.image(1))


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers(folder: Path, start: str) -> None:
    faces = read_recordio(folder)
    faces.image(3)  # the file is open before the fork
    images = [torch.from_numpy(faces.image(row)).permute(2, 0, 1) for row in range(len(faces))]
    expected = torch.stack(images)
    loader = DataLoader(
        FaceDataset(faces, cache_mib=0), 5, num_workers=2, multiprocessing_context=start
    )
    batches = list(loader)
    assert torch.equal(torch.cat([batch["image"] for batch in batches]), expected)
    assert torch.cat([batch["label"] for batch in batches]).tolist() == faces.labels.tolist()


def test_other_formats_are_stored_as_png(tmp_path: Path) -> None:
    images = [encode(picture(0), "webp", 1), b"P6 112 112 255\n" + picture(1).tobytes()]
    faces = FaceSet.from_store(ImagesInMemory(images), np.zeros(2, int), ["ada"], Path("memory"))
    write_recordio(faces, tmp_path / "set")
    written = read_recordio(tmp_path / "set")
    for row in range(2):
        assert written.encoded(row).startswith(b"\x89PNG")
        np.testing.assert_array_equal(written.image(row), faces.image(row))


def test_writer_refuses(tmp_path: Path, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FaceGeomError, match=r"set exists already\. Choose a new folder"):
        write_recordio(face_set(), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    good, small = encode(picture(0), "png", 95), encode(picture(0, 96), "png", 95)

    def faces(*images: bytes, name: str = "ada") -> FaceSet:
        labels = np.zeros(len(images), int)
        return FaceSet.from_store(ImagesInMemory(images), labels, [name], Path("memory"))

    new = tmp_path / "new"
    for given_faces, message in (
        (faces(good, small), r"row 1 of memory has 96×96 pixels, images before it 112×112"),
        (faces(good, good[:5000]), r"row 1 of memory is not a readable image"),
        (faces(good, name="../ada"), r"'\.\./ada' is no name of a folder"),
    ):
        with pytest.raises(FaceGeomError, match=message):
            write_recordio(given_faces, new)
        assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.slow
def test_writer_can_be_killed(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path[:0] = ['tests']\n"
        "from faces.test_recordio import face_set\n"
        "from facegeom_lit.faces.recordio_writer import write_recordio\n"
        f"write_recordio(face_set(4000, 4), {str(tmp_path / 'set')!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    part = tmp_path / f".set.{process.pid}.part"
    while not ((part / "train.rec").is_file() and (part / "train.rec").stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "set").exists()
    write_recordio(face_set(), tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]  # the leftover is gone too
    assert len(read_recordio(tmp_path / "set")) == 12


def test_new_folder_replaces_nothing(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a") as aside:
        (aside / "x").write_text("1")
    with pytest.raises(FaceGeomError, match="a exists already"), new_folder(tmp_path / "a"):
        pass
    assert (tmp_path / "a" / "x").read_text() == "1"


def test_records_in_parts_deep_in_the_header(tmp_path: Path) -> None:
    """The magic number may stand in the label or the id of a record."""
    path = tmp_path / "train.rec"
    number = struct.unpack("<I", MAGIC)[0]
    with path.open("wb") as file:
        write_record(file, image_record(number, 3.0, b"image"))
        write_record(file, image_record(number << 32 | 1, np.array([5, 1], np.float32), MAGIC))
    faces = read_recordio(path)
    assert [faces.encoded(row) for row in range(2)] == [b"image", MAGIC]
    assert faces.identities == ["3", "5"]


def test_real_crops_keep_their_pixels(real_data: Path, tmp_path: Path) -> None:
    yale = real_data / "faces" / "yale_b"
    faces = read_csv(yale / "crops112", yale / "labels.csv", verify=False)
    faces = faces.select(range(0, len(faces), 40))
    write_recordio(faces, tmp_path / "yale")
    written = read_recordio(tmp_path / "yale")
    assert written.labels.tolist() == sorted(faces.labels.tolist())
    for row, before in enumerate(faces.labels.argsort(stable=True).tolist()):
        np.testing.assert_array_equal(written.image(row), faces.image(before))


def test_a_store_is_what_it_says(folder: Path) -> None:
    faces = read_recordio(folder)
    store = faces._images
    assert isinstance(store, RecordImages)
    np.testing.assert_array_equal(decode(store.read(5), "x"), faces.image(5))
