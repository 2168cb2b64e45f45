"""One table in three forms: CSV and Parquet for machines, LaTeX for a paper."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_path
from facegeom_lit.reporting.style import words

Columns = Mapping[str, Sequence[Any]]
"""Name → values of one kind: text, numbers or truth values; None or NaN where there is none."""

LONGEST = 45
"""Rows that one page of a paper holds; a longer table breaks over pages."""
DIGITS = 3
"""Digits after the point in LaTeX."""

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"$<$",
        ">": r"$>$",
        "|": r"$|$",
        "[": "{[}",  # after the end of a row these two would be its options
        "*": "{*}",
        "\n": " ",
        "–": "--",
        "−": "$-$",
        "→": r"$\rightarrow$",
        "×": r"$\times$",
        "ρ": r"$\rho$",
        "≤": r"$\leq$",
        "≥": r"$\geq$",
        "…": r"\dots{}",
    }
)


def write_frame(folder: str | Path, name: str, columns: Columns, caption: str = "") -> None:
    r"""Write `name.csv`, `name.parquet` and `name.tex`: all three, or none.

    CSV and Parquet hold every digit; an undefined value is an empty field there, or null. The
    LaTeX needs `\usepackage{booktabs}`, and `\usepackage{longtable}` beyond `LONGEST` rows.

    Args:
        folder: Where they shall stand.
        name: Of the files, without an ending.
        columns: The table; every column has as many values.
        caption: Of the table in LaTeX.

    Raises:
        FaceGeomError: When there is no column, columns differ in length, a column mixes text and
            numbers, or a file cannot be written.

    Example:
        >>> from tempfile import mkdtemp
        >>> write_frame(mkdtemp(), "energy", {"attribute": ["age", "hue"], "energy": [0.8, None]})
    """
    table = _table(name, columns)
    rows = list(zip(*table.values(), strict=True))
    try:
        arrow = pa.table({key: _array(values) for key, values in table.items()})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise FaceGeomError(
            f"Table {name}: a column mixes kinds of values ({error}). Give text, numbers or truth "
            "values, one kind a column."
        ) from error
    path = Path(folder)
    with ExitStack() as stack:
        as_csv, as_parquet, as_latex = (
            stack.enter_context(atomic_path(path / f"{name}.{ending}"))
            for ending in ("csv", "parquet", "tex")
        )
        with as_csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table)
            writer.writerows(rows)
        pq.write_table(arrow, as_parquet)
        as_latex.write_text(latex(name, table, caption), encoding="utf-8")


def latex(name: str, columns: Columns, caption: str = "") -> str:
    """Return a table as LaTeX: numbers to three digits, an en dash where there is none.

    Args:
        name: Of its label, `tab:name`.
        columns: The table.
        caption: Above it, plain text.
    """
    table = _table(name, columns)
    align = "".join("l" if _is_text(values) else "r" for values in table.values())
    head = " & ".join(escape(words(key)) for key in table) + r" \\"
    body = [" & ".join(map(cell, row)) + r" \\" for row in zip(*table.values(), strict=True)]
    label = rf"\label{{tab:{name}}}"
    above = [rf"\caption{{{escape(caption)}}}{label}"] if caption else []
    if len(body) > LONGEST:
        lines = [
            r"% \usepackage{booktabs,longtable}",
            rf"\begin{{longtable}}{{{align}}}",
            *(line + r"\\" for line in above),
            r"\toprule",
            head,
            r"\midrule",
            r"\endhead",
            r"\bottomrule",
            r"\endfoot",
            *body,
            r"\end{longtable}",
        ]
    else:
        lines = [
            r"% \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            *above,
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    r"""Return text as LaTeX prints it.

    Example:
        >>> escape("50 % of a_b")
        '50 \\% of a\\_b'
    """
    return text.translate(_ESCAPES)


def cell(value: Any) -> str:
    r"""Return one value as LaTeX: a rounded number, escaped text, or an en dash for None.

    Example:
        >>> cell(-0.12345), cell(3), cell(None), cell(2.5e-7)
        ('$-0.123$', '3', '--', '$2.50 \\times 10^{-7}$')
    """
    if value is None:
        return "--"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return escape(str(value))
    if math.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    if isinstance(value, float) and 0 < abs(value) < 0.5 * 10**-DIGITS:
        mantissa, power = f"{value:.2e}".split("e")
        return rf"${mantissa} \times 10^{{{int(power)}}}$"
    text = str(value) if isinstance(value, int) else f"{value + 0.0:.{DIGITS}f}"  # no −0
    return f"${text}$" if text.startswith("-") else text


def _table(name: str, columns: Columns) -> dict[str, list[Any]]:
    """Return the columns as lists of plain values, None where undefined."""
    if not columns:
        raise FaceGeomError(f"Table {name} has no column.")
    table = {key: [_plain(value) for value in values] for key, values in columns.items()}
    lengths = {key: len(values) for key, values in table.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise FaceGeomError(f"Table {name}: columns differ in length: {told}.")
    return table


def _plain(value: Any) -> Any:
    """Return a NumPy or tensor scalar as Python's own; NaN as None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _array(values: Sequence[Any]) -> pa.Array:
    """Return a column; one without any value is of numbers, as most are."""
    unknown = all(value is None for value in values)
    return pa.array(values, type=pa.float64() if unknown else None)


def _is_text(values: Sequence[Any]) -> bool:
    return any(isinstance(value, str | bool) for value in values)
