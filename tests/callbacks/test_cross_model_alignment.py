from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import pytest
import torch
from callbacks.known import IMAGES, PEOPLE, KnownEmbeddings, small_model
from safetensors.torch import save_file
from torch import Tensor

from facegeom_lit.callbacks.alignment_figures import judge_settings, logged_names
from facegeom_lit.callbacks.cross_model_alignment import ORIGINAL, CrossModelAlignment
from facegeom_lit.callbacks.evaluation import Measurement
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel, ModelCard, build_backbone
from facegeom_lit.models.embed import model_hash
from facegeom_lit.training.sources import RunData

MAPS = ("none", "procrustes", "linear", "ridge", "low_rank", {"method": "low_rank", "rank": 1})
NAMES = ("procrustes", "linear", "ridge", "low_rank")


@cache
def models() -> tuple[FaceModel, FaceModel]:
    """A model of 8 dimensions and one of 12."""
    arguments = {"width": 0.25, "dimension": 12}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        backbone = build_backbone("mobilefacenet", **arguments)
    card = ModelCard("wide", "mobilefacenet", 12, arguments)
    return small_model(), FaceModel(backbone, card).eval()


def embedded(data: RunData, dimension: int = 8, seed: int = 1, noise: float = 0.15) -> Tensor:
    """Embeddings of people who can be told apart, most of the time."""
    people = data.evaluation["judge"].labels
    generator = torch.Generator().manual_seed(seed)
    return rotation(dimension, seed)[people] + noise * torch.randn(
        len(people), dimension, generator=generator
    )


