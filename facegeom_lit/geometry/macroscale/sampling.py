"""One image of each identity, drawn among those with an attribute or without it."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.macroscale.people import People


class Modality:
    """The images of one modality, and the identities that have any.

    Args:
        people: Who the images show.
        present: Whether an image has the modality, in `people.order`, shape (N,), bool.
    """

    def __init__(self, people: People, present: Tensor) -> None:
        self._order = people.order
        self._reached = present.cumsum(0)
        until = self._reached[people.ends - 1]
        held = until.diff(prepend=until.new_zeros(1))
        eligible = held > 0
        self._first, self._held = (until - held)[eligible], held[eligible]
        self.images = int(until[-1])

    @property
    def identities(self) -> int:
        """How many identities have at least one image of the modality."""
        return len(self._held)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw different identities, and one image of each.

        Args:
            count: How many, at most `identities`.
            generator: Of the draw, on the CPU, so that every device draws the same.

        Returns:
            Rows of the images, shape (count,), int64.
        """
        device = self._held.device
        chosen = torch.randperm(self.identities, generator=generator)[:count].to(device)
        part = torch.rand(count, generator=generator, dtype=torch.float64).to(device)
        held = self._held[chosen]
        # The image after which `nth` images of the modality have been seen is the nth one.
        nth = self._first[chosen] + (part * held).long().clamp_(max=held - 1) + 1
        return self._order[torch.searchsorted(self._reached, nth)]
