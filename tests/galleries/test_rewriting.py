from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from galleries.files import COUNT, FORMATS, embeddings, read, written
from galleries.killed import ARGUMENTS, MAP, ROWS, mapped
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries import open_gallery, output, rewrite_gallery


def rewrite(source: Path, target: Path, transform: Any = mapped, **changed: Any) -> str:
    given = {"rows": ROWS, **ARGUMENTS, **changed}
    return rewrite_gallery(open_gallery(source), target, transform, **given)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_all_else_is_carried_over(tmp_path: Path, suffix: str, dtype: str) -> None:
    source, target = written(tmp_path, suffix, embeddings(dtype)), tmp_path / f"new.{suffix}"
    digest = rewrite(source, target)
    assert digest == sha256(target.read_bytes()).hexdigest()
    check = ["sha256sum", "-c", "--status", f"new.{suffix}.sha256"]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0
    assert left(tmp_path) == []
    (before, columns, facts), (after, kept, now) = read(source), read(target)
    assert after.dtype == dtype
    wide = np.float64 if dtype == "float64" else np.float32
    np.testing.assert_allclose(after, before.astype(wide) @ MAP, rtol=1e-2, atol=1e-3)
    assert kept == columns
    assert now == {**facts, "model": "b" * 64, "map": "ridge"}
    gallery = open_gallery(target)
    assert (gallery.model, gallery.facts) == ("b" * 64, {"distance": "cosine", "map": "ridge"})


def test_no_more_than_a_chunk_at_a_time(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def transform(rows: NDArray[Any]) -> NDArray[Any]:
        seen.append(rows.shape)
        assert rows.dtype == np.float32
        return mapped(rows)

    rewrite(written(tmp_path, "npy", embeddings("float16")), tmp_path / "new.npy", transform)
    assert seen == [(8, 6)] * 6 + [(2, 6)]


def test_kill_and_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for chunks in (3, 99):  # midway, and when all rows are done but the file has no name
        (tmp_path / str(chunks)).mkdir()
        for suffix in FORMATS:
            written(tmp_path / str(chunks), suffix)
    script = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path)]
    root = Path(__file__).parents[2]
    said = subprocess.run(
        script, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False
    )
    assert said.returncode == 0
    for suffix in FORMATS:
        source = tmp_path / "3" / f"old.{suffix}"
        undisturbed = rewrite(source, tmp_path / f"whole.{suffix}")
        for chunks in (3, 99):
            folder = tmp_path / str(chunks)
            target, rows = folder / f"new.{suffix}", []

            def transform(given: NDArray[Any], rows: list[int] = rows) -> NDArray[Any]:
                rows.append(len(given))
                return mapped(given)

            assert not target.exists()
            assert left(folder)
            assert rewrite(folder / f"old.{suffix}", target, transform) == undisturbed
            # The chunk before the kill may not have been noted yet.
            assert COUNT - sum(rows) in ((16, 24) if chunks == 3 else (COUNT,))
            assert target.read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()
    assert left(tmp_path / "3") == left(tmp_path / "99") == []


class Stop(Exception):
    pass


def stopped(source: Path, target: Path, after: int = 4) -> list[Path]:
    """Begin, stop after some chunks, and return the work that is kept."""
    count = [0]

    def transform(rows: NDArray[Any]) -> NDArray[Any]:
        count[0] += 1
        if count[0] > after:
            raise Stop
        return mapped(rows)

    with pytest.raises(Stop):
        rewrite(source, target, transform)
    assert not target.exists()
    return sorted(target.parent.glob(".*.part"))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_part_is_noticed(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = written(tmp_path, suffix), tmp_path / f"new.{suffix}"
    undisturbed = rewrite(source, tmp_path / f"whole.{suffix}")
    (part,) = stopped(source, target)
    data = bytearray(part.read_bytes())
    _, end, _ = json.loads(part.with_name(part.name + ".journal").read_text().splitlines()[-1])
    data[end - 5] ^= 1
    part.write_bytes(data)
    assert rewrite(source, target) == undisturbed
    assert "is damaged after row" in capsys.readouterr().out


def test_another_map_or_source_starts_afresh(tmp_path: Path) -> None:
    source, target = written(tmp_path, "npz"), tmp_path / "new.npz"
    (part,) = stopped(source, target)
    assert part.stat().st_size > 500
    rewrite(source, target, lambda rows: 2 * mapped(rows), key="double")
    np.testing.assert_allclose(read(target)[0], 2 * embeddings() @ MAP, rtol=1e-5)
    target.unlink()
    stopped(source, target)
    written(tmp_path, "npz", 3 * embeddings())
    rewrite(source, target)
    np.testing.assert_allclose(read(target)[0], 3 * embeddings() @ MAP, rtol=1e-5)


def test_what_is_complete_is_not_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = written(tmp_path, "safetensors"), tmp_path / "new.safetensors"
    digest = rewrite(source, target)
    assert rewrite(source, target, transform=None) == digest
    assert "is complete already" in capsys.readouterr().out
    with pytest.raises(FaceGeomError, match="exists already, and is not what"):
        rewrite(source, target, facts={"map": "procrustes"})
    target.write_bytes(target.read_bytes()[:-1] + b"!")
    with pytest.raises(FaceGeomError, match="has changed since it was written"):
        rewrite(source, target)


def test_what_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path, "npy")
    with pytest.raises(FaceGeomError, match=r"must end in \.npy"):
        rewrite(source, tmp_path / "new.npz")
    with pytest.raises(FaceGeomError, match=r"is the gallery itself"):
        rewrite(source, tmp_path / "." / "old.npy")
    (tmp_path / "other.npy").write_bytes(b"precious")
    with pytest.raises(FaceGeomError, match="exists already"):
        rewrite(source, tmp_path / "other.npy")
    with pytest.raises(FaceGeomError, match=r"made \(8, 4\) of \(8, 6\), and \(…, 5\)"):
        rewrite(source, tmp_path / "new.npy", dimension=5)
    (tmp_path / "beside.json").write_text("{}")
    with pytest.raises(FaceGeomError, match=r"beside\.json.* holds something else"):
        rewrite(source, tmp_path / "beside.npy")
    with (
        FileLock(tmp_path / ".new.npy.lock"),
        pytest.raises(FaceGeomError, match="Another process is writing"),
    ):
        rewrite(source, tmp_path / "new.npy")
    assert not (tmp_path / "new.npy").exists()
    assert (tmp_path / "other.npy").read_bytes() == b"precious"


