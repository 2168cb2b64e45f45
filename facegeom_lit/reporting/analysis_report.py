"""The folder that an analysis leaves, and its run in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facegeom_lit.evaluation.analysis import Analysis
from facegeom_lit.files import atomic_folder, write_json
from facegeom_lit.reporting.analysis_figures import write_figures
from facegeom_lit.reporting.analysis_frames import frames, rows_of
from facegeom_lit.reporting.analysis_page import Section, write_page
from facegeom_lit.reporting.frames import write_frame
from facegeom_lit.reporting.result_folder import wandb_run
from facegeom_lit.reporting.style import words
from facegeom_lit.reporting.wandb_media import frame_tables, pictures

RECORD = "analysis.json"
TABLES = "tables"
"""Folder of the tables, below the record's."""

CAPTIONS = {
    "microscale": "Attribute geometry within identities: means over people with their intervals.",
    "microscale_measures": "Every measure of the microscale with its interval over people.",
    "microscale_people": "The microscale, person by person.",
    "correlation": "Correlation of the directions of two curves by their distance, in mean "
    "distances: mean over the pairs of all people, with its bootstrap interval over people.",
    "interaction": "1 − cosine of the displacements along two attributes at the same node.",
    "models_compared": "Rank tests between models, Holm corrected, and paired differences.",
    "attributes_compared": "Rank tests between attributes, Holm corrected, and paired differences.",
    "macroscale": "Attributes across identities: KS statistics, entropies and probes.",
    "spearman": "Spearman correlation of KS and entropy over attributes.",
    "outliers": "Images that were left out of the macroscale.",
    "shape": "Dimension and spectrum of the clouds of embeddings.",
}


def write_report(folder: Path, analyses: Sequence[Analysis], record: Mapping[str, Any]) -> None:
    """Write the record, the tables and the figures, all of them or none.

    Args:
        folder: Where they shall stand.
        analyses: What was measured.
        record: What it was measured with.

    Raises:
        FaceGeomError: When they cannot be written.
    """
    tables = frames(analyses)
    remarks = {analysis.set: list(analysis.remarks) for analysis in analyses}
    content = {name: rows_of(columns) for name, columns in tables.items()}
    with atomic_folder(folder) as temporary:
        write_json(temporary / RECORD, {"tables": content, "notes": remarks, **record})
        for name, columns in tables.items():
            write_frame(temporary / TABLES, name, columns, CAPTIONS[name])
        sections = [
            Section(analysis.set, pictures=write_figures(temporary, analysis))
            for analysis in analyses
        ]
        sections += [
            Section(words(name).capitalize(), CAPTIONS[name], {f"{TABLES}/{name}": columns})
            for name, columns in tables.items()
        ]
        notes = [f"{analysis.set}: {note}" for analysis in analyses for note in analysis.remarks]
        write_page(temporary, "Attribute geometry", sections, notes)


def log_wandb(
    folder: Path, analyses: Sequence[Analysis], record: Mapping[str, Any], mode: str, project: str
) -> None:
    """Log the tables, the figures and the values as one run, kept beside `folder`.

    Args:
        folder: What `write_report` wrote.
        analyses: What was measured.
        record: What it was measured with.
        mode: `offline` or `online`.
        project: Of W&B.

    Raises:
        FaceGeomError: When the run cannot begin.
    """
    tags = {analysis.set for analysis in analyses}
    with wandb_run(folder, "analyze", record, mode, project, tags) as run:
        tables = frames(analyses)
        run.log(pictures(folder) | frame_tables(tables))
        run.summary.update(
            {
                f"{row['set']}/{row['model']}/{row['attribute']}/{row['measure']}": row["value"]
                for row in rows_of(tables.get("microscale_measures", {}))
                if row["value"] is not None
            }
            | {
                f"{row['set']}/{row['model']}/{row['attribute']}/ks_mean": row["ks_mean"]
                for row in rows_of(tables.get("macroscale", {}))
                if row["ks_mean"] is not None
            }
        )
