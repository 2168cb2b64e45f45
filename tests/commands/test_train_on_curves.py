from __future__ import annotations

from pathlib import Path

import pytest
from commands.launch import record, refused, train

pytestmark = pytest.mark.slow
SMALL = ("debug=fdr", "synthesis=renderer", "reference=none", "logger=csv")


def test_energy_is_trained_on_whole_curves(tmp_path: Path) -> None:
    run = record(train("experiment=energy", *SMALL, "training.curves=2", output=tmp_path))
    assert run["objective"] == "Energy"
    assert run["differences"]["val/energy/hair_color"]["difference"] is not None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("objective=energy",), "needs whole curves in a batch"),
        (("experiment=energy", "attribute=none"), "needs an attribute"),
        (("training.curves=1",), "training.curves must be at least 2"),
        (("training.curves=2", "data=folder", "data.root=."), "Choose data=generated or"),
    ],
)
def test_curves_that_cannot_be(overrides: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert message in refused(*SMALL, *overrides, output=tmp_path)
    assert not (tmp_path / "cache").exists()
