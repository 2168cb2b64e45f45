"""The figures of an alignment, in the order of its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from facegeom_lit.evaluation.alignment.result import Alignment
from facegeom_lit.files import plain_name
from facegeom_lit.reporting.alignment_dendrogram import dendrogram_figure
from facegeom_lit.reporting.alignment_fusion import fusion_figure
from facegeom_lit.reporting.alignment_ladders import ladder_figure
from facegeom_lit.reporting.alignment_leakage import leakage_figure
from facegeom_lit.reporting.alignment_maps import maps_figure
from facegeom_lit.reporting.alignment_matrix import matrix_figure
from facegeom_lit.reporting.alignment_similarity import FEWEST, prediction_figure, similarity_figure
from facegeom_lit.reporting.alignment_summary import (
    RANK1,
    family_of,
    hardest_far,
    map_name,
    maps_of,
    matrix_of,
    ordered_models,
    recovered_both_ways,
    shown_families,
    shown_map,
    within,
)
from facegeom_lit.reporting.alignment_survival import survival_figure
from facegeom_lit.reporting.alignment_transfer import transfer_figure, transfer_maps, transfers
from facegeom_lit.reporting.evaluation_tables import label


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn.

    Attributes:
        section: Of the page.
        file: Name of the PNG.
        caption: What it shows.
        draw: Draws it to a path.
    """

    section: str
    file: str
    caption: str
    draw: Callable[[Path], None]


def drawings(alignment: Alignment, level: float = 0.95) -> list[Drawing]:
    """Return every figure that the alignment has something for.

    Args:
        alignment: What was measured.
        level: Coverage of its intervals.
    """
    files = file_names(alignment.sets)
    found = [
        drawing
        for name, file in files.items()
        for kind in (_maps, _matrices, _families, _ladders, _similarity, _leakage, _survival)
        for drawing in kind(alignment, name, file, level)
    ]
    return [*found, *_transfer(alignment), *_fusion(alignment, files, level)]


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each name one that a file may have, no two alike.

    Example:
        >>> file_names(["a b", "a/b", "c"])
        {'a b': 'a_b', 'a/b': 'a_b-2', 'c': 'c'}
    """
    found: dict[str, str] = {}
    for name in names:
        plain = plain_name(name)
        used, number = plain, 1
        while used.lower() in {other.lower() for other in found.values()}:
            number += 1
            used = f"{plain}-{number}"
        found[name] = used
    return found


def _maps(alignment: Alignment, name: str, file: str, level: float) -> Iterator[Drawing]:
    cells = within(alignment, name)
    if maps_of(cells):
        caption = f"{name}: each map over the pairs of models."
        draw = partial(maps_figure, cells=cells, title=name)
        yield Drawing("maps", f"maps-{file}.png", caption, draw)


def _matrices(alignment: Alignment, name: str, file: str, level: float) -> Iterator[Drawing]:
    cells, models = within(alignment, name), ordered_models(alignment, name)
    maps = maps_of(cells)
    if not maps:
        return
    for figure in filter(None, (RANK1, hardest_far(cells))):
        matrices = {map_name(each): matrix_of(cells, models, each, figure) for each in maps}
        title = f"{name}: {label(figure)}"
        draw = partial(matrix_figure, models=models, matrices=matrices, title=title)
        yield Drawing("matrix", f"matrix-{figure.replace('@', '-')}-{file}.png", f"{title}.", draw)


def _families(alignment: Alignment, name: str, file: str, level: float) -> Iterator[Drawing]:
    if (found := shown_families(alignment, name)) is not None:
        caption = f"{name}: families by {map_name(found.map)}."
        draw = partial(dendrogram_figure, families=found)
        yield Drawing("families", f"families-{file}.png", caption, draw)


def _ladders(alignment: Alignment, name: str, file: str, level: float) -> Iterator[Drawing]:
    for kind, what in (("rank", "the rank of the map"), ("anchors", "paired images of the fit")):
        ladders = [each for each in alignment.ladders if (each.set, each.kind) == (name, kind)]
        if ladders:
            caption = f"{name}: rank-1 by {what}."
            draw = partial(
                ladder_figure, ladders=ladders, models=alignment.models, title=name, level=level
            )
            yield Drawing("ladders", f"{kind}-{file}.png", caption, draw)


def _similarity(alignment: Alignment, name: str, file: str, level: float) -> Iterator[Drawing]:
    indices = [index for index in alignment.indices if index.set == name]
    if not indices:
        return
    models = ordered_models(alignment, name)
    draw = partial(similarity_figure, indices=indices, models=models, title=name)
    caption = f"{name}: similarity of spaces without a map."
    yield Drawing("similarity", f"similarity-{file}.png", caption, draw)
    if (shown := shown_map(alignment, name)) is not None:
        recovered = recovered_both_ways(alignment, name, shown)
        families = family_of(alignment, name)
        if len(set(families.values())) == 1:  # nothing to tell apart
            families = {}
        title = f"{name}: does similarity foretell what {map_name(shown)} recovers?"
        draw = partial(
            prediction_figure,
            indices=indices,
            recovered=recovered,
            families=families,
            title=title,
        )
        if len(recovered) >= FEWEST:
            yield Drawing("similarity", f"index-recovered-{file}.png", title, draw)


def _leakage(alignment: Alignment, name: str, file: str, level: float) -> Iterator[Drawing]:
    of_set = [row for row in alignment.leakage if row.set == name]
    for each in dict.fromkeys(row.map for row in of_set):
        rows = [row for row in of_set if row.map == each]
        title = f"{name}, {map_name(each)}"
        draw = partial(leakage_figure, rows=rows, title=title, level=level)
        file_name = f"leakage-{plain_name(each)}-{file}.png"
        yield Drawing("leakage", file_name, f"{title}: attributes read from templates.", draw)


def _survival(alignment: Alignment, name: str, file: str, level: float) -> Iterator[Drawing]:
    of_set = [row for row in alignment.survival if row.set == name]
    for each in dict.fromkeys(row.map for row in of_set):
        rows = [row for row in of_set if row.map == each]
        title = f"{name}, {map_name(each)}"
        draw = partial(survival_figure, rows=rows, title=title)
        caption = f"{title}: attribute geometry of mapped embeddings."
        yield Drawing("survival", f"survival-{plain_name(each)}-{file}.png", caption, draw)


def _transfer(alignment: Alignment) -> Iterator[Drawing]:
    rows = transfers(alignment)
    for name in transfer_maps(alignment):
        draw = partial(transfer_figure, rows=rows, name=name)
        caption = f"Maps of one set on another: {map_name(name)}."
        yield Drawing("transfer", f"transfer-{plain_name(name)}.png", caption, draw)


def _fusion(alignment: Alignment, files: dict[str, str], level: float) -> Iterator[Drawing]:
    for name in dict.fromkeys(fusion.set for fusion in alignment.fusions):
        fusions = [fusion for fusion in alignment.fusions if fusion.set == name]
        draw = partial(fusion_figure, fusions=fusions, title=name, level=level)
        caption = f"{name}: several models as one against the best single one."
        yield Drawing("fusion", f"fusion-{files[name]}.png", caption, draw)