def test_a_source_that_changes_meanwhile(tmp_path: Path) -> None:
    source = written(tmp_path, "npy")

    def transform(rows: NDArray[Any]) -> NDArray[Any]:
        os.utime(source, (1, 1))
        return mapped(rows)

    with pytest.raises(FaceGeomError, match="was changed while it was read"):
        rewrite(source, tmp_path / "new.npy", transform)
    assert not (tmp_path / "new.npy").exists()


def test_new_embeddings_that_are_not_finite(tmp_path: Path) -> None:
    source = written(tmp_path, "npy", embeddings("float16"))
    with pytest.raises(FaceGeomError, match=r"in 8 rows: 0, 1.* too large for float16"):
        rewrite(source, tmp_path / "new.npy", lambda rows: 1e6 * mapped(rows))


def test_a_full_disk_keeps_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = written(tmp_path, "npy"), tmp_path / "new.npy"
    written_bytes = [0]
    write = os.write

    def full(file: int, data: memoryview) -> int:
        written_bytes[0] += len(data)
        if written_bytes[0] > 600:
            raise OSError(28, "No space left on device")
        return write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(output.os, "write", full)
        with pytest.raises(FaceGeomError, match=r"No space left .* What was done is kept"):
            rewrite(source, target)
    assert not target.exists()
    rows: list[int] = []
    rewrite(source, target, lambda given: (rows.append(len(given)), mapped(given))[1])
    assert sum(rows) < COUNT
    np.testing.assert_allclose(np.load(target), embeddings() @ MAP, rtol=1e-5)


def test_lists_of_variable_size_stay_so(tmp_path: Path) -> None:
    column = pa.array(list(embeddings("float64")), pa.large_list(pa.float64()))
    words = pa.array([f"p{row}" for row in range(COUNT)]).dictionary_encode()
    source = tmp_path / "old.parquet"
    pq.write_table(pa.table({"who": words, "v": column}), source, compression="gzip")
    rewrite(source, tmp_path / "new.parquet")
    before, after = pq.ParquetFile(source), pq.ParquetFile(tmp_path / "new.parquet")
    assert after.schema_arrow.types == before.schema_arrow.types
    assert after.read(["who"]) == before.read(["who"])
    assert after.metadata.row_group(0).column(1).compression == "GZIP"
    np.testing.assert_allclose(
        np.stack(after.read(["v"])["v"].to_numpy()), embeddings("float64") @ MAP
    )


@pytest.mark.parametrize("array", [np.asfortranarray(embeddings()), embeddings().astype(">f4")])
def test_other_orders_are_read_and_written_plainly(tmp_path: Path, array: NDArray[Any]) -> None:
    np.save(tmp_path / "old.npy", array)
    rewrite(tmp_path / "old.npy", tmp_path / "new.npy")
    new = np.load(tmp_path / "new.npy")
    assert new.dtype.isnative
    assert new.flags.c_contiguous
    np.testing.assert_allclose(new, embeddings() @ MAP, rtol=1e-5)


def test_others_of_an_archive_keep_their_compression(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "old.npz", embeddings=embeddings(), flags=np.ones((9, 2), "?"))
    rewrite(tmp_path / "old.npz", tmp_path / "new.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "new.npz")["flags"], np.ones((9, 2), "?"))
    assert read(tmp_path / "new.npz")[0].shape == (COUNT, 4)


def test_a_matrix_called_by_its_model_is_called_by_the_new_one(tmp_path: Path) -> None:
    source, facts = tmp_path / "old.npz", {"card": "second"}
    for name, expected in (("first", "second"), ("templates", "templates")):
        np.savez(source, card=np.array("first"), **{name: embeddings("float32")})
        rewrite(source, tmp_path / f"{name}.npz", facts=facts)
        assert expected in np.load(tmp_path / f"{name}.npz").files
    np.savez(source, card=np.array("first"), first=embeddings("float32"), second=np.arange(COUNT))
    rewrite(source, tmp_path / "taken.npz", facts=facts)
    assert {"first", "second"} < set(np.load(tmp_path / "taken.npz").files)
