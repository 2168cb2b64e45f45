from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, open_dict

from facegeom_lit.callbacks.cross_model_alignment import ORIGINAL, CrossModelAlignment
from facegeom_lit.commands.assemble import make_callbacks, reference_models, start_model
from facegeom_lit.commands.run_name import register_resolvers
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.resources import resource

HERE = "~callbacks.checkpoint"  # its folder is a run's


def composed(*overrides: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(resource("conf").resolve()), version_base="1.3"):
        return compose("config", [HERE, f"paths.models={resource('data') / 'models'}", *overrides])


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("reference=none", [ORIGINAL]),
        ("reference=embedded", [ORIGINAL, "mobilefacenet"]),  # iresnet_small is the start
        ("reference.models.mobilefacenet=null", [ORIGINAL]),
    ],
)
def test_the_start_model_is_always_compared_with(override: str, names: list[str]) -> None:
    cfg = composed(override)
    start = start_model(cfg)
    found = reference_models(cfg, start)
    assert list(found) == names
    assert found[ORIGINAL] is start


@pytest.mark.parametrize("name", [ORIGINAL, "tuned", "a/b"])
def test_names_that_would_be_misread_are_refused(name: str) -> None:
    cfg = composed()
    with open_dict(cfg):
        cfg.reference.models[name] = "anything"
    with pytest.raises(FaceGeomError, match="Give this model another name"):
        reference_models(cfg, start_model(cfg))


@pytest.mark.parametrize(
    "override",
    [
        "callbacks.cross_model_alignment=null",
        "~callbacks.cross_model_alignment",
        "experiment=controlled",
    ],
)
def test_who_wants_no_alignment_gets_none(override: str) -> None:
    measuring, others = make_callbacks(composed(override))
    assert CrossModelAlignment.kind not in measuring
    assert "verification" in measuring
    assert not any(callback.compares for callback in measuring.values())
    assert all(callback is not None for callback in others)


def test_maps_and_their_variants_are_chosen_in_the_configuration() -> None:
    key = "callbacks.cross_model_alignment"
    maps = f"{key}.maps=[procrustes,{{method: procrustes, scale: true}},low_rank]"
    measuring, _ = make_callbacks(composed(maps, f"{key}.figures=[rank1,tpir@0.1,recovered]"))
    callback = measuring[CrossModelAlignment.kind]
    assert isinstance(callback, CrossModelAlignment)
    assert callback.maps == ("procrustes", "procrustes_scaled", "low_rank")
    assert callback.figures == ("rank1", "tpir@1e-1", "recovered")
