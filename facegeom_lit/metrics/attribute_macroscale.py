"""How attributes show in the distances between identities, as a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale import Macroscale, macroscale_table
from facegeom_lit.geometry.macroscale.probes import FoldsBy
from facegeom_lit.geometry.macroscale.table import check_draws
from facegeom_lit.geometry.points import Distance, check_distance
from facegeom_lit.metrics.drawing import axis_of
from facegeom_lit.metrics.ordering import settled_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = (
    "ks_max",
    "ks_mean",
    "ks_weighted",
    "intra_entropy",
    "inter_entropy",
    "distance_correlation",
    "probe_accuracy",
    "probe_balanced_accuracy",
)


class AttributeMacroscale(Metric):
    """KS statistics, entropies and their rank correlation over attributes.

    See `facegeom_lit.geometry.macroscale`; collects all images, so memory grows with their
    number. Under several processes a sampler that repeats images to even out the shards would
    count them twice: use one that does not. Each process must take a batch, be it an empty one.

    Args:
        attributes: Names of the A attributes.
        distance: The model's own distance.
        per_modality: At most so many identities with an attribute, and as many without.
        draws: How often one image of each is drawn anew.
        probes: Folds of the probes, `identity` or `image`; None: no probes.
        seed: Of the draws.
        **kwargs: Of `torchmetrics.Metric`.

    Raises:
        FaceGeomError: When an argument is out of range.

    Example:
        >>> metric = AttributeMacroscale(["glasses"])
        >>> people = torch.arange(40)
        >>> glasses = people % 2
        >>> faces = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
        >>> metric.update(faces + 9 * glasses[:, None], people, glasses[:, None])
        >>> round(float(metric.compute()["ks_max/glasses"]), 2)
        1.0
    """

    is_differentiable = False
    higher_is_better = None  # an attribute may be meant to tell people apart, or not to
    full_state_update = False

    embeddings: list[Tensor]
    identities: list[Tensor]
    values: list[Tensor]

    def __init__(
        self,
        attributes: Sequence[str],
        distance: Distance = "cosine",
        per_modality: int = 500,
        draws: int = 10,
        probes: FoldsBy | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_distance(distance)
        check_draws(per_modality, draws, probes)
        if not attributes or len(set(attributes)) < len(attributes):
            raise FaceGeomError(
                f"Argument `attributes` must name at least one attribute, each once, got "
                f"{list(attributes)}."
            )
        self.attributes = tuple(attributes)
        self.options: dict[str, Any] = {
            "distance": distance,
            "per_modality": per_modality,
            "draws": draws,
            "probes": probes,
            "seed": seed,
        }
        self.add_state("embeddings", default=[], dist_reduce_fx="cat")
        self.add_state("identities", default=[], dist_reduce_fx="cat")
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def update(self, embeddings: Tensor, identities: Tensor, attributes: Tensor) -> None:
        """Take a batch.

        Args:
            embeddings: Raw embeddings, shape (B, D).
            identities: Integer identity of each, shape (B,).
            attributes: Values of the attributes in their order, shape (B, A); NaN marks an
                unknown one.

        Raises:
            FaceGeomError: When the shapes disagree.
        """
        count = len(embeddings)
        if (
            embeddings.ndim != 2
            or identities.shape != (count,)
            or attributes.shape != (count, len(self.attributes))
        ):
            raise FaceGeomError(
                f"A batch needs embeddings (B, D), identities (B,) and values "
                f"(B, {len(self.attributes)}), got {tuple(embeddings.shape)}, "
                f"{tuple(identities.shape)} and {tuple(attributes.shape)}."
            )
        self.embeddings.append(embeddings.detach())
        self.identities.append(identities.detach().long())
        self.values.append(attributes.detach().double())

    def table(self) -> Macroscale:
        """Every figure of every attribute, without intervals.

        Raises:
            FaceGeomError: When nothing was taken, or embeddings are not finite.
        """
        if not len(self.embeddings):
            raise FaceGeomError("AttributeMacroscale has taken no images: call `update` first.")
        embeddings = dim_zero_cat(self.embeddings)
        # In whatever order they came, from one process or many: the same images are drawn.
        identities = dim_zero_cat(self.identities)
        order = settled_order(embeddings, identities)
        values = dim_zero_cat(self.values)[order]
        return macroscale_table(
            embeddings[order],
            identities[order],
            dict(zip(self.attributes, values.T, strict=True)),
            null=False,
            bootstrap=0,
            permutations=0,
            **self.options,
        )

    def compute(self) -> dict[str, Tensor]:
        """The figures as scalars, by `<measure>/<attribute>`; undefined ones are absent.

        Returns:
            `ks_max`, `ks_mean`, `ks_weighted`, `intra_entropy` and `inter_entropy` of each
            attribute, `distance_correlation` of continuous ones, `probe_accuracy` and
            `probe_balanced_accuracy` with probes; and `spearman/<ks>/<entropy>` over the
            attributes.
        """
        table = self.table()
        found = {
            f"{measure}/{row.attribute}": getattr(row, measure)
            for row in table.rows
            for measure in MEASURES
        }
        found |= {f"spearman/{ks}/{entropy}": c.rho for (ks, entropy), c in table.spearman.items()}
        return {name: torch.tensor(value) for name, value in found.items() if value is not None}

    def plot(self, val: Macroscale | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
        """Draw the mean KS of each attribute against its intra-entropy.

        Args:
            val: What `table` returned; None: of the images taken.
            ax: Where to draw; None: a new figure.

        Returns:
            Figure and axes.
        """
        table = self.table() if val is None else val
        figure, axis = axis_of(ax)
        entropy, ks = (table.figures(name).numpy() for name in ("intra_entropy", "ks_mean"))
        spread = table.figures("ks_std").nan_to_num(0.0).numpy()
        axis.errorbar(entropy, ks, yerr=spread, fmt="o")
        for row, x, y in zip(table.rows, entropy, ks, strict=True):
            if row.ks_mean is not None:
                axis.annotate(row.attribute, (x, y), fontsize=7)
        axis.set_xlabel("intra-entropy (nats)")
        axis.set_ylabel("mean KS, within against across")
        return figure, axis
