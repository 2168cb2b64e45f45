from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from faces.pictures import picture
from migration import migration_cases as cases
from PIL import Image

from facegeom_lit.commands.migrate import main
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.migration import load_map
from facegeom_lit.models import FaceModel, ModelCard, load_face_model, save_face_model
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.embed import model_hash


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Embeddings of 60 people by two models, and, as another file, of 20 other people."""
    for name, people, seed in (("anchors", 60, 0), ("others", 20, 9)):
        seen, labels = cases.faces(people, 5, seed)
        names = np.array([f"{name}{label}" for label in labels])
        embeddings = {"a": cases.old_of(seen, seed), "b": cases.new_of(seen, seed)}
        np.savez(tmp_path / f"{name}.npz", identity=names, **embeddings)
        np.save(tmp_path / f"{name}.npy", embeddings["a"].astype(np.float32))
    return tmp_path / "anchors.npz"


def few(place: Path) -> list[str]:
    return [f"paths.output={place / 'outputs'}", "bootstrap.resamples=30", "fars=[1e-2]"]


def test_from_embeddings_to_a_verified_map(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.safetensors"
    main([f"embeddings={file}", "old=a", "new=b", f"map={path}", *few(tmp_path)])
    said = capsys.readouterr().out
    assert "anchor images" in said
    assert said.splitlines()[-1] == f"output: {path}"
    assert path.with_suffix(".png").is_file()
    main([f"map={path}"])
    assert "mapped: new probes, mapped gallery" in capsys.readouterr().out
    new = tmp_path / "new"
    galleries = f"gallery=[{tmp_path / 'anchors.npy'},{tmp_path / 'others.npy'}]"
    main([f"map={path}", galleries, f"output={new}"])
    assert np.load(new / "others.npy").shape == (100, 32)
    assert capsys.readouterr().out.count("sha256: ") == 2
    others = f"verify={tmp_path / 'others.npz'}"
    main([f"map={path}", others, "old=a", "new=b", f"output={tmp_path / 'v'}", *few(tmp_path)])
    assert "verified on 20 people, 100 images" in capsys.readouterr().out
    record = json.loads((tmp_path / "v" / "verification.json").read_text())
    assert record["measured"]["mapped"]["rank1"]["value"] > 0.8
    assert (tmp_path / "v" / "verification.png").is_file()
    with pytest.raises(FaceGeomError, match="exists already, and galleries may"):
        main([f"embeddings={file}", "old=a", "new=b", f"map={path}"])
    source = f"embeddings={{path: {file}, center: [a]}}"
    with pytest.raises(FaceGeomError, match="takes the mean of this file away"):
        main([source, "old=a", "new=b", f"map={tmp_path / 'm.safetensors'}"])


def test_from_face_models_and_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        arguments = {"width": 0.25, "dimension": 16}
        card = ModelCard(name, "mobilefacenet", 16, arguments)
        model = FaceModel(build_backbone("mobilefacenet", **arguments), card)
        save_face_model(model, tmp_path / name)
    for person in range(12):
        folder = tmp_path / "faces" / f"p{person}"
        folder.mkdir(parents=True)
        for number in range(2):
            noise = np.random.default_rng(number).integers(0, 30, (112, 112, 1))
            image = picture(person + 1, 112).astype(int) + noise
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    path, models = tmp_path / "map.safetensors", [f"{k}={tmp_path / v}" for k, v in
                                                  (("old", "one"), ("new", "two"))]  # fmt: skip
    given = [*models, f"anchors={tmp_path / 'faces'}", f"map={path}", "judges=0.5"]
    main([*given, "flip=false", "device=cpu", "method=procrustes", *few(tmp_path)])
    card = load_map(path).card
    hashes = [model_hash(load_face_model(tmp_path / name)) for name in ("one", "two")]
    assert [card.old.hash, card.new.hash] == hashes
    assert (card.flip, card.people, card.images, card.judged_people) == (False, 12, 24, 6)
    np.save(tmp_path / "old.npy", np.ones((2, 16), np.float32))
    apply = [f"map={path}", f"gallery={tmp_path / 'old.npy'}", f"output={tmp_path / 'new.npy'}"]
    with pytest.raises(FaceGeomError, match="of the new model, 'two', already"):
        main([*apply, f"gallery_model={tmp_path / 'two'}"])
    with pytest.raises(FaceGeomError, match="is of the model cccc"):
        main([*apply, f"gallery_model={'c' * 12}"])
    with pytest.raises(FaceGeomError, match="is no path of a face model, and no hash"):
        main([*apply, "gallery_model=abc"])
