"""The folder that a report of finished runs leaves: a page, its tables and its figures."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from facegeom_lit.files import atomic_folder, atomic_path, plain_name, write_json
from facegeom_lit.reporting.frames import write_frame
from facegeom_lit.reporting.objective_figure import ObjectiveRun, objective_figure
from facegeom_lit.reporting.run_record import versions
from facegeom_lit.reporting.study import Study
from facegeom_lit.reporting.study_changes import run_changes
from facegeom_lit.reporting.study_comparison import AUC, Comparison, verdict
from facegeom_lit.reporting.study_compatibility import SERVICES, service_figures, standings
from facegeom_lit.reporting.study_tables import (
    change_columns,
    change_table,
    compatibility_columns,
    compatibility_table,
    equal_table,
    markdown,
    matrix_columns,
    matrix_table,
    mean_columns,
    mean_table,
    measure_names,
    pair_columns,
    pair_table,
    print_table,
    run_columns,
)
from facegeom_lit.reporting.style import words
from facegeom_lit.reporting.sweep_matrix import sweep_figure
from facegeom_lit.reporting.trade_off_figure import Panels, trade_off_figure

RECORD = "report.json"
PAGE = "report.md"
TABLES = "tables"
FIGURES = "figures"
INTERVALS = (
    "95 % over identities, seeds averaged first, widened to the range of the seeds; over "
    "attributes where arms are averaged or compared. * leaves out zero."
)
SEEDS = "95 % over people, averaged over seeds and widened to their range."
MATRIX = "after − before; rows: fine-tuned for, columns: measured. " + INTERVALS


def runs_digest(study: Study) -> str:
    """Hash which runs a study is of and how they are compared, not where they stand."""
    hashes = sorted(run.record["config_hash"] for run in study.runs.runs)
    words = [*hashes, str(study.augmentation), f"{study.tolerance:g}"]
    return sha256("\n".join(words).encode()).hexdigest()[:12]


def verdicts(study: Study) -> list[tuple[str, str]]:
    """Return what was asked and what the runs say, one pair for each measure."""
    asked = []
    for comparisons, among in (
        (study.overall, "all arms"),
        (study.at_equal, f"at equal verification ({', '.join(study.equal)})"),
    ):
        asked += [(f"{c.measure}, {among}", verdict(c)) for c in comparisons]
    return asked


def write_study(folder: Path, study: Study) -> None:
    """Write the page, the record, the tables and the figures, all of them or none.

    Args:
        folder: Where they shall stand; an earlier report there is replaced.
        study: What they say.

    Raises:
        FaceGeomError: When they cannot be written.
    """
    tables = {
        "runs": (run_columns(study), "The runs of the report."),
        "matrix": (matrix_columns(study), "What fine-tuning changed. " + MATRIX),
        "changes": (change_columns(study), "Change of each target. " + INTERVALS),
        "compatibility": (
            compatibility_columns(study),
            "Change of what the old gallery serves. " + SEEDS,
        ),
        "arms": (mean_columns(study), "Mean change over attributes. " + INTERVALS),
        "pairs": (pair_columns(study), "Arms compared over attributes, paired. " + INTERVALS),
    }
    with atomic_folder(folder) as temporary:
        for (measure, arm), cells in study.matrices.items():
            title = f"{arm}: {measure}, after − before"
            sweep_figure(temporary / FIGURES / f"{_matrix_name(measure, arm)}.png", cells, title)
        for measure in _moved(study):
            objective_figure(
                temporary / FIGURES / f"objectives-{measure}.png",
                objective_runs(study, measure),
                geometry=words(measure),
                title="What each objective did to its target, and to verification",
            )
        for measure, panels in _trade_offs(study).items():
            trade_off_figure(
                temporary / FIGURES / f"trade-off-{measure}.png",
                panels,
                goal=measure,
                intervals=_intervals(study),
            )
        for name, (columns, caption) in tables.items():
            if any(len(column) for column in columns.values()):
                write_frame(temporary / TABLES, name, columns, caption)
        with atomic_path(temporary / PAGE) as page:
            page.write_text("\n".join(_page(study)) + "\n", encoding="utf-8")
        write_json(temporary / RECORD, _record(study))


def objective_runs(study: Study, measure: str) -> list[ObjectiveRun]:
    """Return every run's change of its target and of the AUC."""
    return [
        ObjectiveRun(*run, found.get(measure), found.get(AUC))
        for run, found in run_changes(study.changes).items()
    ]


def print_study(study: Study) -> None:
    """Print the matrices, the arms, what they say, and what a reader must know."""
    for (measure, arm), cells in study.matrices.items():
        table = matrix_table(cells, intervals=False)
        print_table(f"{arm}: {measure}, after − before", *table, "* the interval leaves out zero")
    names = [n for n in measure_names(study) if n in ("energy", "response", "auc")]
    if study.compatibility:
        print_table("change of what the old gallery serves", *compatibility_table(study), SEEDS)
    print_table("change of the target", *change_table(study, names), INTERVALS)
    print_table("mean over attributes", *mean_table(study, names))
    for title, comparisons in (("all arms", study.overall), ("equal AUC", study.at_equal)):
        if any(comparison.pairs for comparison in comparisons):
            print_table(f"arms against each other: {title}", *pair_table(comparisons))
    if study.distances:
        print_table("verification against augmentation alone", *equal_table(study))
    for asked, said in verdicts(study):
        print(f"{asked}: {said}")
    for note in study.notes:
        print(f"note: {note}")


