"""The figures of an analysis, set by set."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

from torch import Tensor

from facegeom_lit.evaluation.analysis import Analysis
from facegeom_lit.evaluation.macroscale import MacroscaleResult
from facegeom_lit.evaluation.microscale import ENERGY
from facegeom_lit.files import plain_name
from facegeom_lit.geometry.shape.clouds import CENTRES, WHOLE
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.correlation_figure import correlation_figure
from facegeom_lit.reporting.energy_violins import MOST_SIDE_BY_SIDE, energy_violins
from facegeom_lit.reporting.entropy_figure import EntropyScatter, entropy_figure
from facegeom_lit.reporting.interaction_figure import Interaction, interaction_figure
from facegeom_lit.reporting.macroscale_figure import macroscale_figure
from facegeom_lit.reporting.response_figure import response_figure
from facegeom_lit.reporting.shape_figures import persistence_figure, spectrum_figure
from facegeom_lit.reporting.significance_figure import significance_figure
from facegeom_lit.reporting.spearman_figure import spearman_figure

PUBLISHED = {
    "FaceNet": -0.65,
    "ArcFace R50": -0.56,
    "SphereFaceR": -0.61,
    "ArcFace R18": -0.62,
    "AdaFace R18": -0.66,
}
"""Spearman correlation of mean KS and intra-entropy over CelebA's attributes (arXiv 2507.11372)."""
ENTROPIES = {"intra_entropy": "intra-entropy", "inter_entropy": "inter-entropy"}
SHOWN = {
    "ks_mean": "mean KS",
    "intra_entropy": "intra-entropy (nats)",
    "distance_correlation": "distance correlation",
    "probe_balanced_accuracy": "probe: balanced accuracy",
}
"""Figures of a row that the heat maps show, where any attribute has them."""


CAPTIONS = {
    "energies": "Energy along each attribute over people.",
    "differences": "Models whose energies differ.",
    "responses": "Energy against response.",
    "correlation": "Correlation of two curves' directions by their distance.",
    "interaction": "Do two attributes move a face the same way?",
    "macroscale": "Attributes across identities.",
    "intra-entropy": "Mean KS against intra-entropy.",
    "inter-entropy": "Mean KS against inter-entropy.",
    "spearman": "Spearman correlation of KS and entropy over attributes; above chance: less the KS "
    "of labels dealt anew.",
    "spectrum": "Spectrum of all images.",
    "persistence": "Persistence of the identity centres.",
}
"""What each figure shows, by the word that its file's name begins with."""


def write_figures(folder: Path, analysis: Analysis) -> dict[str, str]:
    """Draw what an analysis holds; each figure's file ends in the name of the set.

    Args:
        folder: Where they shall stand; a figure that stands there already is another set's, whose
            name differs in special characters alone, and is kept: this one's ends in a number.
        analysis: What was measured on one set.

    Returns:
        The caption of each file by its name.
    """
    name = plain_name(analysis.set)
    end = f"{name}.png"
    for number in count(2):
        if not any((folder / f"{word}-{end}").exists() for word in CAPTIONS):
            break
        end = f"{name}-{number}.png"
    if analysis.microscale:
        _microscale(folder, analysis, end)
    if analysis.macroscale:
        _macroscale(folder, analysis, end)
    if analysis.shape:
        _shape(folder, analysis, end)
    names = {f"{word}-{end}": caption for word, caption in CAPTIONS.items()}
    return {name: caption for name, caption in names.items() if (folder / name).is_file()}


