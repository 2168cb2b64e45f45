"""Writes a recipe's face set, shard by whole shard, so that it can be interrupted anywhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import lightning as L

from facegeom_lit import __version__
from facegeom_lit.attributes import AttributeSpec
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import ImageFormat, encode
from facegeom_lit.faces.face_set import CARD, FaceSet
from facegeom_lit.faces.images import open_shard
from facegeom_lit.faces.schema import SHARD_PATTERN, shard_name, write_shard
from facegeom_lit.files import atomic_path, read_json, write_json
from facegeom_lit.synthesis.contact_sheet import contact_sheet
from facegeom_lit.synthesis.gating import Gating, counts, gate_facts
from facegeom_lit.synthesis.generation import make_shards, single_process
from facegeom_lit.synthesis.maker import Maker
from facegeom_lit.synthesis.recipe import Sample

CONTACT_SHEET = "contact_sheet.png"
REFUSED = "refused"
"""Folder of what the gates refused, in shards like the others; `split` says why."""

_NO_GATES = Gating()
_SHARD_ROWS = 256  # some seconds of work: what an interruption can cost
_CALL_ROWS = 64  # between two steps of the progress bar
_STALE_SECONDS = 5.0  # without a byte written: nobody is writing any more


class Producible(Protocol):
    """What can be generated; `facegeom_lit.synthesis.recipe.Recipe` says what each part means."""

    @property
    def split(self) -> str:
        """Value of the column `split`."""

    @property
    def image_format(self) -> ImageFormat:
        """How images are stored."""

    @property
    def quality(self) -> int:
        """JPEG quality."""

    @property
    def specs(self) -> Mapping[str, AttributeSpec]:
        """The attributes that every sample has values of."""

    @property
    def unit(self) -> int:
        """Number of images that belong together."""

    def __len__(self) -> int:
        """Return the number of images."""

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the images."""

    def samples(self, start: int, stop: int) -> list[Sample]:
        """Return the images `start` … `stop` - 1."""


def production(recipe: Producible, maker: Maker, gating: Gating = _NO_GATES) -> dict[str, Any]:
    """Return all that decides the images: recipe, attributes, maker and its version, gates."""
    made = {**recipe.to_dict(), "maker": maker.name, "maker_version": maker.version}
    if not gating:
        return made
    return {**made, "gates": gating.versions, "keep_refused": gating.keep_refused}


def production_hash(recipe: Producible, maker: Maker, gating: Gating = _NO_GATES) -> str:
    """Return the SHA-256 of `production`."""
    text = json.dumps(production(recipe, maker, gating), sort_keys=True)
    return sha256(text.encode()).hexdigest()


def generate(
    recipe: Producible,
    folder: str | Path,
    maker: Maker,
    progress: bool = True,
    *,
    shard_rows: int = _SHARD_ROWS,
    gating: Gating = _NO_GATES,
    trainer: L.Trainer | None = None,
) -> FaceSet:
    """Make the face set, or what is missing of it.

    Each shard appears whole or not at all. After Ctrl-C, `kill -9` or a full disk the same call
    continues, and the content hash is that of an undisturbed run, on any number of processes.

    Args:
        recipe: What to make.
        folder: Where; it may hold a part of this very recipe.
        maker: Makes the images.
        progress: Show a progress bar with faces per second.
        shard_rows: Images in a shard; rounded so that a lattice node is never cut.
        gating: Refuses images that are not what was asked for.
        trainer: Whose processes share the work (`Trainer.predict`); None: this process alone.

    Returns:
        The face set, opened.

    Raises:
        FaceGeomError: When the folder holds something else, or cannot be written, or the gates
            refused everything.
        KeyboardInterrupt: On Ctrl-C, with a message that says how to go on.
    """
    folder = Path(folder)
    trainer = trainer or single_process()
    card = _claim(folder, recipe, maker, gating, shard_rows)
    rows = card["shard_rows"]
    sizes = [min(rows, len(recipe) - start) for start in range(0, len(recipe), rows)]
    shards = [folder / shard_name(number) for number in range(len(sizes))]
    if card["complete"] and all(shard.exists() for shard in shards):
        return FaceSet.open(folder)

    def make(number: int, advance: Callable[[int], object]) -> None:
        samples = recipe.samples(number * rows, (number + 1) * rows)
        kept, refused = _make(samples, recipe, maker, gating, advance)
        if gating:
            write_shard(folder / REFUSED / shard_name(number), refused, tuple(recipe.specs))
        write_shard(shards[number], kept, tuple(recipe.specs))

    try:
        make_shards(trainer, folder, sizes, make, recipe.split, progress)
    except KeyboardInterrupt:
        complete = sum(shard.exists() for shard in shards)
        raise KeyboardInterrupt(
            f"Interrupted: {complete} of {len(shards)} shards of {folder} are complete. Run the "
            "same command again to continue."
        ) from None
    fault = None
    if trainer.is_global_zero:
        try:
            _finish(folder, recipe, maker, gating, card)
        except FaceGeomError as error:
            fault = str(error)
    if fault := trainer.strategy.broadcast(fault):  # the others must not wait for ever
        raise FaceGeomError(fault)
    return FaceSet.open(folder)


