"""What an evaluation of face models measures, and how."""

from __future__ import annotations

from dataclasses import dataclass

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.streaming_roc import Interpolation, check_interpolation
from facegeom_lit.geometry.verification import FARS

TEMPLATE_FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""False accept rates of the IJB protocols."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of an evaluation.

    Args:
        fars: False accept rates; None: `FARS`, of templates `TEMPLATE_FARS`.
        interpolation: Between the points of a ROC.
        ranks: Ranks of closed-set identification, ≥ 1.
        fpirs: False positive identification rates of open-set identification.
        kept_out: Share of a face set's people that stay out of the open-set gallery.
        folds: Consecutive folds of pairs; None: those of the protocol.
        resamples: Of the bootstrap; 0: no intervals.
        level: Coverage of the intervals.
        seed: Of the draws.
        weigh_by_detector: Weigh the images of a template by the detector's scores, where known.
        normalize_images: Normalise the embeddings of images before templates are summed.

    Raises:
        FaceGeomError: When a value is out of range; the message names its key.
    """

    fars: tuple[float, ...] | None = None
    interpolation: Interpolation = "none"
    ranks: tuple[int, ...] = (1, 5, 10)
    fpirs: tuple[float, ...] = (0.01, 0.1)
    kept_out: float = 0.5
    folds: int | None = None
    resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    weigh_by_detector: bool = True
    normalize_images: bool = False

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation)
        for name in ("fars", "fpirs"):
            rates = getattr(self, name) or ()
            if not all(0 < rate < 1 for rate in rates):
                raise FaceGeomError(f"{name} must lie between 0 and 1, got {list(rates)}.")
        if not all(rank >= 1 for rank in self.ranks):
            raise FaceGeomError(f"ranks must be 1 or more, got {list(self.ranks)}.")
        if not 0 < self.kept_out < 1:
            raise FaceGeomError(f"kept_out must lie between 0 and 1, got {self.kept_out}.")
        if self.folds is not None and self.folds < 2:
            raise FaceGeomError(f"folds must be at least 2, got {self.folds}.")
        if self.resamples < 0 or not 0 < self.level < 1:
            raise FaceGeomError(
                f"bootstrap.resamples must be 0 or more and bootstrap.level between 0 and 1, got "
                f"{self.resamples} and {self.level}."
            )

    def rates(self, templates: bool = False) -> tuple[float, ...]:
        """The false accept rates of a kind of set."""
        if self.fars is not None:
            return self.fars
        return TEMPLATE_FARS if templates else FARS
