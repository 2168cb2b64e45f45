"""A run's pictures and tables in Weights & Biases, and its end there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger

COLUMNS = ("attribute", "measure", "before", "after", "difference", "low", "high")
MEASURES = ("energy", "response", "response_raw")


def attribute_rows(record: Mapping[str, Any]) -> list[list[Any]]:
    """Return the per-attribute table of a run's record, in the order of `COLUMNS`."""
    rows = []
    for name, after in record["metrics"].items():
        _, measure, *rest = name.split("/")
        if measure in MEASURES:
            change = record["differences"].get(name, {})
            rows.append(
                [
                    rest[0],
                    measure,
                    record["baseline"].get(name),
                    after,
                    *(change.get(key) for key in ("difference", "low", "high")),
                ]
            )
    return rows


def log_media(loggers: Sequence[Logger], folder: Path, record: Mapping[str, Any]) -> None:
    """Log figures, the per-attribute table and the final figures; nothing without W&B."""
    for logger in loggers:
        if not isinstance(logger, WandbLogger):
            continue
        import wandb

        run = logger.experiment
        media = pictures(folder / "figures")
        media["attributes"] = wandb.Table(columns=list(COLUMNS), data=attribute_rows(record))
        run.log(media)
        run.summary.update({k: v for k, v in record["metrics"].items() if v is not None})
        run.summary.update(
            {f"difference/{k}": v["difference"] for k, v in record["differences"].items()}
        )


def pictures(folder: Path) -> dict[str, Any]:
    """The PNG files of a folder as W&B images, by the key they are logged under."""
    import wandb

    return {f"figures/{file.stem}": wandb.Image(str(file)) for file in sorted(folder.glob("*.png"))}


def frame_tables(frames: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, Any]:
    """Tables, each of columns by name, as W&B tables, by the key they are logged under."""
    import wandb

    return {
        f"tables/{name}": wandb.Table(
            columns=list(columns),
            data=[list(row) for row in zip(*columns.values(), strict=True)],
        )
        for name, columns in frames.items()
    }


@contextmanager
def finished_wandb() -> Iterator[None]:
    """End a live W&B run whatever happens, so that the next job of a sweep begins its own."""
    import wandb

    failed = 1
    try:
        yield
        failed = 0
    finally:
        if wandb.run is not None:
            wandb.finish(exit_code=failed)
