"""The folder that an alignment of models leaves, and its run in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from facegeom_lit.evaluation.alignment.result import Alignment
from facegeom_lit.files import atomic_folder, write_json
from facegeom_lit.reporting.alignment_figures import Drawing, drawings
from facegeom_lit.reporting.alignment_frames import alignment_frames
from facegeom_lit.reporting.alignment_summary import map_name, sentences
from facegeom_lit.reporting.analysis_frames import Frame, rows_of
from facegeom_lit.reporting.analysis_page import Section, write_page
from facegeom_lit.reporting.frames import write_frame
from facegeom_lit.reporting.result_folder import wandb_run
from facegeom_lit.reporting.wandb_media import frame_tables, pictures

RECORD = "alignment.json"
PAGE = "alignment.md"
TABLES = "tables"
"""Folder of the tables, below the record's."""

CAPTIONS = {
    "summary": "Maps by set: medians over pairs of two models (native: over models).",
    "transfer": "Maps fitted on one set and judged on another: means over pairs of two models.",
    "recovered": "Each fitted map: recovered = (aligned − unaligned) / (native − unaligned) of "
    "rank-1; unaligned and native are of all people of a set that judge.",
    "families": "Models clustered by 1 − the mean of recovered of both directions.",
    "ladders": "Rank-1 by the rank of the map, and by paired images of the fit.",
    "indices": "Similarity of two models' spaces without a map, with its permutation null.",
    "leakage": "Attributes read from templates: balanced accuracy of a probe on new people.",
    "survival": "Attribute geometry of the source, of the target and of mapped embeddings.",
    "fusions": "Several models as one against the best single model, paired over people.",
    "cells": "Every map of every pair on every set with all its figures.",
    "sets": "People and images that fit and that judge.",
}

SECTIONS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "maps": (
        "Maps between models",
        "Probes of one model, mapped, against the gallery of another. Unaligned: without a map. "
        "Native: a model's own probes against its own gallery. Recovered: (aligned − unaligned) / "
        "(native − unaligned) of rank-1. Maps are judged by people they were not fitted on.",
        ("recovered",),
    ),
    "matrix": ("Every pair", "Rows: model of the probes. Columns: model of the gallery.", ()),
    "families": (
        "Families",
        "Models clustered by how well they align: average linkage of 1 − the mean of recovered of "
        "both directions. Where several maps were clustered, one is drawn; the table has all.",
        ("families",),
    ),
    "transfer": (
        "Maps of one set on another",
        "Means over pairs of models.",
        ("transfer",),
    ),
    "ladders": (
        "How much a map needs",
        "Rank-1 by the rank of the map (how few dimensions carry identity), and by the paired "
        "images it is fitted on (anchors).",
        ("ladders",),
    ),
    "similarity": (
        "Similarity without a map",
        "Debiased linear CKA, mutual k-nearest neighbours (both: 1 is alike), and Procrustes "
        "disparity (0 is alike), each with a null of permuted people.",
        ("indices",),
    ),
    "leakage": (
        "Attributes in templates",
        "Balanced accuracy of probes on people they were not trained on. Mapped: trained and "
        "judged on mapped templates. Crossed: trained on the target's own templates, judged on "
        "mapped ones: what somebody who knows the target's space reads at once.",
        ("leakage",),
    ),
    "survival": (
        "Attribute geometry through a map",
        "A map keeps the source's geometry where mapped values follow the source's; it takes over "
        "the target's where they follow those.",
        ("survival",),
    ),
    "fusion": (
        "Several models as one",
        "Against the best single model, which is chosen on the fitting people, as all weights are. "
        "Scores: sum of the models' scores, each over its spread. Weighted: with Fisher's weights. "
        "Features: mean of the templates in one space. Concatenation: templates side by side.",
        ("fusions",),
    ),
}
"""Section → its heading, what a reader must know, and its tables, in a reader's order."""


def write_alignment_report(
    folder: Path, alignment: Alignment, record: Mapping[str, Any], *, level: float = 0.95
) -> None:
    """Write the record, the tables, the figures and the page, all of them or none.

    Args:
        folder: Where they shall stand.
        alignment: What was measured.
        record: What it was measured with.
        level: Coverage of the intervals.

    Raises:
        FaceGeomError: When they cannot be written.
    """
    tables = alignment_frames(alignment)
    content = {
        "models": list(alignment.models),
        "result": sentences(alignment),
        "tables": {name: rows_of(columns) for name, columns in tables.items()},
        "notes": list(alignment.notes),
    }
    figures = drawings(alignment, level)
    with atomic_folder(folder) as temporary:
        write_json(temporary / RECORD, {**content, **record})
        for name, columns in tables.items():
            write_frame(temporary / TABLES, name, columns, CAPTIONS[name])
        for drawing in tqdm(figures, desc="figures", unit=" figures", leave=False):
            drawing.draw(temporary / drawing.file)
        sections = _sections(alignment, tables, figures)
        write_page(temporary, "Alignment of models", sections, alignment.notes, page=PAGE)


def log_wandb(
    folder: Path, alignment: Alignment, record: Mapping[str, Any], mode: str, project: str
) -> None:
    """Log the tables, the figures and the values as one run, kept beside `folder`.

    Args:
        folder: What `write_alignment_report` wrote.
        alignment: What was measured.
        record: What it was measured with.
        mode: `offline` or `online`.
        project: Of W&B.

    Raises:
        FaceGeomError: When the run cannot begin.
    """
    with wandb_run(folder, "align", record, mode, project, set(alignment.sets)) as run:
        tables = alignment_frames(alignment)
        run.log(pictures(folder) | frame_tables(tables))
        run.summary.update(
            {
                f"{row['set']}/{map_name(row['map'])}/{name}": row[name]
                for row in rows_of(tables.get("summary", {}))
                for name in ("rank1", "recovered", "tar", "null")
                if row[name] is not None
            }
        )


def _sections(
    alignment: Alignment, tables: Mapping[str, Frame], figures: Sequence[Drawing]
) -> list[Section]:
    """Return the page: the result first, then each subject that has something to show."""
    named = {f"{TABLES}/{name}": columns for name, columns in tables.items()}
    result = "\n".join(f"- {sentence}" for sentence in sentences(alignment))
    summary = {name: named.pop(name) for name in [f"{TABLES}/summary"] if name in named}
    sections = [Section("Result", result, summary)]
    for key, (heading, text, names) in SECTIONS.items():
        shown = {
            f"{TABLES}/{name}": named.pop(f"{TABLES}/{name}")
            for name in names
            if f"{TABLES}/{name}" in named
        }
        drawn = {drawing.file: drawing.caption for drawing in figures if drawing.section == key}
        if shown or drawn:
            sections.append(Section(heading, text, shown, drawn))
    return [*sections, Section("Sets, and every figure of every map", tables=named)]
