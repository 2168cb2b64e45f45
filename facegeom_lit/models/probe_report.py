"""What a probe of a model's card found, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass

from facegeom_lit.geometry.statistics import Interval

Three = tuple[float, float, float]
MARGIN = 0.1
"""Another way of feeding must give a d′ larger by this share of the card's own: on crops unlike
those of the training (dark, say) a neighbouring normalisation can truly be a little better."""


@dataclass(frozen=True)
class Candidate:
    """One way of feeding the network, and how well it keeps people apart.

    Attributes:
        name: What it is.
        color_order: Order of the channels.
        mean: As on a card.
        std: As on a card.
        separation: d′ of genuine against impostor pairs.
        gain: d′ minus that of the card, with its interval over people (or crops); None for the
            card itself.
        better: Whether the gain is beyond doubt and large enough to matter.
    """

    name: str
    color_order: str
    mean: Three
    std: Three
    separation: float
    gain: Interval | None = None
    better: bool = False


@dataclass(frozen=True)
class ProbeReport:
    """What `probe` found.

    Attributes:
        model: Name on the card.
        images: How many crops were looked at.
        groups: How many people they show; with `views`, how many crops.
        views: Whether single crops were compared with their own other view.
        grey: Whether the crops have no colour, so that the order cannot be told.
        candidates: The card as it is, then every other way of feeding.
    """

    model: str
    images: int
    groups: int
    views: bool
    grey: bool
    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        """The best of those that are better beyond doubt; the card where there is none."""
        better = [c for c in self.candidates if c.better]
        return max(better, key=lambda c: c.separation) if better else self.candidates[0]

    @property
    def suspicious(self) -> bool:
        """Whether the card is likely wrong."""
        return self.best is not self.candidates[0]

    def lines(self) -> list[str]:
        """The table and the verdict, ready to print."""
        kind = "crops, each with its shifted mirror image" if self.views else "people"
        lines = [f"{self.model}: {self.images} crops, {self.groups} {kind}"]
        lines.append(f"{'fed as':<22} {'order':<5} {'d′':>7}  gain over the card")
        for c in self.candidates:
            row = f"{c.name:<22} {c.color_order:<5} {c.separation:7.2f}"
            if c.gain is not None:
                row += f"  {c.gain.value:+.2f} [{c.gain.low:+.2f}, {c.gain.high:+.2f}]"
            lines.append(row + " *" * c.better)
        if self.grey:
            lines.append("The crops are grey: colour order cannot be told from them.")
        if self.suspicious:
            lines.append(
                f"suspicious: the card is likely wrong. {self.best.name} with "
                f"{self.best.color_order} separates better: mean {list(self.best.mean)}, "
                f"std {list(self.best.std)}. `facegeom import` writes another card: "
                f"card.color_order={self.best.color_order} card.mean=... card.std=..."
            )
        else:
            lines.append("nothing suspicious: no other way of feeding is clearly better.")
            least = MARGIN * abs(self.candidates[0].separation)
            if undecided := [c for c in self.candidates if c.gain and (c.gain.high or 0) > least]:
                named = ", ".join(f"{c.name} {c.color_order}" for c in undecided)
                lines.append(f"Not ruled out by these crops (more people tell more): {named}.")
        return lines
