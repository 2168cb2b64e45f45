"""Migration maps on the terminal: their card, the anchors they need, what became of the promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.migration.card import (
    MAPPED,
    UNMAPPED,
    WAYS,
    AnchorCurve,
    Figures,
    MapCard,
    Side,
)
from facegeom_lit.migration.verification import Verification, against_promise
from facegeom_lit.reporting.analysis_tables import with_interval
from facegeom_lit.reporting.evaluation_tables import label
from facegeom_lit.reporting.style import percent


def print_curve(curve: AnchorCurve) -> None:
    """Print the figures of the mapped gallery against the number of anchor images."""
    table = Table(title=f"{WAYS[MAPPED]}, by anchor images")
    table.add_column("anchors", justify="right")
    for name in curve.figures:
        table.add_column(label(name), justify="right")
    for index, step in enumerate(curve.steps):
        table.add_row(str(step), *(with_interval(f[index]) for f in curve.figures.values()))
    _print(table)


def print_card(card: MapCard) -> None:
    """Print what a map is and what to expect of it."""
    table = Table(
        title=f"{card.old.name} → {card.new.name}: what to expect",
        caption=f"in brackets: {percent(card.level)} intervals over {card.judged_people} people "
        f"({card.judged_images} images) on whom the measured map was not fitted; – too few pairs",
    )
    names = _columns(table, card.expected[MAPPED])
    for way, words in WAYS.items():
        cells = (with_interval(card.expected[way].get(name)) for name in names)
        table.add_row(f"{way}: {words}", *cells)
    facts = Table(show_header=False, box=None)
    for name, value in card_facts(card).items():
        facts.add_row(name, value)
    _print(facts, table)
    print(answer(card.lost, card.curve.figure, card.curve.gain))


def card_facts(card: MapCard) -> dict[str, str]:
    """What a card says beside its figures, as text by name."""
    flip = {None: "not known: embeddings were given", True: "averaged", False: "not used"}[
        card.flip
    ]
    method = card.method + (" with scale" if card.scale else "") + (" with bias" * card.bias)
    return {
        "old model": _side(card.old),
        "new model": _side(card.new),
        "mirror images": flip,
        "map": method,
        "λ": "–" if card.ridge is None else f"{card.ridge:.4g}",
        "rank": "–" if card.rank is None else str(card.rank),
        "fitted on": f"{card.images} images of {card.people} people, set {card.anchors[:16]}…",
        "rank-1 recovered": share(card.recovered),
        "gallery check": f"{card.held_out} on held-out people",
        "seed": str(card.seed),
        "made by": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
    }


def print_verification(card: MapCard, found: Verification) -> None:
    """Print what was measured, and whether it lies where the card said."""
    left = f", {found.left_out} people left out as anchors" if found.left_out else ""
    table = Table(
        title=f"{card.old.name} → {card.new.name}: verified on {found.people} people, "
        f"{found.images} images{left}",
        caption="inside, above, below: where a figure lies to the interval that the card gives",
    )
    names = _columns(table, found.measured[MAPPED])
    for way in WAYS:
        figures = found.measured[way]
        cells = []
        for name in names:
            value = figures.get(name)
            word = against_promise(card, way, name, value) if value else ""
            cells.append(f"{with_interval(value)} {word}".rstrip())
        table.add_row(way, *cells)
    _print(table)
    print(f"rank-1 recovered: {share(found.recovered)}; the card says {share(card.recovered)}")
    print(answer(found.lost, card.curve.figure, card.curve.gain))


def answer(lost: Mapping[str, Figures], figure: str, gain: float) -> str:
    """Say whether the old gallery still serves, and whether the map makes it serve.

    Args:
        lost: As of a card.
        figure: Name of the figure that decides.
        gain: A loss that is too little to matter.
    """
    sentences = []
    for way, subject in ((UNMAPPED, "As it is, the old gallery"), (MAPPED, "Mapped, it")):
        loss = lost[way][figure]
        if loss.value is None:
            return f"Too few pairs to say what is lost in {label(figure)}."
        verdict = "serves" if loss.value < gain else "does not replace re-enrolling"
        sentences.append(
            f"{subject} loses {with_interval(loss)} of {label(figure)} against re-enrolling: it "
            f"{verdict} (a loss below {gain:g})."
        )
    return "\n".join(sentences)


def share(recovered: Interval) -> str:
    """Say what a map recovers; without ends there is next to nothing to recover."""
    known = recovered.value is not None and recovered.low is not None
    return with_interval(recovered) if known else "– (unmapped is about as good as re-enrolled)"


def _columns(table: Table, figures: Figures) -> Sequence[str]:
    names = list(figures)
    table.add_column("gallery")
    for name in names:
        table.add_column(label(name), justify="right")
    return names


def _side(side: Side) -> str:
    place = "normalised" if side.normalized else "raw"
    return f"{side.name}, {side.hash[:24]}, {side.dimension} dimensions, {side.distance}, {place}"


def _print(*tables: Table) -> None:
    wide = max(Console(width=10_000).measure(table).maximum for table in tables)
    console = Console(width=max(120, wide), highlight=False)  # a cut table would be of no use
    for table in tables:
        console.print(table)
