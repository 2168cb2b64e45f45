"""Identity codes: who the prior shall draw.

Two kinds. `rendered`: the renderer's own identity vectors, so that person 7 of the prior is person
7 of the renderer. `embeddings`: a face model's embeddings of given people, whitened, so that new
people can be drawn (and a given face can be asked for again); for faces of any other origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.renderer.identity import COORDINATES, draw_identities

IdentityKind = Literal["rendered", "embeddings"]
_UNIT = 3**0.5  # coordinates are uniform in [-1, 1]: this makes their variance 1


class IdentitySpace(ModelMixin, ConfigMixin):
    """Where identity codes come from: (N, K), each entry of zero mean and unit variance.

    Args:
        kind: `rendered` or `embeddings`.
        code_dim: K: all of the renderer's coordinates, or the principal components kept.
        embedding_dim: D of the face model (`embeddings`).
        model: `weights_hash` of the face model (`embeddings`).
    """

    @register_to_config
    def __init__(
        self,
        kind: IdentityKind = "rendered",
        code_dim: int = len(COORDINATES),
        embedding_dim: int = 0,
        model: str = "",
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.basis: Tensor
        self.register_buffer("mean", torch.zeros(embedding_dim))
        self.register_buffer("basis", torch.zeros(embedding_dim, code_dim))

    @property
    def code_dim(self) -> int:
        """K."""
        return int(self.config.code_dim)

    @classmethod
    def fit(cls, templates: Tensor, code_dim: int, model: str = "") -> IdentitySpace:
        """Whiten templates (N, D), N > K, in float64.

        A person's template is the mean of the normalised embeddings of their images.
        """
        wide = templates.double()
        mean = wide.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((wide - mean).T))
        kept = values.argsort(descending=True)[:code_dim]
        vectors = vectors[:, kept]
        # The sign of an eigenvector is the solver's whim: its largest entry is made positive.
        largest = vectors.abs().argmax(0)
        vectors = vectors * vectors[largest, torch.arange(len(kept))].sign()
        space = cls("embeddings", len(kept), wide.shape[1], model)
        space.mean.copy_(mean)
        space.basis.copy_(vectors / values[kept].clamp(min=1e-12).sqrt())
        return space

    def of_templates(self, templates: Tensor) -> Tensor:
        """Return the codes (N, K) of templates (N, D).

        Raises:
            FaceGeomError: When the codes are the renderer's, which no embedding tells.
        """
        if self.config.kind != "embeddings":
            raise FaceGeomError(
                "This prior knows the renderer's people only: a given face has no code. Leave its "
                "identity untold, or train a prior with prior.identity=embeddings."
            )
        return (templates - self.mean) @ self.basis

    def draw(self, people: Sequence[int]) -> Tensor:
        """Return one code for each number of a person, (N, K): the same number, the same person."""
        if self.config.kind == "rendered":
            return draw_identities(people) * _UNIT
        codes = torch.empty(len(people), self.code_dim)
        for row, number in zip(codes, people, strict=True):
            row.normal_(generator=torch.Generator().manual_seed(number))
        return codes


def other_image_templates(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return for each image the template of the *other* images of its person, (N, D).

    So the code of a training image holds what its person looks like and nothing of what this
    image looks like, or the network would read the attributes from the code.

    Args:
        embeddings: (N, D), raw.
        labels: int64 (N,), each identity at least twice.
    """
    units = F.normalize(embeddings.double(), dim=1)
    people = int(labels.max()) + 1
    sums = units.new_zeros(people, units.shape[1]).index_add_(0, labels, units)
    counts = torch.bincount(labels, minlength=people).to(units)
    return ((sums[labels] - units) / (counts[labels] - 1)[:, None]).float()
