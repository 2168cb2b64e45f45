from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries import open_gallery
from facegeom_lit.migration.applying import migrate_gallery
from facegeom_lit.migration.migration_map import MigrationMap


def reference(migration: MigrationMap, templates: np.ndarray) -> np.ndarray:
    points = templates.astype(np.float64)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    mapping = migration.mapping
    points = points @ mapping.matrix.double().numpy() + mapping.offset.double().numpy()
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".safetensors"])
def test_every_format_and_dtype_is_mapped(
    migration: MigrationMap, gallery: Path, suffix: str
) -> None:
    templates = np.load(gallery).astype(np.float16 if suffix == ".npy" else np.float32)
    names = [f"q{row // 4}" for row in range(len(templates))]
    path = gallery.with_name(f"in{suffix}")
    if suffix == ".npy":
        np.save(path, templates)
    elif suffix == ".npz":
        np.savez(path, embeddings=templates, identity=np.array(names))
    elif suffix == ".parquet":
        lists = pa.FixedSizeListArray.from_arrays(pa.array(templates.ravel()), 40)
        pq.write_table(pa.table({"identity": names, "embedding": lists}), path)
    else:
        save_file({"embeddings": templates}, path)
    output = gallery.with_name(f"out{suffix}")
    done = migrate_gallery(open_gallery(path), output, migration)
    assert done.hash == sha256(output.read_bytes()).hexdigest()
    assert done.hash in output.with_name(f"{output.name}.sha256").read_text()
    written = open_gallery(output)
    found = written.rows(0, written.count)
    assert found.dtype == templates.dtype
    np.testing.assert_allclose(found, reference(migration, templates), atol=1e-3)
    assert written.model == migration.card.new.hash
    assert written.facts["card"] == "second"
    if suffix in (".npz", ".parquet"):
        labels = written.labels()
        assert labels is not None
        assert labels.tolist() == names
    record = json.loads(output.with_name(f"{output.name}.json").read_text())
    assert (record["sha256"], record["templates"]) == (done.hash, 200)
    assert record["check"]["reading"]["agreement"] > 0.8
    with pytest.raises(FaceGeomError, match="is migrated already"):
        migrate_gallery(written, output.with_name(f"again{suffix}"), migration)
    assert migrate_gallery(open_gallery(path), output, migration) == done  # complete: nothing to do


def test_a_refused_gallery_leaves_nothing(migration: MigrationMap, gallery: Path) -> None:
    templates = np.load(gallery)
    np.save(gallery, templates[:, ::-1])
    with pytest.raises(FaceGeomError, match="does not look like"):
        migrate_gallery(open_gallery(gallery), gallery.with_name("new.npy"), migration)
    assert [path.name for path in gallery.parent.iterdir()] == ["old.npy"]


def test_a_zero_that_no_sample_held_is_refused(migration: MigrationMap, gallery: Path) -> None:
    templates = np.tile(np.load(gallery), (50, 1))
    templates[300] = 0  # between the blocks that are looked at
    np.save(gallery, templates)
    with pytest.raises(FaceGeomError, match=r"old\.npy has templates of length zero"):
        migrate_gallery(open_gallery(gallery), gallery.with_name("new.npy"), migration)


def test_what_a_safetensors_gallery_says_is_renewed(migration: MigrationMap, gallery: Path) -> None:
    path, output = gallery.with_suffix(".safetensors"), gallery.with_name("new.safetensors")
    old = {"model": migration.card.old.hash, "card": "first", "flip": "true", "set": "x"}
    save_file({"embeddings": np.load(gallery)}, path, metadata=old)
    assert migrate_gallery(open_gallery(path), output, migration).check.notes == ()
    with safe_open(output, framework="np") as file:
        said = file.metadata()
    assert (said["model"], said["card"]) == (migration.card.new.hash, "second")
    assert (said["flip"], said["set"], said["normalized"]) == ("true", "x", "true")
