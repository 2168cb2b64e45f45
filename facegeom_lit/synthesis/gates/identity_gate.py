"""Keeps an image only if a face model finds the person whom it should show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.opening import open_faces
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.verification import pair_scores, split_scores
from facegeom_lit.models.embed import embed_cached, model_hash
from facegeom_lit.models.storage import load_face_model
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.gates.gate import Candidate, compared, with_references
from facegeom_lit.synthesis.maker import RendererMaker
from facegeom_lit.synthesis.recipe import recipe_from_config


class OperatingPoint(NamedTuple):
    """Where a model accepts two images as one person: score ≥ threshold."""

    threshold: float
    far: float
    tar: float
    genuine: int
    impostor: int


def threshold_at_far(scores: Tensor, same: Tensor, far: float) -> OperatingPoint:
    """Return the lowest threshold whose false accept rate is at most `far`.

    The next number above the impostor score of rank `floor(FAR · impostors) + 1` from the top, so
    that "score ≥ threshold" accepts what `tar_at_far` counts as accepted.

    Args:
        scores: Similarity of each pair, larger = more alike, shape (P,).
        same: Whether the pair is genuine, shape (P,).
        far: In (0, 1).

    Raises:
        FaceGeomError: As `split_scores`, and where the impostor pairs are too few for the FAR.

    Example:
        >>> scores, same = torch.tensor([0.9, 0.6, 0.7, 0.1]), torch.tensor([1, 1, 0, 0])
        >>> point = threshold_at_far(scores, same, 0.5)
        >>> round(point.threshold, 4), point.tar
        (0.1, 1.0)
    """
    genuine, impostor = split_scores(scores, same)
    if not 0 < far < 1:
        raise FaceGeomError(f"far must lie between 0 and 1, got {far}.")
    admitted = int(far * len(impostor) + 1e-9)
    if admitted < 1:
        raise FaceGeomError(
            f"far={far:g} is below 1/{len(impostor)}: {len(impostor)} impostor pairs cannot tell "
            "its threshold. Choose a larger FAR, or calibrate on more people (faces=…)."
        )
    last_rejected = impostor[len(impostor) - 1 - admitted]
    threshold = torch.nextafter(last_rejected, torch.full_like(last_rejected, torch.inf))
    tar = float((genuine >= threshold).double().mean())
    return OperatingPoint(float(threshold), far, tar, len(genuine), len(impostor))


class IdentityGate:
    """Rejects an image that a face model does not find to show the person of its reference.

    The threshold is that of the model's own scores on calibration faces at a stated FAR. Nothing
    is loaded or computed before it is needed.

    Args:
        model: Folder or file of the face model.
        far: False accept rate at which the threshold is put.
        threshold: Given instead (cosine, or minus the distance of a Euclidean model).
        faces: Folder of the calibration face set; None: the verification recipe of
            `conf/synthesis/renderer.yaml`, rendered, or found in `cache`.
        cache: Folder of rendered face sets and of embeddings.
        batch_size: Images embedded at once.
        device: Where the model runs.

    Raises:
        FaceGeomError: When an argument is out of range.
    """

    def __init__(
        self,
        model: str | Path,
        far: float = 1e-3,
        threshold: float | None = None,
        faces: str | Path | None = None,
        *,
        cache: str | Path = "outputs/cache",
        batch_size: int = 128,
        device: str = "cpu",
    ) -> None:
        if not 0 < far < 1:
            raise FaceGeomError(f"gates.identity.far must lie between 0 and 1, got {far}.")
        self.path = Path(model).expanduser()
        self.far = far
        self.given = threshold
        self.faces = faces
        self.cache = Path(cache)
        self.batch_size = batch_size
        self.device = device

    @cached_property
    def model(self) -> Any:
        """The face model."""
        return load_face_model(self.path).to(self.device)

    @cached_property
    def calibration(self) -> FaceSet:
        """The faces whose scores put the threshold."""
        if self.faces is not None:
            return open_faces(self.faces)
        file = resource("conf") / "synthesis" / "renderer.yaml"
        synthesis = yaml.safe_load(file.read_text(encoding="utf-8"))
        recipe = recipe_from_config("verification", synthesis)
        return prepare_face_set(recipe, RendererMaker(), self.cache / "facesets")

    @cached_property
    def operating_point(self) -> OperatingPoint | None:
        """Threshold, FAR and the TAR there; None where the threshold was given."""
        if self.given is not None:
            return None
        embeddings = embed_cached(
            self.model, self.calibration, self.cache / "embeddings", batch_size=self.batch_size
        )
        scores = pair_scores(embeddings, self.calibration.labels, self._distance)
        return threshold_at_far(*scores, self.far)

    @property
    def threshold(self) -> float:
        """Lowest score that is kept."""
        point = self.operating_point
        if point is not None:
            return point.threshold
        assert self.given is not None
        return self.given

    @property
    def summary(self) -> dict[str, Any]:
        """What a face set's card says of this gate."""
        point = self.operating_point
        measured = {"threshold": self.threshold} if point is None else point._asdict()
        calibrated = {} if point is None else {"calibration": self.calibration.hash}
        return {
            "model": self.model.card.name,
            "model_hash": model_hash(self.model),
            **measured,
            **calibrated,
        }

    @cached_property
    def version(self) -> str:
        """Hash of the model and of what puts the threshold."""
        # not of the threshold itself, whose last digit may differ between machines
        decides = self.given if self.given is not None else (self.far, self.calibration.hash)
        return sha256(f"identity {model_hash(self.model)} {decides}".encode()).hexdigest()[:12]

    def judge(self, candidates: Sequence[Candidate]) -> list[str]:
        """Return "" for each image that shows its reference's person, else "identity"."""
        reasons = [""] * len(candidates)
        rows = compared(candidates)
        if not rows:
            return reasons
        images, references = with_references(self._embed, [candidates[row] for row in rows])
        if self._distance == "cosine":
            scores = (images * references).sum(1)
        else:
            scores = -(images - references).norm(dim=1)
        for row, score in zip(rows, scores.tolist(), strict=True):
            if not score >= self.threshold:
                reasons[row] = "identity"
        return reasons

    @property
    def _distance(self) -> Distance:
        return self.model.card.distance

    @torch.inference_mode()
    def _embed(self, images: Tensor) -> Tensor:
        parts = [self.model(part.to(self.device)) for part in images.split(self.batch_size)]
        return self.model.compare(torch.cat(parts).double()).cpu()
