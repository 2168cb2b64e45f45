"""The folder that a command leaves: which one, whether it may be written, its W&B run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import check_writable

_WHERE = ("output", "root", "paths", "device", "batch_size", "workers", "wandb", "project")
"""Settings that say where and how something is computed, not what."""


def result_folder(folder: str | Path, record: str, what: str) -> Path:
    """Return the folder if a result may take its place.

    Args:
        folder: Where it shall stand.
        record: Name of the file that every such result holds.
        what: What the result is, with its article, for the message.

    Raises:
        FaceGeomError: When something else stands there, or it cannot be written.
    """
    folder = Path(folder).expanduser()
    check_writable(folder)
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not (folder / record).is_file():
        raise FaceGeomError(
            f"output={folder} exists and holds no {what}, so it is not replaced. Choose another "
            "folder."
        )
    return folder


def settings_hash(measured: Sequence[Any], config: Mapping[str, Any]) -> str:
    """Hash what is measured and how, for the name of a folder.

    Args:
        measured: What was opened: models and sets, as plain values.
        config: The whole configuration; what only says where and how fast does not count.

    Returns:
        12 hex digits.
    """
    counted = {key: value for key, value in config.items() if key not in _WHERE}
    return sha256(json.dumps([*measured, counted], sort_keys=True).encode()).hexdigest()[:12]


@contextmanager
def wandb_run(
    folder: Path, kind: str, record: Mapping[str, Any], mode: str, project: str, tags: set[str]
) -> Iterator[Any]:
    """Yield a run of Weights & Biases that is kept beside `folder`; it ends with the block.

    Args:
        folder: What was written already; the run has its name.
        kind: Its group and type of job.
        record: Its configuration.
        mode: `offline` or `online`.
        project: Of W&B.
        tags: Of the run.

    Raises:
        FaceGeomError: When the run cannot begin; what stands in `folder` is complete.
    """
    import wandb

    if mode == "offline":  # nothing to say: no account, no address
        os.environ.setdefault("WANDB_SILENT", "true")
    try:
        run = wandb.init(
            project=project,
            name=folder.name,
            group=kind,
            job_type=kind,
            mode="offline" if mode == "offline" else "online",
            dir=str(folder.parent),
            config=dict(record),
            tags=sorted(tags),
        )
    except wandb.errors.Error as error:
        raise FaceGeomError(
            f"wandb={mode}: {error} The results are complete in {folder}. Log in with `wandb "
            "login`, or give wandb=offline, and run the same command again to log them."
        ) from error
    failed = 1
    try:
        yield run
        failed = 0
    finally:
        run.finish(exit_code=failed)
