"""The table that `facegeom export` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from facegeom_lit.models.weights.export_parity import Agreement, ParityReport


@dataclass(frozen=True)
class Export:
    """One thing written.

    Attributes:
        path: File or folder.
        format: onnx, arcface_torch, safetensors or pack.
        parity: What was compared by running it; None where the weights themselves came back.
        again: Whether it replaced an earlier one.
    """

    path: Path
    format: str
    parity: ParityReport | None
    again: bool = False


def print_exports(exports: Sequence[Export], licence: str, notes: Sequence[str]) -> None:
    """Print what was written, how well it agrees with the model, and the model's licence."""
    console = Console(width=120, highlight=False)
    table = Table(
        title="agreement with the model: smallest cosine, mean cosine, largest difference"
    )
    for column in ("file", "format", "compared on", "in onnxruntime", "in insightface"):
        table.add_column(column, overflow="fold")
    for export in exports:
        table.add_row(export.path.name, export.format, *_compared(export.parity))
    console.print(table)
    console.print(f"licence: {licence}", soft_wrap=True)
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)


def _compared(parity: ParityReport | None) -> tuple[str, str, str]:
    if parity is None:
        return "the weights, read back", "equal", "–"
    images = f"{parity.noise} random + {parity.faces} faces"
    return images, _figures(parity.onnxruntime), _figures(parity.insightface)


def _figures(agreement: Agreement | None) -> str:
    if agreement is None:
        return "–"
    low, mean = agreement.min_cosine, agreement.mean_cosine
    return f"{low:.6f}  {mean:.6f}  {agreement.max_difference:.1e}"