def _record(study: Study) -> dict[str, Any]:
    return {
        "runs": [
            {"folder": str(run.folder), "arm": run.arm, "config_hash": run.record["config_hash"]}
            for run in study.runs.runs
        ],
        "face_sets": {
            name: value
            for name, value in study.runs.runs[0].record["face_sets"].items()
            if name != "train"
        },
        "augmentation": study.augmentation,
        "equal": study.tolerance,
        "equal_arms": list(study.equal),
        "verdicts": dict(verdicts(study)),
        "notes": list(study.notes),
        "versions": versions(),
    }


def _page(study: Study) -> Iterator[str]:
    arms = study.runs.arms
    yield "# Which objective moves its target most"
    yield ""
    yield f"{len(study.runs.runs)} runs, {len(arms)} arms: {'; '.join(arms)}."
    yield ""
    yield f"Intervals: {INTERVALS}"
    yield from _section("What the runs say", [f"- {a}: {said}" for a, said in verdicts(study)])
    yield from _section(
        "Mean change over attributes", markdown(*mean_table(study, measure_names(study)))
    )
    yield from _section("Verification", _verification(study))
    yield from _compared("Arms against each other", study.overall)
    yield from _compared("Arms of equal verification against each other", study.at_equal)
    pictures = [f"![{measure}]({FIGURES}/objectives-{measure}.png)" for measure in _moved(study)]
    yield from _section("The move against its cost", pictures)
    yield from _section("Compatibility with the old gallery", _compatibility(study))
    changes = change_table(study, measure_names(study))
    yield from _section("Change of each target", markdown(*changes))
    for (measure, arm), cells in study.matrices.items():
        picture = f"![{arm}: {measure}]({FIGURES}/{_matrix_name(measure, arm)}.png)"
        lines = [*markdown(*matrix_table(cells)), "", picture]
        yield from _section(f"{arm}: {measure}, fine-tuned for × measured", lines)
    if study.notes:
        yield from _section("What a reader must know", [f"- {note}" for note in study.notes])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", *lines)


def _verification(study: Study) -> list[str]:
    if study.augmentation is None:
        return [
            "No arm is the identity loss alone, so none says what equal verification is. Add its "
            "runs (`objective=none`, or `objective.pull=0`), or name an arm: `augmentation=…`."
        ]
    return [
        f"Equal: the mean change of the AUC is within {study.tolerance:g} of that of "
        f"{study.augmentation}, on the attributes and seeds that both have.",
        "",
        *markdown(*equal_table(study)),
    ]


def _compatibility(study: Study) -> list[str]:
    if not study.compatibility:
        return ["No run compared with the model that it started from."]
    text = (
        "How the untouched model's gallery serves after the fine-tuning, less how it served "
        "before: `none/to` new probes as they are, `ridge/to` new probes mapped, `ridge/from` the "
        "gallery's own templates mapped to the new model. " + SEEDS
    )
    pictures = [f"![{m}]({FIGURES}/trade-off-{m}.png)" for m in _trade_offs(study)]
    return [text, "", *markdown(*compatibility_table(study)), "", *pictures]


def _trade_offs(study: Study) -> dict[str, Panels]:
    """The panels of each geometric measure; those of one arm, or of none, say nothing."""
    return {
        measure: panels
        for measure in _moved(study)
        if (
            panels := {
                (figure, label): found
                for figure in service_figures(study.compatibility)
                for service, label in SERVICES.items()
                if len(
                    found := standings(
                        study.changes, study.compatibility, measure, f"{service}/{figure}"
                    )
                )
                > 1
            }
        )
    }


def _intervals(study: Study) -> str:
    if len({change.attribute for change in study.changes}) == 1:
        return "95 % over people, widened to the range of the seeds"
    return "95 % over attributes"


def _compared(title: str, comparisons: tuple[Comparison, ...]) -> Iterator[str]:
    if any(comparison.pairs for comparison in comparisons):
        text = (
            "Each arm's change in its own direction, seeds averaged, on the attributes that both "
            "have; Wilcoxon's signed-rank test over attributes, adjusted (Holm) for the pairs of a "
            "measure. * interval and test agree."
        )
        yield from _section(title, [text, "", *markdown(*pair_table(comparisons))])


def _moved(study: Study) -> list[str]:
    """The geometric measures that some run has of its target."""
    return [comparison.measure for comparison in study.overall if comparison.arms]


def _matrix_name(measure: str, arm: str) -> str:
    return plain_name(f"matrix-{measure}-{arm}")
