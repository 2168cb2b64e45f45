"""Training sets and tables of images: RecordIO, Parquet, Arrow and face sets of our own."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hostile.cases import Build, Source, add, hostile
from hostile.pictures import PICTURES, PNG

from facegeom_lit.faces.folder import read_folder
from facegeom_lit.faces.parquet import write_parquet
from facegeom_lit.faces.recordio_writer import write_recordio

Damage = Callable[[Path], object]


def people(folder: Path) -> Path:
    """Two people with three images each."""
    for person in ("ada", "bob"):
        (folder / "people" / person).mkdir(parents=True)
        for image in range(3):
            (folder / "people" / person / f"{image}.png").write_bytes(PNG)
    return folder / "people"


def record_set(damage: Damage) -> Build:
    """A RecordIO training set, damaged."""

    def build(folder: Path) -> Source:
        write_recordio(read_folder(people(folder)), folder / "rec")
        damage(folder / "rec")
        return folder / "rec"

    return build


def rec(at: int, layout: str, *values: Any, index: bool = False) -> Damage:
    """Write values over the `.rec` file, and remove its index."""

    def damage(folder: Path) -> None:
        data = bytearray((folder / "train.rec").read_bytes())
        struct.pack_into(layout, data, at, *values)
        (folder / "train.rec").write_bytes(data)
        if not index:
            (folder / "train.idx").unlink()

    return damage


def idx(text: str | bytes) -> Damage:
    data = text if isinstance(text, bytes) else text.encode()
    return lambda folder: (folder / "train.idx").write_bytes(data)


def cut(percent: int) -> Damage:
    def damage(folder: Path) -> None:
        data = (folder / "train.rec").read_bytes()
        (folder / "train.rec").write_bytes(data[: len(data) * percent // 100])

    return damage


def many_parts(folder: Path) -> None:
    """A record that begins again and again."""
    (folder / "train.idx").unlink()
    first, middle = (struct.pack("<II", 0xCED7230A, kind << 29) for kind in (1, 2))
    (folder / "train.rec").write_bytes(first + middle * 200_000)


def many_beginnings(folder: Path) -> None:
    (folder / "train.idx").unlink()
    (folder / "train.rec").write_bytes(struct.pack("<II", 0xCED7230A, 1 << 29) * 200_000)


def overlapping(folder: Path) -> None:
    """Two keys within one record."""
    lines = (folder / "train.idx").read_text().splitlines()
    offset = lines[1].split("\t")[1]
    lines[2] = f"{lines[2].split()[0]}\t{int(offset) + 4}"
    (folder / "train.idx").write_text("\n".join(lines) + "\n")


RECORDS: dict[str, Damage] = {
    "length of 2^29 - 1": rec(4, "<I", 2**29 - 1),
    "length of 2^29 - 1 with index": rec(4, "<I", 2**29 - 1, index=True),
    "wrong magic": rec(0, "<I", 0x50504D),
    "label of NaN": rec(12, "<f", float("nan")),
    "label of infinity": rec(12, "<f", float("inf")),
    "huge label": rec(12, "<f", 3e38),
    "labels of 2^32 - 1": rec(8, "<I", 2**32 - 1),
    "kind 7": rec(4, "<I", 7 << 29 | 40),
    "kind of a middle": rec(4, "<I", 2 << 29 | 40),
    "parts without end": many_parts,
    "beginnings alone": many_beginnings,
    "index beyond the end": idx("0\t0\n1\t9999999999999\n"),
    "negative index": idx("0\t0\n1\t-8\n"),
    "index of 2^64": idx(f"0\t0\n1\t{2**64}\n"),
    "index in a circle": idx("0\t0\n1\t0\n2\t0\n"),
    "overlapping index": overlapping,
    "index of a line of 10 MB": idx(b"0" * 10_000_000),
    "index with NUL": idx(b"0\t0\n\0\t8\n"),
    "index in UTF-16": idx("0\t0\n".encode("utf-16")),
    "property of digits": lambda f: (f / "property").write_text("9" * 5000 + ",112,112\n"),
    "property of 10^18 people": lambda f: (f / "property").write_text(f"{10**18},9,9\n"),
    "property of NUL": lambda f: (f / "property").write_bytes(bytes(100)),
    **{f"cut at {percent}%": cut(percent) for percent in (1, 30, 60, 99)},
}
for title, damage in RECORDS.items():
    file = "property" if "property" in title else "train."
    add(f"recordio, {title}", "faces", record_set(damage), file)


def table(write: Callable[[Path], object], name: str = "t.parquet") -> Build:
    def build(folder: Path) -> Source:
        write(folder / name)
        return folder / name

    return build


def parquet(
    columns: dict[str, Any], metadata: dict[bytes, bytes] | None = None, **options: Any
) -> Build:
    content = pa.table(columns).replace_schema_metadata(metadata)
    return table(lambda path: pq.write_table(content, path, **options))


def scribbled(place: float, count: int = 200) -> Build:
    """A Parquet file with bytes changed at one place."""

    def write(path: Path) -> None:
        random = np.random.default_rng(0)
        images = [PNG, *(random.bytes(500) for _ in range(99))]
        pq.write_table(pa.table({"image": images, "identity": ["a"] * 100}), path)
        data = bytearray(path.read_bytes())
        at = int(len(data) * place)
        data[at : at + count] = random.bytes(len(data[at : at + count]))
        path.write_bytes(data)

    return table(write)


def arrow(change: Callable[[bytearray], object], **columns: Any) -> Build:
    """An Arrow file with its bytes changed."""

    def write(path: Path) -> None:
        content = pa.table(columns or {"image": [PNG] * 4, "identity": ["ada", "b", "c", "d"]})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, content.schema) as writer:
            writer.write_table(content)
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)

    return table(write, "t.arrow")


def offsets(values: list[int]) -> Callable[[bytearray], None]:
    """Put other offsets in the place of the images'."""

    def change(data: bytearray) -> None:
        old = struct.pack("<5i", *(number * len(PNG) for number in range(5)))
        at = data.index(old)
        data[at : at + len(old)] = struct.pack("<5i", *values)

    return change


