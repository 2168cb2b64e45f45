from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facegeom_lit.reporting.sweep_matrix import sweep_cells, sweep_figure


def run(attribute: str, seed: int, table: dict[str, float]) -> dict[str, Any]:
    return {
        "attribute": attribute,
        "seed": seed,
        "overrides": [f"attribute={attribute}", f"seed={seed}"],
        "identity_differences": {"energy": {"hue": table}},
    }


def people(values: list[float]) -> dict[str, float]:
    return {f"p{number}": value for number, value in enumerate(values)}


def test_seeds_are_averaged_before_identities_are_drawn() -> None:
    records = [run("hue", 0, people([1.0] * 8)), run("hue", 1, people([3.0] * 8))]
    cell = sweep_cells(records, "energy")["hue", "hue"]
    assert cell.value == pytest.approx(2.0)
    # Identities agree, so the interval is the range of the seeds.
    assert (cell.low, cell.high) == (1.0, 3.0)
    assert cell.star == "*"
    assert cell.identities == 8


def test_an_identity_that_one_seed_lacks_is_left_out_of_all() -> None:
    records = [
        run("hue", 0, {"a": 1.0, "b": 1.0, "c": 9.0}),
        run("hue", 1, {"a": 1.0, "b": 1.0}),
    ]
    cell = sweep_cells(records, "energy")["hue", "hue"]
    assert (cell.value, cell.identities) == (1.0, 2)


def test_what_else_a_sweep_varies_is_not_averaged_over() -> None:
    records = [run("hue", 0, {"a": 1.0, "b": 1.0}), run("hue", 0, {"a": 3.0, "b": 3.0})]
    for record, head in zip(records, ("arcface", "adaface"), strict=True):
        record["overrides"].append(f"head={head}")
    cells = sweep_cells(records, "energy")
    assert cells["hue, head=arcface", "hue"].value == 1.0
    assert cells["hue, head=adaface", "hue"].value == 3.0


def test_a_sweep_without_baselines_has_no_cells() -> None:
    record = run("hue", 0, {}) | {"identity_differences": {}}
    assert sweep_cells([record], "energy") == {}


def test_few_identities_have_a_difference_and_no_interval() -> None:
    cells = sweep_cells([run("hue", 0, {"a": 1.0}), run("age", 0, {})], "energy")
    assert cells["hue", "hue"].text == "+1.000"
    assert cells["age", "hue"].text == "–"


def test_the_matrix_is_drawn(tmp_path: Path) -> None:
    cells = sweep_cells([run("hue", 0, {"a": 0.1, "b": -0.3})], "energy")
    sweep_figure(tmp_path / "m.png", cells, "energy")
    assert min(Image.open(tmp_path / "m.png").size) > 100
