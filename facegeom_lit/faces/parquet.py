"""Parquet and Arrow: face sets written as shards, and tables that others made."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from facegeom_lit import __version__
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.face_set import CARD, FaceSet
from facegeom_lit.faces.images import (
    ArrowImages,
    ShardImages,
    damage_named,
    open_arrow,
    open_shard,
)
from facegeom_lit.faces.schema import IMAGE_COLUMN, shard_name, write_shard
from facegeom_lit.files import new_folder, write_json

_SHARD_ROWS = 8192
_IMAGES = ("image", "img", "jpg", "jpeg", "png", "face")
_IDENTITIES = ("identity", "label", "person", "subject", "id", "cls")


def write_parquet(faces: FaceSet, folder: str | Path) -> None:
    """Write a face set that `FaceSet.open` reads: shards and a card, all or none of them.

    Images are stored as they are, and the content hash stays. Each is decoded once, so a broken
    one is found.

    Args:
        faces: What to write.
        folder: A new folder.

    Raises:
        FaceGeomError: When the folder is not new or cannot be written, or an image is broken.
    """
    bar = tqdm(total=len(faces), desc="write images", unit=" images", delay=1)
    with bar, new_folder(folder) as aside:
        for number, start in enumerate(range(0, len(faces), _SHARD_ROWS)):
            rows = faces.table.slice(start, _SHARD_ROWS).drop_columns(["path"]).to_pylist()
            for index, row in enumerate(rows, start):
                row[IMAGE_COLUMN] = faces.encoded(index)
                decode(row[IMAGE_COLUMN], faces.name_of(index))
                bar.update()
            write_shard(aside / shard_name(number), rows, faces.attributes)
        card: dict[str, Any] = {
            "complete": True,
            "rows": len(faces),
            "identities": len(faces.classes),
        }
        card |= {"source": faces.card.get("source", ""), "versions": {"facegeom_lit": __version__}}
        card["hash"] = FaceSet.from_shards(aside, card).compute_hash()
        write_json(aside / CARD, card)


def read_parquet(
    path: str | Path, *, image: str | None = None, identity: str | None = None
) -> FaceSet:
    """Read a table of images and identities, e.g. one made by Hugging Face `datasets`.

    Args:
        path: A Parquet or an Arrow file, or a folder of one kind.
        image: Column of the encoded images: bytes, or a struct with the bytes in its field
            `bytes`; None: the column called `image`, `img`, ….
        identity: Column of the people: names or numbers (for which `datasets` may keep names in
            the file); None: the column called `identity`, `label`, ….

    Returns:
        The set in the order of the files and rows. Numbers without names get zeros in front.

    Raises:
        FaceGeomError: When there is no file or no such column, or an identity is missing; the
            message lists the columns.
    """
    path = Path(path).expanduser()
    files = [path] if path.is_file() else sorted(path.glob("**/*.parquet"))
    files = files or sorted(path.glob("**/*.arrow"))
    if not files:
        raise FaceGeomError(f"{path} is no Parquet or Arrow file, nor a folder with one.")
    arrow = files[0].suffix == ".arrow"
    opened = [_Table.of_arrow(file) if arrow else _Table.of_parquet(file) for file in files]
    schema = opened[0].schema
    for file, other in zip(files, opened, strict=True):
        if not other.schema.equals(schema):
            raise FaceGeomError(f"{file} has other columns than {files[0]}. Read them by turns.")
    images = _column(files[0], schema, "image", image, _IMAGES, _bytes_of)
    person = _column(files[0], schema, "identity", identity, _IDENTITIES, _person_of)
    column = pa.chunked_array(
        [chunk for table in opened for chunk in table.column(person).chunks],
        schema.field(person).type,
    )
    if column.null_count or not len(column):
        raise FaceGeomError(
            f"{path}: {column.null_count} of {len(column)} rows have no {person!r}; there must be "
            "rows, and each must say who it shows."
        )
    values = pc.unique(column)
    labels = pc.index_in(column, values).to_numpy().astype(np.int32)
    names = _names(values.to_pylist(), person, schema, path)
    store = (ArrowImages if arrow else ShardImages)(files, [t.rows for t in opened], images)
    return FaceSet.from_store(store, labels, names, path)


class _Table(NamedTuple):
    """A table on disk, whose columns are read one by one."""

    schema: pa.Schema
    rows: int
    column: Callable[[str], pa.ChunkedArray]

    @classmethod
    def of_parquet(cls, path: Path) -> _Table:
        file = open_shard(path)

        def column(name: str) -> pa.ChunkedArray:
            with damage_named(path):
                return file.read(columns=[name], use_threads=False).column(0)

        return cls(file.schema_arrow, file.metadata.num_rows, column)

    @classmethod
    def of_arrow(cls, path: Path) -> _Table:
        table = open_arrow(path)
        return cls(table.schema, table.num_rows, table.column)


def _bytes_of(name: str, kind: pa.DataType) -> str | None:
    """Return where the bytes of such a column stand."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return name
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return f"{name}.bytes"
    return None


def _person_of(name: str, kind: pa.DataType) -> str | None:
    """Return the column itself if it can say who is shown."""
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return name if text or pa.types.is_integer(kind) else None


def _column(
    file: Path, schema: pa.Schema, what: str, asked: str | None, usual: Sequence[str], fits: Any
) -> str:
    """Find the column that was asked for, or one with a usual name.

    Raises:
        FaceGeomError: When there is none of the right type.
    """
    for name in usual if asked is None else (asked,):
        if name in schema.names and (place := fits(name, schema.field(name).type)):
            return place
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    wanted = "bytes, or a struct with bytes" if what == "image" else "text or whole numbers"
    called = f"called {asked!r}" if asked else f"called {', '.join(usual[:-1])} or {usual[-1]}"
    raise FaceGeomError(
        f"{file} has no {what} column {called} that holds {wanted}. It has: {columns}. Name the "
        f"column with {what}=…."
    )


def _known_names(column: str, schema: pa.Schema, path: Path) -> list[str]:
    """Return the names that `datasets` keeps in the file for the numbers of a column, if any.

    Raises:
        FaceGeomError: When what stands there is no list of names.
    """
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(text)["info"]["features"][column]["names"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError("no list of names")
    except KeyError:
        return []
    except (ValueError, TypeError, RecursionError) as error:
        raise FaceGeomError(
            f"{path}: what it says of the names of {column!r} cannot be read ({error}). Write the "
            "table anew."
        ) from error
    return names


def _names(values: list[Any], column: str, schema: pa.Schema, path: Path) -> list[str]:
    """Return the name of each different value of the identity column.

    Raises:
        FaceGeomError: When a value stands for nobody, or the file's own list of names does not hold
            a number.
    """
    if isinstance(values[0], str):
        if "" in values:
            raise FaceGeomError(f"{path}: rows have an empty {column!r}. Say who they show.")
        return values
    known = _known_names(column, schema, path)
    if not known:
        if min(values) < 0:
            raise FaceGeomError(
                f"{path}: {column!r} holds {min(values)}, which is nobody's number: tables write "
                "-1 where the label is not known. Leave these rows out."
            )
        width = len(str(max(values)))
        return [f"{value:0{width}d}" for value in values]
    if min(values) < 0 or max(values) >= len(known) or len(set(known)) != len(known):
        raise FaceGeomError(
            f"{path}: {column!r} holds {min(values)} … {max(values)}, but the file names "
            f"{len(set(known))} people. Write the table anew."
        )
    return [known[value] for value in values]