def _microscale(folder: Path, analysis: Analysis, end: str) -> None:
    found = analysis.microscale
    first = next(iter(found.values())).geometry
    title = f"{analysis.set}, {first.rules[0]}"

    def by_model(measure: str) -> Mapping[str, Mapping[str, Tensor]]:
        return {m: {a: r.values(measure, a) for a in r.figures} for m, r in found.items()}

    marks = {
        (test.group, test.first, test.second): test.mann_whitney.corrected
        for test in analysis.between_models("energy")
        if test.mann_whitney is not None
    }
    level = analysis.resampling.level
    energy_violins(folder / f"energies-{end}", by_model("energy"), marks, title=title, level=level)
    if len(found) > MOST_SIDE_BY_SIDE:
        path = folder / f"differences-{end}"
        significance_figure(path, list(found), first.attributes, marks, title=title)
    points = {
        model: {a: (f[ENERGY + first.rules[0]], f["response"]) for a, f in result.figures.items()}
        for model, result in found.items()
    }
    response_figure(folder / f"responses-{end}", points, title=title, level=level)
    correlations = {model: result.geometry.by_attribute for model, result in found.items()}
    correlation_figure(
        folder / f"correlation-{end}",
        correlations,
        first.reach,
        title=analysis.set,
        level=level,
    )
    if len(first.attributes) > 1:
        matrices = {model: Interaction(**result.interaction) for model, result in found.items()}
        interaction_figure(
            folder / f"interaction-{end}",
            first.attributes,
            matrices,
            title=analysis.set,
            level=level,
        )


def _macroscale(folder: Path, analysis: Analysis, end: str) -> None:
    found = analysis.macroscale

    # An attribute that never differs is a remark, not a row of dashes.
    rows = {model: [r for r in f.table.rows if r.kind is not None] for model, f in found.items()}

    def by_model(name: str) -> dict[str, dict[str, float | None]]:
        return {model: {r.attribute: getattr(r, name) for r in of} for model, of in rows.items()}

    measures = {title: by_model(name) for name, title in SHOWN.items()}
    measures = {
        title: values
        for title, values in measures.items()
        if any(value is not None for series in values.values() for value in series.values())
    }
    if measures:
        macroscale_figure(folder / f"macroscale-{end}", measures, title=analysis.set)
    level = analysis.resampling.level
    rhos: dict[str, dict[str, Interval]] = {}
    for name, title in ENTROPIES.items():
        of_models = {model: _rho(result, "ks_mean", name) for model, result in found.items()}
        if all(rho.value is None for rho in of_models.values()):
            continue
        rhos[f"mean KS and {title}"] = of_models
        if name == "intra_entropy":  # chance alone gives rare attributes a larger KS
            above = {model: _rho(result, "ks_excess", name) for model, result in found.items()}
            rhos[f"KS above chance and {title}"] = above
        ks, entropy = by_model("ks_mean"), by_model(name)
        scatters = {m: EntropyScatter(ks[m], entropy[m], rho) for m, rho in of_models.items()}
        path = folder / f"{title}-{end}"
        where = f"{analysis.set}, mean KS"
        entropy_figure(path, scatters, entropy=title, title=where, level=level)
    if rhos:
        published = {"mean KS and intra-entropy": PUBLISHED} if _is_celeba(analysis) else None
        path = folder / f"spearman-{end}"
        spearman_figure(path, rhos, published, title=analysis.set, level=level)


def _shape(folder: Path, analysis: Analysis, end: str) -> None:
    found = analysis.shape
    spectra = {model: shape.clouds[WHOLE].spectrum for model, shape in found.items()}
    spectrum_figure(folder / f"spectrum-{end}", spectra, title=f"{analysis.set}, {WHOLE}")
    diagrams = {model: shape.diagrams for model, shape in found.items() if shape.diagrams}
    if diagrams:
        path, title = folder / f"persistence-{end}", f"{analysis.set}, {CENTRES}"
        persistence_figure(path, diagrams, title=title, unit="Euclidean distance")


def _rho(result: MacroscaleResult, ks: str, entropy: str) -> Interval:
    found = result.table.spearman.get((ks, entropy))
    if found is None:
        return Interval(None, None, None, 0)
    return Interval(found.rho, found.low, found.high, found.count)


def _is_celeba(analysis: Analysis) -> bool:
    """Whether the attributes are CelebA's 40, which the published correlations are over."""
    rows = next(iter(analysis.macroscale.values())).table.rows
    return len(rows) == 40 and rows[0].attribute == "5_o_Clock_Shadow"