def rotation(dimension: int = 8, seed: int = 3) -> Tensor:
    drawn = torch.randn(dimension, dimension, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(drawn)[0]


class Run:
    """A callback that compares with one model or two, whose embeddings are in the cache already."""

    def __init__(self, data: RunData, cache: Path, *known: Tensor, **choices: object) -> None:
        self.callback = CrossModelAlignment(**choices)  # type: ignore[arg-type]
        faces, references = data.evaluation["judge"], {}
        for name, model, embeddings in zip((ORIGINAL, "other"), models(), known, strict=False):
            file = cache / f"{model_hash(model)[:16]}-{faces.hash[:16]}.safetensors"
            save_file({"embeddings": embeddings.contiguous()}, file)
            references[name] = model
        self.callback.check(references)
        self.callback.connect(data, references, cache)

    def measure(self, own: Tensor) -> Measurement:
        return self.callback.measure(KnownEmbeddings({"judge": own}, models()[0]))  # type: ignore[arg-type]


def rank1(found: Measurement, name: str, direction: str = "to") -> float:
    value = found.metrics[f"val/align/original/{name}/{direction}/rank1"]
    assert value is not None
    return value


def test_a_rotated_model_is_recovered_by_every_map(data: RunData, tmp_path: Path) -> None:
    reference = embedded(data)
    found = Run(data, tmp_path, reference, maps=MAPS).measure(reference @ rotation())
    for direction in ("to", "from"):
        native = rank1(found, "native", direction)
        assert native > 0.9
        assert rank1(found, "none", direction) < 0.5
        for name in NAMES:
            assert rank1(found, name, direction) == pytest.approx(native, abs=0.04)
        assert rank1(found, "low_rank_1", direction) < native
        assert found.metrics[
            f"val/align/original/procrustes/{direction}/recovered"
        ] == pytest.approx(1, abs=0.08)
    assert found.metrics["val/align/original/cka"] == pytest.approx(1, abs=1e-5)
    assert found.metrics["val/align/original/mutual_knn"] == pytest.approx(1, abs=0.01)
    assert found.metrics["val/align/original/procrustes_disparity"] == pytest.approx(0, abs=1e-5)


def test_a_permuted_pairing_is_not_recovered(data: RunData, tmp_path: Path) -> None:
    reference = embedded(data)
    order = torch.randperm(len(reference), generator=torch.Generator().manual_seed(0))
    found = Run(data, tmp_path, reference).measure(reference[order] @ rotation())
    for name in ("procrustes", "linear", "ridge"):
        assert rank1(found, name) < 0.5
    assert abs(found.metrics["val/align/original/cka"] or 0.0) < 0.2


def test_a_model_that_collapsed_has_no_similarity(data: RunData, tmp_path: Path) -> None:
    reference = embedded(data)
    run = Run(data, tmp_path, reference, maps=MAPS)
    found = run.measure(torch.ones_like(reference))
    for index in ("cka", "mutual_knn", "procrustes_disparity"):
        assert found.metrics[f"val/align/original/{index}"] is None
    assert any("no similarity with original" in note for note in found.notes)
    run.callback.completed(found)
    run.callback.differences(run.measure(reference), found)


def test_the_same_model_needs_no_map(data: RunData, tmp_path: Path) -> None:
    reference = embedded(data)
    found = Run(data, tmp_path, reference).measure(reference)
    for direction in ("to", "from"):
        assert rank1(found, "none", direction) == rank1(found, "native", direction)
        assert found.metrics[f"val/align/original/ridge/{direction}/recovered"] is None


def test_native_figures_are_of_the_model_whose_gallery_it_is(data: RunData, tmp_path: Path) -> None:
    run = Run(data, tmp_path, embedded(data))
    good, bad = run.measure(embedded(data)), run.measure(embedded(data, noise=1))
    assert rank1(bad, "native", "to") == rank1(good, "native", "to")
    assert rank1(bad, "native", "from") < rank1(good, "native", "from") - 0.2


def test_models_of_other_dimensions_are_compared(data: RunData, tmp_path: Path) -> None:
    reference = embedded(data)
    wide = torch.cat([reference @ rotation(), torch.zeros(len(reference), 4)], dim=1)
    run = Run(data, tmp_path, reference, wide @ rotation(12), maps=MAPS)
    found = run.callback.completed(run.measure(reference @ rotation()))
    for direction in ("to", "from"):
        for name in NAMES:
            value = found.metrics[f"val/align/other/{name}/{direction}/rank1"]
            assert value == pytest.approx(rank1(found, "native"), abs=0.04)
    ranks = {
        (curve["source"], curve["target"]): curve["steps"]
        for curve in found.tables["alignment_curves"]
        if curve["kind"] == "rank"
    }
    assert ranks["tuned", "other"] == ranks["other", "tuned"] == [1, 2, 4, 8]


def test_curves_rise_to_the_map_of_all_pairs(data: RunData, tmp_path: Path) -> None:
    run = Run(data, tmp_path, embedded(data))
    found = run.measure(embedded(data) @ rotation())
    assert not found.tables
    curves = run.callback.completed(found).tables["alignment_curves"]
    assert {(each["kind"], each["source"]) for each in curves} == {
        (kind, source) for kind in ("rank", "anchors") for source in ("tuned", ORIGINAL)
    }
    for curve in curves:
        direction = "to" if curve["source"] == "tuned" else "from"
        assert curve["native"] == rank1(found, "native", direction)
        assert curve["unaligned"] == rank1(found, "none", direction)
        assert curve["rank1"][-1] == pytest.approx(rank1(found, "ridge", direction), abs=1e-9)
        falls = [a - b for a, b in itertools.pairwise(curve["rank1"])]
        assert max(falls) < 0.1
        assert curve["rank1"][0] <= curve["rank1"][-1]
        assert curve["steps"][-1] == (8 if curve["kind"] == "rank" else PEOPLE // 2 * IMAGES)


def test_reference_embeddings_are_cached_by_weights_and_faces(
    data: RunData, tmp_path: Path
) -> None:
    callback, (model, _) = CrossModelAlignment(), models()
    callback.connect(data, {ORIGINAL: model}, tmp_path)
    (file,) = tmp_path.iterdir()
    stamp = file.stat().st_mtime_ns
    callback.connect(data, {ORIGINAL: model}, tmp_path)
    assert file.stat().st_mtime_ns == stamp


def test_differences_are_those_of_the_figures(data: RunData, tmp_path: Path) -> None:
    run = Run(data, tmp_path, embedded(data), embedded(data, 12, seed=5), maps=("ridge",))
    before, after = run.measure(embedded(data)), run.measure(embedded(data, seed=2, noise=0.3))
    assert all(each.value == 0 for each in run.callback.differences(before, before).values())
    differences = run.callback.differences(before, after)
    assert differences["val/align/original/native/from/rank1"].value != 0
    assert "val/align/other/ridge/from/recovered" in differences
    assert "val/align/original/ridge/from/recovered" not in differences  # undefined before
    for name, found in differences.items():
        was, now = before.metrics[name], after.metrics[name]
        assert was is not None
        assert now is not None
        assert found.value == pytest.approx(now - was, abs=1e-6)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"maps": ("none", "x")}, "maps holds 'x'"),
        ({"maps": ("none",)}, "must hold a map that is fitted"),
        ({"ridge": "best"}, "ridge of ridge must be"),
        ({"bias": "yes"}, "bias of procrustes must be true or false"),
        ({"maps": ("low_rank",), "rank": 0}, "rank of low_rank must be"),
        ({"fit_share": 1}, "fit_share must lie between 0 and 1"),
        ({"figures": ("auc",)}, "figures must hold rank1"),
        ({"figures": ("rank1", "tar@2")}, "got 'tar@2'"),
        ({"figures": ("rank1", "accuracy")}, "got 'accuracy'"),
    ],
)
def test_bad_values_name_their_key(choice: dict[str, object], words: str) -> None:
    with pytest.raises(FaceGeomError, match=r"callbacks\.cross_model_alignment") as error:
        CrossModelAlignment(**choice)  # type: ignore[arg-type]
    assert words in str(error.value)


def test_a_rank_beyond_the_dimensions_is_refused_before_anything_is_embedded(
    data: RunData, tmp_path: Path
) -> None:
    with pytest.raises(FaceGeomError, match="low_rank has rank 9, more than the 8 dimensions"):
        Run(data, tmp_path, embedded(data), maps=("low_rank",), rank=9)


def test_too_few_people_are_refused(data: RunData, tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="too few"):
        CrossModelAlignment(fit_share=0.1).connect(data, {ORIGINAL: models()[0]}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_figures_are_asked_of_the_judge_by_their_logged_names(
    data: RunData, tmp_path: Path
) -> None:
    names = logged_names("figures", ["rank1", "rank5", "tpir@0.1", "tar@0.05", "eer", "auc"])
    assert names == ("rank1", "rank5", "tpir@1e-1", "tar@5e-2", "eer", "auc")
    settings = judge_settings(names)
    assert (settings.ks, settings.fars, settings.fpirs) == ((1, 5), (0.05,), (0.1,))
    run = Run(data, tmp_path, embedded(data), figures=(*names, "tar@1e-6"))
    found = run.measure(embedded(data))
    logged = {name.rsplit("/", 1)[1] for name in found.metrics if "/ridge/to/" in name}
    assert logged == {*names, "tar@1e-6"}
    assert found.metrics["val/align/original/ridge/to/tar@1e-6"] is None
    assert any("too few for tar@1e-6" in note for note in found.notes)
