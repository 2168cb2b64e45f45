from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from migration import migration_cases as cases
from safetensors.numpy import save_file

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding_file import read_embedding_file
from facegeom_lit.galleries import open_gallery
from facegeom_lit.migration.card import ARRAY, MapCard, Side
from facegeom_lit.migration.checking import check_gallery, check_looks
from facegeom_lit.migration.map_file import map_hash
from facegeom_lit.migration.migration_map import MigrationMap, placed
from facegeom_lit.migration.pairs import split_people
from facegeom_lit.migration.profile import Profile


def told(path: Path, migration: MigrationMap, stated: str | None = None) -> str:
    with pytest.raises(FaceGeomError) as refused:
        check_gallery(open_gallery(path), migration, stated=stated)
    return str(refused.value)


def test_a_gallery_of_the_old_model_is_taken(migration: MigrationMap, gallery: Path) -> None:
    found = check_gallery(open_gallery(gallery), migration)
    assert found.reading.rows == 200
    assert found.reading.agreement is not None
    assert found.reading.agreement > 0.8
    assert found.notes == (f"{gallery} does not say which model made it; its looks alone were "
                           "checked.",)  # fmt: skip
    assert check_gallery(open_gallery(gallery), migration, stated="a" * 12).notes == ()
    np.save(gallery, np.load(gallery)[:3] * 9)  # of any length: the map takes directions
    few = check_gallery(open_gallery(gallery), migration, stated="a" * 64)
    assert few.notes == ("3 templates are too few to know a model's axes by (30).",)


def test_a_gallery_that_does_not_look_like_the_model_is_refused(
    migration: MigrationMap, gallery: Path
) -> None:
    right = np.load(gallery)
    g = np.random.default_rng(0)
    others = {
        "another model": cases.embedded(cases.faces(50, 4, 7)[0], 3, 40, 0),
        "columns in another order": right[:, g.permutation(40)],
        "turned": right @ np.linalg.qr(g.normal(size=(40, 40)))[0],
        "moved": right + 20,
    }
    for name, templates in others.items():
        np.save(gallery, templates.astype(np.float32))
        said = told(gallery, migration)
        assert "does not look like templates of 'first': agreement of axes" in said, name
        assert "Mahalanobis distance" in said
    np.save(gallery, right[:, :30])
    assert "of 30 dimensions, the map takes those of 'first', of 40" in told(gallery, migration)
    right[5] = 0
    np.save(gallery, right)
    assert "length zero (1 of 200" in told(gallery, migration)
    right[5] = np.nan
    np.save(gallery, right)
    assert "NaN or infinity in 1 rows: 5" in told(gallery, migration)


def test_a_gallery_of_another_hash_is_refused(migration: MigrationMap, gallery: Path) -> None:
    templates, card = np.load(gallery), migration.card

    def recorded(model: str, **facts: str) -> Path:
        path = gallery.with_suffix(".safetensors")
        save_file({"embeddings": templates}, path, metadata={"model": model, **facts})
        return path

    assert check_gallery(open_gallery(recorded(card.old.hash)), migration).notes == ()
    (note,) = check_gallery(open_gallery(recorded(card.old.hash, flip="false")), migration).notes
    assert "flip=false, the anchors had flip=true" in note
    (note,) = check_gallery(open_gallery(recorded(f"{ARRAY}x")), migration).notes
    assert "whether these are the same is not known" in note
    assert "is of the model dddd" in told(recorded("d" * 64), migration)
    assert "is of the model dddd" in told(gallery, migration, "d" * 64)
    assert "of the new model, 'second', already" in told(recorded(card.new.hash), migration)
    assert "is migrated already, by this map" in told(
        recorded(card.new.hash, map=map_hash(migration)), migration
    )
    assert "gallery_model says eeee" in told(recorded(card.old.hash), migration, "e" * 64)


def test_the_word_of_a_gallery_counts_for_more_than_its_looks(
    migration: MigrationMap, gallery: Path
) -> None:
    path = gallery.with_suffix(".safetensors")
    other = (np.load(gallery) + 20).astype(np.float32)
    save_file({"embeddings": other}, path, metadata={"model": migration.card.old.hash})
    (note,) = check_gallery(open_gallery(path), migration).notes
    assert "says which model made it, but does not look like templates of 'first'" in note


def test_few_held_out_images_refuse_nothing_by_its_looks(
    migration: MigrationMap, gallery: Path
) -> None:
    held_out = replace(migration.card.held_out, agreement=None, rows=18)
    few = replace(migration, card=replace(migration.card, held_out=held_out))
    np.save(gallery, np.load(gallery) + 20)
    *_, note = check_gallery(open_gallery(gallery), few).notes
    assert "18 held-out images, too few to know a gallery by its looks" in note


def test_unit_templates_of_a_euclidean_model_are_refused(
    migration: MigrationMap, gallery: Path
) -> None:
    card = replace(migration.card, old=replace(migration.card.old, distance="euclidean"))
    templates = np.load(gallery)
    np.save(gallery, templates / np.linalg.norm(templates, axis=1, keepdims=True))
    assert "their lengths are lost" in told(gallery, replace(migration, card=card))


def test_nine_real_models_are_told_apart(migration: MigrationMap, real_data: Path) -> None:
    celeba, att = (
        read_embedding_file(
            {"path": str(real_data / "embeddings" / f"{name}.npz"), "euclidean": ["densenet_hinge"]}
        )
        for name in ("celeba_subset", "att")
    )
    fits, judges = split_people(celeba.labels, 0.3, 0)
    cards: dict[str, tuple[MapCard, Profile]] = {}
    for name, points in celeba.models.items():
        side = Side(name, f"{ARRAY}{name}", points.shape[1], celeba.distances[name])
        points = placed(points, side)
        held_out = Profile.of(points[fits]).read(points[judges])
        card = replace(migration.card, old=side, held_out=held_out)
        cards[name] = card, Profile.of(points[fits])
        check_looks(att.models[name], cards[name][1], card, name)  # other faces, same model
    tried = 0
    for name, other in permutations(cards, 2):
        card, profile = cards[name]
        if card.old.dimension == att.models[other].shape[1]:
            tried += 1
            with pytest.raises(FaceGeomError, match="does not look like"):
                check_looks(att.models[other], profile, card, other)
    assert tried == 36
    turned = torch.linalg.qr(torch.randn(128, 128, generator=torch.Generator().manual_seed(0)))[0]
    card, profile = cards["mobilefacenet_y1"]  # the roundest
    with pytest.raises(FaceGeomError, match="does not look like"):
        check_looks(att.models["mobilefacenet_y1"] @ turned, profile, card, "turned")
