"""The face set: aligned face images with identity, attributes and provenance."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from errno import EINVAL
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.images import (
    ImageStore,
    ShardImages,
    check_columns,
    damage_named,
    open_shard,
)
from facegeom_lit.faces.schema import (
    FIXED_COLUMNS,
    IMAGE_COLUMN,
    SHARD_PATTERN,
    table_from_labels,
    table_from_rows,
)
from facegeom_lit.files import read_json

CARD = "card.json"


class FaceSet:
    """A table of face images, on disk as Parquet shards, as image files or in another store.

    Everything but the images is held in memory, as Arrow columns (a hundred bytes a row or fewer);
    images are read and decoded one at a time, so a set may be larger than memory.

    Args:
        table: All columns of `facegeom_lit.faces.schema` but `image`.
        folder: What relative paths in the column `path` are relative to.
        images: Where rows without a `path` find their bytes.
        rows: Row of `images` for each row of `table`; default: the same.
        card: Recipe, versions and content hash, as stored beside the set.

    Attributes:
        table: The columns but for the images, a `pyarrow.Table`.
        card: What is known of how the set was made.

    Example:
        >>> faces = FaceSet.from_rows([{"identity": "ada", "path": "a.png", "age": 30.0}], ["age"])
        >>> len(faces), faces.classes, faces.attribute("age").tolist()
        (1, ['ada'], [30.0])
    """

    def __init__(
        self,
        table: pa.Table,
        *,
        folder: Path | None = None,
        images: ImageStore | None = None,
        rows: NDArray[np.int64] | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.table = table
        self.card = dict(card or {})
        self._folder = folder or Path()
        self._images = images
        self._rows = np.arange(len(table)) if rows is None else rows
        paths = table["path"]
        self._paths = None if paths.null_count == len(paths) else paths

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Mapping[str, Any]],
        attributes: Sequence[str] = (),
        *,
        folder: Path | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> FaceSet:
        """Make a face set of image files.

        Args:
            rows: One mapping per image, with `identity`, `path` and any other column.
            attributes: Names of the attribute columns.
            folder: What the paths are relative to.
            card: Where the set comes from.
        """
        table = table_from_rows(rows, attributes).drop_columns([IMAGE_COLUMN])
        return cls(table, folder=folder, card=card)

    @classmethod
    def from_store(
        cls,
        images: ImageStore,
        labels: NDArray[np.integer],
        names: Sequence[str],
        path: Path,
    ) -> FaceSet:
        """Make a face set of images in a store that knows labels alone, of millions if need be.

        Args:
            images: Where the images are; row i of the set is row i of the store.
            labels: int (N,): who each row shows.
            names: Name of the person of each label.
            path: The file or folder of the store, for messages and as the set's source.
        """
        table = table_from_labels(labels, names, path.name)
        return cls(table, folder=path, images=images, card={"source": str(path)})

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool = False) -> FaceSet:
        """Open a face set on disk.

        Args:
            folder: Where its shards and `card.json` stand.
            verify: Compute the content hash anew and compare it with the card's.

        Raises:
            FaceGeomError: When it is not there, not complete, damaged, or not what its card says.
        """
        folder = Path(folder)
        if not (folder / CARD).is_file():
            raise FaceGeomError(f"{folder} is not a face set: it has no {CARD}.")
        card = read_json(folder / CARD)
        if not isinstance(card, dict) or not isinstance(card.get("rows", 0), int):
            raise FaceGeomError(
                f"{folder / CARD} is no card of a face set. Delete the folder and make the face "
                "set again."
            )
        if not card.get("complete"):
            raise FaceGeomError(
                f"The face set {folder} is not complete. Run the command that makes it again: it "
                "continues where it stopped."
            )
        faces = cls.from_shards(folder, card)
        if verify and (found := faces.compute_hash()) != card["hash"]:
            raise FaceGeomError(
                f"The content of {folder} has hash {found[:12]}, its card says "
                f"{card['hash'][:12]}. Delete the folder and make the face set again."
            )
        return faces

    @classmethod
    def from_shards(cls, folder: Path, card: Mapping[str, Any]) -> FaceSet:
        """Read the shards of a folder, for a card that may not be written yet.

        Raises:
            FaceGeomError: When a shard is damaged, or the rows are not as many as `card["rows"]`.
        """
        tables, counts = [], []
        shards = sorted(folder.glob(SHARD_PATTERN))
        for shard in shards:
            file = open_shard(shard)
            check_columns(file, shard)
            names = [name for name in file.schema_arrow.names if name != IMAGE_COLUMN]
            with damage_named(shard):
                tables.append(file.read(columns=names, use_threads=False))
            if tables[-1].schema != tables[0].schema or tables[-1]["identity"].null_count:
                raise FaceGeomError(
                    f"{shard} has other columns than {shards[0].name}, or a row without identity. "
                    "Delete the folder and make the face set again."
                )
            counts.append(file.metadata.num_rows)
        if not shards or sum(counts) != card.get("rows"):
            raise FaceGeomError(
                f"The face set {folder} has {sum(counts)} rows in {len(shards)} shards, but "
                f"{card.get('rows')} belong there. Delete the folder and make the face set again."
            )
        return cls(
            pa.concat_tables(tables), folder=folder, images=ShardImages(shards, counts), card=card
        )

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"FaceSet({len(self)} images, {len(self.classes)} identities, {self._folder})"

    @cached_property
    def identities(self) -> list[str]:
        """Identity of each row, as a list; `classes` and `labels` say the same in less memory."""
        return list(map(self.classes.__getitem__, self.labels.tolist()))  # not a string a row

    @cached_property
    def classes(self) -> list[str]:
        """The different identities, sorted."""
        return sorted(pc.unique(self.table["identity"]).to_pylist())

    @cached_property
    def labels(self) -> Tensor:
        """int64 (N,): index of each row's identity in `classes`."""
        names = self.table["identity"].cast(pa.string())
        labels = pc.index_in(names, pa.array(self.classes, pa.string())).to_numpy()
        return torch.from_numpy(labels.astype(np.int64))

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attribute columns."""
        return tuple(name for name in self.table.column_names if name not in FIXED_COLUMNS)

    def attribute(self, name: str) -> Tensor:
        """Return float32 (N,), NaN where the value is unknown.

        Raises:
            FaceGeomError: When the set has no such attribute.
        """
        if name not in self.attributes:
            known = ", ".join(self.attributes) or "none"
            raise FaceGeomError(f"{self!r} has no attribute {name!r}. It has: {known}.")
        values = self.table[name].to_numpy().astype(np.float32)
        return torch.from_numpy(values.copy())

    def name_of(self, index: int) -> str:
        """Return what row `index` is called in messages."""
        path = self._path(index)
        return (
            str(self._folder / path) if path else f"row {int(self._rows[index])} of {self._folder}"
        )

    def _path(self, index: int) -> str | None:
        return None if self._paths is None else self._paths[index].as_py()

    def encoded(self, index: int) -> bytes:
        """Return the encoded image of row `index`.

        Raises:
            FaceGeomError: When its file cannot be read.
        """
        path = self._path(index)
        if path is None:
            if self._images is None:
                raise FaceGeomError(
                    f"{self.name_of(index)} has neither an image nor a path. Give its path."
                )
            return self._images.read(self._rows.item(index))
        try:
            file_path = os.path.join(self._folder, path)
            if os.path.exists(file_path) and not os.path.isfile(file_path):
                raise OSError(EINVAL, "it is no file")  # a pipe or a device may never end
            with open(file_path, "rb", buffering=0) as file:
                return file.read()
        except OSError as error:
            raise FaceGeomError(
                f"Cannot read {self.name_of(index)}: {error.strerror}. Put the file back, or start "
                "again without it."
            ) from error

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return uint8 (H, W, 3), RGB.

        Raises:
            FaceGeomError: When it cannot be read or decoded; the message names the image.
        """
        return decode(self.encoded(index), lambda: self.name_of(index))

    def select(self, indices: Iterable[int] | Tensor | NDArray[np.int64]) -> FaceSet:
        """Return the rows `indices`, in that order."""
        given = indices if isinstance(indices, Tensor | np.ndarray) else list(indices)
        rows = np.asarray(given, dtype=np.int64)
        card = {key: value for key, value in self.card.items() if key not in ("hash", "rows")}
        return FaceSet(
            self.table.take(pa.array(rows)),
            folder=self._folder,
            images=self._images,
            rows=self._rows[rows],
            card=card,
        )

    def where(
        self, *, split: str | None = None, identities: Collection[str] | None = None
    ) -> FaceSet:
        """Return the rows of a split and/or of some identities.

        Raises:
            FaceGeomError: When there is no such split, or an identity is not in the set.
        """
        if unknown := sorted(set(identities or ()) - set(self.classes)):
            raise FaceGeomError(f"{self!r} has no identity {', '.join(unknown[:10])}.")
        splits = self.table["split"].cast(pa.string()).fill_null("")
        kept = np.ones(len(self), bool)
        if split is not None:
            kept = pc.equal(splits, split).to_numpy()
            if not kept.any():
                known = ", ".join(map(repr, sorted(pc.unique(splits).to_pylist())))
                raise FaceGeomError(f"{self!r} has no split {split!r}. It has: {known}.")
        if identities is not None:
            wanted = np.isin(self.classes, list(identities))
            kept = kept & wanted[self.labels.numpy()]
        return self.select(np.flatnonzero(kept))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content: from the card of a set on disk, else computed once."""
        return self.card.get("hash") or self.compute_hash()

    def compute_hash(self) -> str:
        """Hash every row with its encoded image, one at a time, however the rows are sharded.

        Unknown values and the place of a file do not count, so an attribute column without a
        single value changes nothing.
        """
        total = sha256()
        rows = self.table.drop_columns(["path"])
        every = (row for batch in rows.to_batches(4096) for row in batch.to_pylist())
        bar = tqdm(every, desc="hash faces", total=len(self), unit=" images", delay=1)
        for index, row in enumerate(bar):
            known = {name: value for name, value in row.items() if value is not None}
            total.update(json.dumps(known, sort_keys=True).encode())
            total.update(sha256(self.encoded(index)).digest())
        return total.hexdigest()
