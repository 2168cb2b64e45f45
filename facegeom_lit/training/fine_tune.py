"""The LightningModule that fine-tunes a face model for one attribute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from facegeom_lit.attributes import AttributeSpec
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.keys import ATTRIBUTE, IMAGE, INDEX, LABEL
from facegeom_lit.models import FaceModel
from facegeom_lit.training.embedding_pass import EmbeddingPass
from facegeom_lit.training.objectives.base import Objective
from facegeom_lit.training.parameter_groups import BACKBONE, parameter_groups
from facegeom_lit.training.schedule import rate_factor

PROVENANCE = "facegeom_provenance"
"""Key of a checkpoint under which the hashes of weights and faces stand."""


class FineTuneModule(L.LightningModule):
    """Face model, head and objective; embeds the evaluation sets once for every callback.

    Args:
        model: The face model to fine-tune.
        head: Margin head over the training identities: (B, D) embeddings, (B,) labels → logits.
        objective: Identity loss and attribute term.
        optimizer: Makes an optimiser from parameter groups (a Hydra `_partial_`).
        evaluation_sizes: Images in each evaluation set, in the order of the validation loaders.
        attribute: The targeted attribute, or None for the baseline.
        lr: Learning rate of the last backbone stage.
        head_lr: Learning rate of the head.
        layer_decay: Factor on the rate from each stage to the one before it, in (0, 1].
        weight_decay: Weight decay of matrices and kernels.
        head_warmup_epochs: Epochs in which the head alone learns and the backbone stands still;
            for new classes, whose untrained centres would otherwise tear at the backbone.
        warmup_steps: Steps over which rates rise linearly.
        freeze_batch_norm: Keep batch normalisation in evaluation mode (small or odd batches).
        provenance: Hashes of what the run is made of, by name; kept with every checkpoint.
        start: The untouched model, where the objective compares with it; stands still, and is in
            no checkpoint (its hash is in `provenance`).
    """

    def __init__(
        self,
        model: FaceModel,
        head: nn.Module,
        objective: Objective,
        optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer],
        evaluation_sizes: Mapping[str, int],
        attribute: AttributeSpec | None = None,
        *,
        lr: float = 1e-3,
        head_lr: float = 1e-2,
        layer_decay: float = 0.7,
        weight_decay: float = 5e-4,
        head_warmup_epochs: int = 1,
        warmup_steps: int = 0,
        freeze_batch_norm: bool = True,
        provenance: Mapping[str, str] | None = None,
        start: FaceModel | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.head = head
        self.objective = objective
        self.attribute = attribute
        self.evaluation = EmbeddingPass(evaluation_sizes)
        self._optimizer = optimizer
        self._rates = {
            "lr": lr,
            "head_lr": head_lr,
            "layer_decay": layer_decay,
            "weight_decay": weight_decay,
        }
        self.head_warmup_epochs = head_warmup_epochs
        self.warmup_steps = warmup_steps
        self.freeze_batch_norm = freeze_batch_norm
        self.provenance = dict(provenance or {})
        # In a tuple it is no submodule: nothing saves it, trains it or reduces it over processes.
        self._start: tuple[FaceModel, ...] = ()
        if start is not None:
            self._start = (start.eval().requires_grad_(False),)

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings (B, D) of uint8 RGB crops (B, 3, 112, 112)."""
        return self.model(images)

    def on_fit_start(self) -> None:
        """Bring the start model to where the images are."""
        for start in self._start:
            start.to(self.device)

    def on_train_epoch_start(self) -> None:
        """Let a resting backbone rest, and batch normalisation where it was asked to."""
        self.model.train(not self._warming_up)
        for _, stage in self.model.stages():
            if not any(parameter.requires_grad for parameter in stage.parameters()):
                stage.eval()  # what stands still keeps its running statistics too
        if self.freeze_batch_norm:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the run was made of beside its weights."""
        checkpoint[PROVENANCE] = self.provenance

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to continue with other faces or other weights than the run began with.

        Raises:
            FaceGeomError: When they differ.
        """
        began = checkpoint.get(PROVENANCE, {})
        changed = [name for name, value in self.provenance.items() if began.get(name) != value]
        if changed:
            raise FaceGeomError(
                f"The half-done run here began with other {' and '.join(changed)} than are there "
                "now. rerun=true starts it afresh."
            )

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one batch, logged with its parts.

        Raises:
            FaceGeomError: When the loss is NaN or infinite, at the step where it is born.
        """
        labels = batch[LABEL]
        with torch.set_grad_enabled(not self._warming_up):
            embeddings = self.model(batch[IMAGE])
        logits = self.head(embeddings, labels)
        values = self._scaled(batch[ATTRIBUTE])
        losses = self.objective(logits, embeddings, labels, values, self._started(batch[IMAGE]))
        loss = losses.total
        if not bool(loss.isfinite()):
            parts = ", ".join(f"{name} {part.item()}" for name, part in losses.parts.items())
            raise FaceGeomError(
                f"The loss is {loss.item()} at epoch {self.current_epoch}, batch {batch_idx} "
                f"({parts}). Lower training.lr or head.scale, or clip the gradient "
                "(trainer.gradient_clip_val)."
            )
        size = len(labels)
        self.log("train/loss", loss, prog_bar=True, batch_size=size)
        for name, part in losses.parts.items():
            self.log(f"train/loss_{name}", part, batch_size=size)
        if self._warming_up and self.trainer.world_size > 1:
            # Data-parallel reduction waits for every parameter: give the resting ones a gradient.
            loss = loss + 0 * sum(p.sum() for p in self.model.parameters() if p.requires_grad)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the optimiser's moments of a resting backbone untouched."""
        if self._warming_up:
            for parameter in self.model.parameters():
                parameter.grad = None

    @property
    def _warming_up(self) -> bool:
        """Whether the head learns alone."""
        return self.current_epoch < self.head_warmup_epochs

    @torch.no_grad()
    def _started(self, images: Tensor) -> Tensor | None:
        """Return the start model's embeddings (B, D), where the objective compares with them."""
        return self._start[0](images) if self._start else None

    def _scaled(self, values: Tensor) -> Tensor:
        """Map the attribute's range to [-1, 1]."""
        if self.attribute is None:
            return torch.full_like(values, torch.nan)
        low, high = self.attribute.low, self.attribute.high
        return (2 * values - low - high) / (high - low)

    def on_validation_epoch_start(self) -> None:
        """Begin a new pass over the evaluation sets."""
        self.evaluation.clear()

    def validation_step(
        self, batch: dict[str, Tensor], batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Embed one batch of an evaluation set."""
        name = list(self.evaluation.sizes)[dataloader_idx]
        self.evaluation.add(name, batch[INDEX], self.model(batch[IMAGE]))

    def embeddings(self, name: str) -> Tensor:
        """Return the embeddings of evaluation set `name` in its order, (N, D), on the CPU.

        Collective: every process calls it for the same sets in the same order.
        """
        gather = self._gather if self.trainer.world_size > 1 else None
        return self.evaluation.whole(name, gather)

    def _gather(self, values: Tensor) -> Tensor:
        """Join a tensor of every process (whose lengths may differ) along the first dimension."""
        length = torch.tensor(len(values), device=self.device)
        lengths = cast(Tensor, self.all_gather(length)).flatten()
        longest = int(lengths.max())
        padded = values.new_zeros(longest, *values.shape[1:])
        padded[: len(values)] = values
        gathered = cast(Tensor, self.all_gather(padded))
        return torch.cat([part[: int(n)] for part, n in zip(gathered, lengths, strict=True)])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser with discriminative rates and its schedule."""
        groups = parameter_groups(self.model, (self.head, self.objective), **self._rates)
        optimizer = self._optimizer(groups)
        total = int(self.trainer.estimated_stepping_batches)
        epochs = self.trainer.max_epochs or 1
        start = round(total * min(self.head_warmup_epochs, epochs) / epochs)

        def factor(backbone: bool) -> Callable[[int], float]:
            first = start if backbone else 0
            return lambda step: rate_factor(
                step, start=first, warmup=self.warmup_steps, total=total
            )

        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, [factor(group["name"].startswith(BACKBONE)) for group in groups]
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
