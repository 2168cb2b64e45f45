"""A migration as a figure: what each way to run on a gallery is worth, and the anchors needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.migration.card import (
    MAPPED,
    OLD,
    REENROLLED,
    UNMAPPED,
    WAYS,
    AnchorCurve,
    Figures,
    MapCard,
)
from facegeom_lit.migration.verification import Verification
from facegeom_lit.reporting.evaluation_tables import label
from facegeom_lit.reporting.style import (
    ACCENT,
    AFTER,
    BEFORE,
    QUIET,
    figure,
    footnote,
    headline,
    percent,
)

COLORS = {OLD: BEFORE, UNMAPPED: "#cfd6db", MAPPED: AFTER, REENROLLED: ACCENT}


def card_figure(path: str | Path, card: MapCard) -> None:
    """Draw what a map's card promises, and its curve of anchors.

    Args:
        path: PNG to write.
        card: Of the map.
    """
    with figure(path, 9.5, 3.9) as drawn:
        headline(drawn, _title(card))
        left, right = drawn.subplots(1, 2, width_ratios=(3, 2))
        _bars(left, card.expected)
        _curve(right, card.curve)
        footnote(
            drawn,
            f"Whiskers and band: {percent(card.level)} intervals over {card.judged_people} people "
            "on whom the map that is drawn was not fitted.",
        )


def verification_figure(path: str | Path, card: MapCard, found: Verification) -> None:
    """Draw what was measured on new people; marks show the interval that the card promised.

    Args:
        path: PNG to write.
        card: Of the map.
        found: What was measured.
    """
    with figure(path, 7, 3.9) as drawn:
        headline(drawn, _title(card))
        axis = drawn.subplots()
        _bars(axis, found.measured, card.expected)
        footnote(
            drawn,
            f"Whiskers: {percent(card.level)} intervals over {found.people} people, none of them "
            "an anchor. Open boxes: what the card promised.",
        )


def _title(card: MapCard) -> str:
    return f"gallery migration {card.old.name} → {card.new.name}"


def _bars(
    axis: Axes, measured: Mapping[str, Figures], promised: Mapping[str, Figures] | None = None
) -> None:
    """Draw a group of four bars for each figure that has a value."""
    names = [n for n, entry in measured[MAPPED].items() if entry.value is not None]
    width = 0.2
    for number, way in enumerate(WAYS):
        places = [index + (number - 1.5) * width for index in range(len(names))]
        entries = [measured[way][name] for name in names]
        axis.bar(
            places,
            [entry.value or 0.0 for entry in entries],
            0.9 * width,
            yerr=_whiskers(entries),
            color=COLORS[way],
            label=way,
            error_kw={"elinewidth": 1, "ecolor": QUIET},
        )
        for place, name in zip(places, names, strict=True):
            box = promised[way].get(name) if promised else None
            if box is not None and box.low is not None and box.high is not None:
                axis.bar(
                    place,
                    box.high - box.low,
                    width,
                    bottom=box.low,
                    color="none",
                    edgecolor="k",
                    linewidth=0.9,
                    zorder=3,
                )
    axis.set_xticks(range(len(names)), [label(name) for name in names])
    axis.grid(False, axis="x")
    axis.set_ylim(0, 1.02)
    axis.set_title("what each gallery is worth" + (", verified" if promised else ""))
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=len(WAYS), fontsize=8)


def _curve(axis: Axes, curve: AnchorCurve) -> None:
    ends: dict[str, float] = {}
    for name, entries in curve.figures.items():
        values = [entry.value for entry in entries if entry.value is not None]
        if len(values) < len(entries):
            continue
        decides = name == curve.figure
        color = AFTER if decides else BEFORE
        axis.plot(curve.steps, values, "o-", ms=3, color=color, lw=1.6 if decides else 0.9)
        ends[name] = values[-1]
        if decides and all(e.low is not None and e.high is not None for e in entries):
            lows, highs = ([getattr(e, end) for e in entries] for end in ("low", "high"))
            axis.fill_between(curve.steps, lows, highs, color=color, alpha=0.15, lw=0)
    for name, height in spread(ends, 0.06).items():
        axis.annotate(
            label(name),
            (curve.steps[-1], height),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=AFTER if name == curve.figure else BEFORE,
        )
    if curve.needed is not None:
        axis.axvline(curve.needed, color=QUIET, lw=0.9, ls="--")
        axis.annotate(f"{curve.needed} needed", (curve.needed, 0.02), fontsize=7, color=QUIET)
    axis.set_xscale("log", base=2)
    axis.set_xticks(curve.steps, [str(step) for step in curve.steps], fontsize=7)
    axis.minorticks_off()
    axis.margins(x=0.14)
    axis.set_ylim(0, 1.02)
    axis.set_title("mapped gallery, by anchor images")


def spread(heights: Mapping[str, float], least: float) -> dict[str, float]:
    """Move heights down until each is `least` below the one above it, so that labels do not meet.

    Example:
        >>> spread({"a": 0.5, "b": 0.51}, 0.25)
        {'b': 0.51, 'a': 0.26}
    """
    moved: dict[str, float] = {}
    for name in sorted(heights, key=lambda name: -heights[name]):
        above = min(moved.values(), default=float("inf"))
        moved[name] = min(heights[name], above - least)
    return moved


def _whiskers(entries: Sequence[Interval]) -> list[list[float]]:
    """Lengths below and above each value; 0 where there is no interval."""
    below, above = [], []
    for entry in entries:
        known = entry.value is not None and entry.low is not None and entry.high is not None
        below.append(max(entry.value - entry.low, 0.0) if known else 0.0)  # type: ignore[operator]
        above.append(max(entry.high - entry.value, 0.0) if known else 0.0)  # type: ignore[operator]
    return [below, above]
