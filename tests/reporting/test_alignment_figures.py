from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from reporting.alignment_examples import NAMES, UNDEFINED, example
from reporting.pages import check_page, words_on

from facegeom_lit.reporting.alignment_dendrogram import dendrogram_figure
from facegeom_lit.reporting.alignment_figures import drawings, file_names
from facegeom_lit.reporting.alignment_matrix import matrix_figure
from facegeom_lit.reporting.alignment_similarity import rank_correlation

OF_TWO = ("maps", "matrix-rank1", "rank", "similarity", "leakage", "survival", "fusion")
OF_MANY = ("families", "anchors", "index-recovered")


@pytest.mark.parametrize(("models", "kinds"), [(2, (*OF_TWO, "transfer-ridge")), (9, OF_MANY)])
def test_figures_are_legible(
    tmp_path: Path, pages: list[Figure], models: int, kinds: tuple[str, ...]
) -> None:
    found = drawings(example(models, ("lfw", "a/b"), attributes=4))
    files = [drawing.file for drawing in found]
    assert len(set(files)) == len(files)
    for kind in kinds:
        drawing = next(d for d in found if d.file.startswith(kind))
        drawing.draw(tmp_path / drawing.file)
        check_page(tmp_path / drawing.file, pages[-1])
        assert "nan" not in " ".join(words_on(pages[-1])).lower(), drawing.file


def test_only_what_was_measured_is_drawn() -> None:
    whole = example(3, ("lfw", "a/b"))
    files = {drawing.file for drawing in drawings(whole)}
    assert {"matrix-rank1-a_b.png", "matrix-tar-1e-3-lfw.png", "transfer-low_rank.png"} <= files
    bare = replace(whole, indices=(), ladders=(), families=(), leakage=(), survival=(), fusions=())
    sections = {drawing.section for drawing in drawings(bare)}
    assert sections == {"maps", "matrix", "transfer"}
    assert drawings(replace(bare, cells=())) == []


def test_figures_without_values_show_dashes(tmp_path: Path, pages: list[Figure]) -> None:
    whole = example(2, ("lfw",))
    none = replace(
        whole,
        cells=tuple(replace(c, figures=dict.fromkeys(c.figures, UNDEFINED)) for c in whole.cells),
        leakage=tuple(
            replace(
                row,
                source_native=UNDEFINED,
                target_native=UNDEFINED,
                mapped=UNDEFINED,
                crossed=UNDEFINED,
            )
            for row in whole.leakage
        ),
        survival=tuple(replace(row, mapped_value=None) for row in whole.survival),
        fusions=tuple(
            replace(f, figures=dict.fromkeys(f.figures, UNDEFINED), differences={})
            for f in whole.fusions
        ),
        ladders=tuple(replace(x, figures=(UNDEFINED,) * len(x.steps)) for x in whole.ladders),
        indices=tuple(replace(index, value=UNDEFINED) for index in whole.indices),
    )
    for drawing in drawings(none):
        if drawing.section != "families":
            drawing.draw(tmp_path / drawing.file)
            assert "–" in " ".join(words_on(pages[-1])), drawing.file


def test_one_scale_for_all_matrices(tmp_path: Path, pages: list[Figure]) -> None:
    matrices = {"unaligned": np.array([[0.9, 0.01], [0.02, 0.8]]), "ridge": np.full((2, 2), 0.7)}
    matrix_figure(tmp_path / "m.png", NAMES[:2], matrices, "lfw: rank-1")
    axes = pages[0].axes
    assert {axis.images[0].get_clim() for axis in axes} == {(0.0, 1.0)}
    assert axes[0].get_title() == "unaligned (median 0.015)"
    assert {"0.900", "0.010", "0.700"} <= set(words_on(pages[0]))


def test_a_tree_is_as_high_as_its_linkage_and_has_the_colours_of_families(
    tmp_path: Path, pages: list[Figure]
) -> None:
    families = example(9, ("lfw",)).families[0]
    dendrogram_figure(tmp_path / "d.png", families)
    tree, matrix = pages[0].axes
    heights = [float(np.max(line.get_xdata())) for line in tree.lines]
    assert heights == pytest.approx(families.linkage[:, 2])
    assert len({to_rgba(line.get_color()) for line in tree.lines}) == 4  # three and the trunk
    labels = {text.get_text().replace("\n", ""): text for text in matrix.get_yticklabels()}
    same = [to_rgba(labels[NAMES[index]].get_color()) for index in (0, 3, 6)]
    assert len(set(same)) == 1
    values = np.asarray(matrix.images[0].get_array())
    assert np.diag(values) == pytest.approx(
        [families.matrix[NAMES.index(name), NAMES.index(name)] for name in labels]
    )


def test_file_names_differ_even_where_names_are_alike() -> None:
    assert file_names(["a b", "a/b", "A_B"]) == {"a b": "a_b", "a/b": "a_b-2", "A_B": "A_B-3"}


def test_a_rank_correlation_needs_values() -> None:
    assert rank_correlation([1, 2, 3, 4, None], [2, 4, 6, 8, 9]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [1, 2, 3]) is None
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) is None