def name_offsets(data: bytearray) -> None:
    at = data.index(struct.pack("<5i", 0, 3, 4, 5, 6))
    data[at : at + 20] = struct.pack("<5i", 0, 2**30, 2**30, 2**30, 2**31 - 1)


def bad_text(data: bytearray) -> None:
    at = data.index(b"adabcd")
    data[at : at + 6] = b"\xff\xfe\xfd\xfc\xfb\xfa"


HUGGING_FACE = b"huggingface"
TABLES: dict[str, Build] = {
    "nested metadata": parquet({"image": [PNG], "label": [0]}, {HUGGING_FACE: b"[" * 100_000}),
    "metadata of a list": parquet({"image": [PNG], "label": [0]}, {HUGGING_FACE: b"[1]"}),
    "metadata of nonsense": parquet({"image": [PNG], "label": [0]}, {HUGGING_FACE: b"\xff{"}),
    "names of a number": parquet(
        {"image": [PNG], "label": [0]},
        {HUGGING_FACE: json.dumps({"info": {"features": {"label": {"names": 7}}}}).encode()},
    ),
    "names of lists": parquet(
        {"image": [PNG], "label": [0]},
        {HUGGING_FACE: json.dumps({"info": {"features": {"label": {"names": [[1]]}}}}).encode()},
    ),
    "images of text": parquet({"image": ["/etc/passwd"], "identity": ["ada"]}),
    "images of nothing": parquet({"image": pa.nulls(2, pa.binary()), "identity": ["a", "b"]}),
    "no identities": parquet({"image": [PNG], "identity": pa.nulls(1, pa.string())}),
    "no rows": parquet({"image": pa.array([], pa.binary()), "identity": pa.array([], pa.string())}),
    "image that unpacks to 300 MB": parquet(
        {"image": [PICTURES["png that unpacks to 300 MB"]], "identity": ["a"]}
    ),
    "column of 128 MB of zeros": parquet(
        {"image": [bytes(1 << 25)] * 4, "identity": list("abcd")}, compression="zstd"
    ),
    "page of 4": table(lambda path: path.write_bytes(b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1")),
    **{f"scribbled at {int(place * 100)}%": scribbled(place) for place in (0.002, 0.5, 0.97, 0.99)},
}
for title, build in TABLES.items():
    add(f"parquet, {title}", "faces", build, harmless=title == "scribbled at 50%")
ARROW: dict[str, Build] = {
    "offsets beyond the end": arrow(offsets([0, 2**30, 2**30, 2**30, 2**31 - 1])),
    "negative offsets": arrow(offsets([-(2**30), 0, 1, 2, 3])),
    "falling offsets": arrow(offsets([2**20, 100, 50, 20, 0])),
    "names beyond the end": arrow(name_offsets),
    "names that are no text": arrow(bad_text),
    "cut": arrow(lambda data: data.__delitem__(slice(len(data) // 2, None))),
    "cut to its magic": arrow(lambda data: data.__delitem__(slice(8, None))),
    "metadata scribbled": arrow(lambda data: data.__setitem__(slice(16, 80), b"\x7f" * 64)),
    "footer scribbled": arrow(lambda data: data.__setitem__(slice(-80, -12), b"\x7f" * 68)),
    "length of the footer": arrow(
        lambda data: data.__setitem__(slice(-10, -6), struct.pack("<i", 2**31 - 1))
    ),
}
for title, build in ARROW.items():  # a reader goes by the footer, and the rest is not looked at
    add(f"arrow, {title}", "faces", build, harmless=title == "metadata scribbled")
add(
    "names that leave the folder",
    "folders",
    parquet({"image": [PNG] * 2, "identity": ["../../canary", "ada"]}),
    "canary",
)
add(
    "absolute names",
    "folders",
    parquet({"image": [PNG] * 2, "identity": ["/tmp/canary", "ada"]}),
    "canary",
)


def own_set(change: Callable[[dict[str, Any]], Any] | bytes) -> Build:
    """A face set of our own with another card."""

    def build(folder: Path) -> Source:
        write_parquet(read_folder(people(folder)), folder / "set")
        place = folder / "set" / "card.json"
        if isinstance(change, bytes):
            place.write_bytes(change)
        else:
            place.write_text(json.dumps(change(json.loads(place.read_text()))))
        return folder / "set"

    return build


SETS: dict[str, Callable[[dict[str, Any]], Any] | bytes] = {
    "list": lambda card: [card],
    "nothing": b"",
    "nested": b"[" * 100_000,
    "digits": b'{"complete": true, "rows": ' + b"9" * 10_000 + b"}",
    "no rows": lambda card: {"complete": True},
    "rows of text": lambda card: card | {"rows": "six"},
    "gigantic rows": lambda card: card | {"rows": 10**18},
    "UTF-16": '{"complete": true}'.encode("utf-16"),
}
for title, change in SETS.items():
    add(f"face set, card of {title}", "faces", own_set(change), "set")


def with_shard(write: Callable[[Path], object]) -> Build:
    def build(folder: Path) -> Source:
        write_parquet(read_folder(people(folder)), folder / "set")
        write(next((folder / "set").glob("shard-*")))
        return folder / "set"

    return build


def other_columns(path: Path) -> None:
    pq.write_table(pa.table({"image": [PNG] * 6, "identity": [1] * 6}), path)


def paths_outside(path: Path) -> None:
    """Rows with paths instead of images."""
    rows = pq.read_table(path)
    outside = pa.array(["../../../../../../etc/passwd"] * 6)
    rows = rows.set_column(rows.schema.get_field_index("path"), "path", outside)
    pq.write_table(rows, path)


def nobody(path: Path) -> None:
    rows = pq.read_table(path)
    at = rows.schema.get_field_index("identity")
    pq.write_table(rows.set_column(at, "identity", pa.nulls(6, pa.string())), path)


def shard_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def shard_scribbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[50:400] = b"\x7f" * 350
    path.write_bytes(data)


for write in (other_columns, paths_outside, nobody, shard_cut, shard_scribbled):
    named = "passwd" if write is paths_outside else "set"
    add(f"face set, {write.__name__}", "faces", with_shard(write), named)


@hostile("faces", "faces")
def folder_of_links(folder: Path) -> Source:
    """Identity folders that contain themselves."""
    place = folder / "faces"
    (place / "ada").mkdir(parents=True)
    (place / "ada" / "again").symlink_to(place)
    return place
