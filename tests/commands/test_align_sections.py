from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation.alignment.made_models import made_models
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.commands.align import main
from facegeom_lit.commands.align_sections import check_models
from facegeom_lit.commands.align_settings import settings_of
from facegeom_lit.commands.sources import compose_with_sources
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.section_settings import (
    FusionSettings,
    LeakageSettings,
    SurvivalSettings,
    chosen_map,
)
from facegeom_lit.reporting import alignment_report


@pytest.fixture(scope="module")
def whole() -> DictConfig:
    return compose_with_sources("align", [])


def changed(whole: DictConfig, **values: object) -> DictConfig:
    cfg = whole.copy()
    for key, value in values.items():
        OmegaConf.update(cfg, key.replace("__", "."), value)
    return cfg


def test_sections_are_what_the_configuration_says(whole: DictConfig) -> None:
    settings = settings_of(whole)
    assert settings.leakage == LeakageSettings()
    assert settings.survival == SurvivalSettings()
    assert settings.fusion == FusionSettings()
    assert chosen_map(settings.maps, None).name == "ridge"
    assert chosen_map(settings.maps[:2], None).name == "linear"
    cfg = changed(
        whole,
        leakage__attributes=["Male"],
        leakage__pairs=[["a", "b"]],
        leakage__map="procrustes",
        survival__attributes="none",
        survival__pairs="none",
        fusion__groups=[["a", "b"]],
    )
    settings = settings_of(cfg)
    assert settings.leakage == LeakageSettings(("Male",), (("a", "b"),), "procrustes")
    assert (settings.survival.attributes, settings.survival.pairs) == ((), ())
    assert settings.fusion.groups == (("a", "b"),)
    check_models(settings, {"a": 1, "b": 2})
    with pytest.raises(FaceGeomError, match=r"leakage\.pairs names 'b', which is no model"):
        check_models(settings, ["a"])
    fused = replace(settings, leakage=LeakageSettings())
    with pytest.raises(FaceGeomError, match=r"fusion\.groups names 'b', which is no model"):
        check_models(fused, ["a"])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("leakage__attributes", "some", "all, none, a list of attributes, or a number"),
        ("leakage__attributes", -1, "leakage.attributes must be"),
        ("leakage__pairs", ["a", "b"], "leakage.pairs must be all, none, or a list of"),
        ("leakage__map", "linear2", "leakage.map names 'linear2', which maps does not hold"),
        ("survival__attributes", 3, "survival.attributes must be all, none, a list"),
        ("survival__draws", 0, "survival.draws must be a whole number at least 1"),
        ("fusion__groups", [["a", "a"]], "fusion.groups must be all, none, or lists"),
        ("fusion__groups", "both", "fusion.groups must be all, none, or lists"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    whole: DictConfig, key: str, value: object, message: str
) -> None:
    with pytest.raises(FaceGeomError, match=message):
        settings_of(changed(whole, **{key: value}))


def test_a_file_with_attributes_and_curves_has_every_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alignment_report, "drawings", lambda alignment, level: [])
    owner, models = made_models(people=28, images=6)
    np.savez(
        tmp_path / "a.npz",
        identity=owner,
        smiling=(models["one"][:, 0] > 0).astype(np.float32),
        curves_light=np.arange(len(owner)).reshape(-1, 3),
        **{name: models[name] for name in ("one", "turned")},
    )
    few = [
        "bootstrap.resamples=20",
        "null_permutations=0",
        "similarity.permutations=0",
        "ladders.pairs=none",
        "maps=[ridge]",
        "device=cpu",
        f"paths.output={tmp_path / 'outputs'}",
        f"output={tmp_path / 'out'}",
        f"embeddings={tmp_path / 'a.npz'}",
    ]
    with pytest.raises(FaceGeomError, match=r"leakage\.attributes names 'light', which no set has"):
        main([*few, "leakage.attributes=[light]"])
    main([*few, "leakage.attributes=[smiling]", "survival.attributes=all"])
    record = json.loads((tmp_path / "out" / "alignment.json").read_text())
    tables = record["tables"]
    assert {row["attribute"] for row in tables["leakage"]} == {"smiling"}
    found = {(row["attribute"], row["measure"]) for row in tables["survival"]}
    assert found == {
        *(("light", measure) for measure in ("energy", "response")),
        *(("smiling", measure) for measure in ("ks_mean", "ks_excess")),
    }
    assert {row["method"] for row in tables["fusions"]} == {
        "scores",
        "weighted_scores",
        "features",
        "concatenation",
    }
    assert "a: curves of people who judge: light 28" in record["notes"]
