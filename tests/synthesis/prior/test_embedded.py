"""The prior that ships with the project keeps what it promises."""

from __future__ import annotations

import json

import numpy as np
import torch
import yaml

from facegeom_lit.geometry.synthesis_quality import identity_consistency
from facegeom_lit.models import load_face_model
from facegeom_lit.models.attribute_regressor import AttributeRegressor
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.prior.maker import DiffusionMaker
from facegeom_lit.synthesis.recipe import Recipe, recipe_from_config

MODELS = resource("data") / "models"
PEOPLE, IMAGES = 12, 4


def drawn(recipe: Recipe) -> torch.Tensor:
    images = DiffusionMaker(MODELS / "prior", processes=1).faces(recipe.samples())
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())


def test_it_is_small_and_says_where_it_comes_from() -> None:
    files = [
        file for name in ("prior", "attribute_regressor") for file in (MODELS / name).rglob("*")
    ]
    assert sum(file.stat().st_size for file in files if file.is_file()) < 20e6
    recipe = json.loads((MODELS / "prior" / "recipe.json").read_text())
    assert recipe["command"].startswith("python train.py experiment=prior")
    assert len((MODELS / "prior" / "training_log.csv").read_text().splitlines()) > 50
    for file in files:
        if file.suffix == ".json":
            assert "_name_or_path" not in file.read_text(), f"{file} names a place on one machine"


def test_attributes_are_followed() -> None:
    recipe = Recipe("coverage", PEOPLE, images_per_identity=IMAGES, first_identity=730000)
    regressor = AttributeRegressor.load(MODELS / "attribute_regressor")
    with torch.inference_mode():
        measured = regressor(drawn(recipe))
    for name, least in {"pose": 0.95, "illumination": 0.9, "skin_tone": 0.8, "age": 0.6}.items():
        asked = [sample.attributes[name] for sample in recipe.samples()]
        found = measured[:, regressor.attributes.index(name)].tolist()
        assert np.corrcoef(asked, found)[0, 1] > least, name


def test_people_stay_themselves() -> None:
    """By a face model that saw rendered faces of other people."""
    synthesis = yaml.safe_load((resource("conf") / "synthesis" / "renderer.yaml").read_text())
    counts = {"identities": PEOPLE, "images_per_identity": IMAGES, "first_identity": 730000}
    recipe = recipe_from_config("verification", {**synthesis, "verification": counts})
    model = load_face_model(MODELS / "mobilefacenet")
    with torch.inference_mode():
        embeddings = model(drawn(recipe))
    labels = torch.arange(PEOPLE).repeat_interleave(IMAGES)
    assert identity_consistency(embeddings, labels).value > 0.95