def _claim(
    folder: Path, recipe: Producible, maker: Maker, gating: Gating, shard_rows: int
) -> dict[str, Any]:
    """Take the folder for this production; return its card, new or found there.

    Raises:
        FaceGeomError: When the folder holds another face set.
    """
    wanted, here = production_hash(recipe, maker, gating), production(recipe, maker, gating)
    if not (folder / CARD).exists():
        if any(folder.glob(SHARD_PATTERN)):
            raise FaceGeomError(
                f"{folder} holds shards of a face set without its {CARD}. Choose another output "
                "folder, or delete that one."
            )
        rows = max(1, shard_rows // recipe.unit) * recipe.unit
        card = {
            "complete": False,
            "production_hash": wanted,
            "production": here,
            "shard_rows": rows,
        }
        write_json(folder / CARD, card)
        return card
    card = read_json(folder / CARD)
    if card.get("production_hash") != wanted:
        there = card.get("production", {})
        different = "; ".join(
            f"{key} {there.get(key)!r} there, {value!r} here" if key != "specs" else key
            for key, value in here.items()
            if there.get(key) != value
        )
        raise FaceGeomError(
            f"{folder} holds the face set of another recipe ({different}). Choose another output "
            "folder, or delete that one."
        )
    return card


def _make(
    samples: Sequence[Sample],
    recipe: Producible,
    maker: Maker,
    gating: Gating,
    advance: Callable[[int], object],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make the rows of one shard: those that are kept, and those that are refused."""
    kept: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    step = max(1, _CALL_ROWS // recipe.unit) * recipe.unit
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        images = maker.render(part)
        reasons = gating.verdicts(part, images, maker)
        for sample, image, reason in zip(part, images, reasons, strict=True):
            row = {name: getattr(sample, name) for name in ("identity", "node", "moving", "step")}
            row |= {"seed": sample.seed, "split": reason or recipe.split, "source": maker.name}
            if not reason or gating.keep_refused:
                row["image"] = encode(image, recipe.image_format, recipe.quality)
            (refused if reason else kept).append(row | sample.attributes)
        advance(len(part))
    return kept, refused


def _finish(
    folder: Path, recipe: Producible, maker: Maker, gating: Gating, card: dict[str, Any]
) -> None:
    """Write the contact sheet and, last of all, the card that says the set is complete."""
    for leftover in folder.glob(".*.part*"):  # of a killed process
        if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
            leftover.unlink(missing_ok=True)
    card |= {"complete": True, "rows": len(recipe), "source": maker.name}
    if gating:
        card |= _gated(folder, gating)
    faces = FaceSet.from_shards(folder, card)
    with atomic_path(folder / CONTACT_SHEET) as temporary:
        contact_sheet(faces).save(temporary)
    ranges = {}
    for name in faces.attributes:
        values = faces.attribute(name)
        ranges[name] = [values.min().item(), values.max().item()]
    packages = ("torch", "numpy", "pillow", "pyarrow", "albumentations")
    card |= {
        "hash": faces.compute_hash(),
        "identities": len(faces.classes),
        "attributes": ranges,
        "versions": {"facegeom_lit": __version__, **{name: version(name) for name in packages}},
    }
    write_json(folder / CARD, card)


def _gated(folder: Path, gating: Gating) -> dict[str, Any]:
    """Return the number of rows that were kept, and what was refused and why, by attribute.

    Raises:
        FaceGeomError: When nothing was kept.
    """
    kept, refused = (
        [
            (row["moving"], row["split"])
            for shard in sorted(place.glob(SHARD_PATTERN))
            for row in open_shard(shard).read(columns=["moving", "split"]).to_pylist()
        ]
        for place in (folder, folder / REFUSED)
    )
    if not kept or (not any(moving for moving, _ in kept) and any(m for m, _ in refused)):
        raise FaceGeomError(
            f"{folder}: the gates refused everything that moved: {counts(refused)}. Loosen them "
            "(gates.<name>.…), choose other strengths, or gates=none, and another folder."
        )
    by_attribute = {name: sum(n.values()) for name, n in counts(kept).items()}
    facts = {"kept": by_attribute, "refused": counts(refused), "settings": gate_facts(gating)}
    return {"rows": len(kept), "gates": facts}
