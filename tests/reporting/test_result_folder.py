from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import wandb

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.reporting.result_folder import result_folder, settings_hash, wandb_run


def test_what_a_result_may_replace(tmp_path: Path) -> None:
    assert result_folder(tmp_path / "new", "r.json", "result") == tmp_path / "new"
    for name in ("empty", "earlier"):
        (tmp_path / name).mkdir()
    (tmp_path / "earlier" / "r.json").write_text("{}")
    result_folder(tmp_path / "empty", "r.json", "result")
    result_folder(tmp_path / "earlier", "r.json", "result")
    (tmp_path / "file").write_text("precious")
    for occupied in (tmp_path, tmp_path / "file"):
        with pytest.raises(FaceGeomError, match="holds no result, so it is not replaced"):
            result_folder(occupied, "r.json", "result")
    with pytest.raises(FaceGeomError, match=r"Cannot write .*Not a directory"):
        result_folder(tmp_path / "file" / "below", "r.json", "result")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["earlier", "empty", "file"]


def test_a_folder_s_name_does_not_follow_from_where_and_how_fast() -> None:
    first = settings_hash([{"a": 1}], {"seed": 0, "batch_size": 1, "output": "x"})
    assert first == settings_hash([{"a": 1}], {"seed": 0, "batch_size": 9, "output": None})
    assert first != settings_hash([{"a": 1}], {"seed": 1, "batch_size": 1})
    assert first != settings_hash([{"a": 2}], {"seed": 0})
    assert len(first) == 12


def test_an_account_that_is_missing_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**given: Any) -> None:
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr(wandb, "init", refuse)
    said = r"wandb=online: No API key configured. The results are complete in .*wandb login"
    with (
        pytest.raises(FaceGeomError, match=said),
        wandb_run(tmp_path / "out", "analyze", {}, "online", "p", {"set"}),
    ):
        pass
