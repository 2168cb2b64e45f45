"""Any vision encoder of the `transformers` library as a backbone: CLIP, DINO, SAM, ViT, ResNet."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.backbone import MOST_BLOCKS, Backbone
from facegeom_lit.models.backbones.pruning import (
    main_blocks,
    parts_around,
    prune,
    unused_parameters,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

POOLINGS = ("auto", "cls", "mean", "pooler", "projection")

PUBLISHED_POOLING = {
    **dict.fromkeys(("vit", "deit", "vit_msn", "dinov2"), "cls"),
    **dict.fromkeys(("dinov2_with_registers", "dinov3_vit"), "cls"),
    **dict.fromkeys(("vit_mae", "sam_vision_model"), "mean"),
}
"""What the published evaluations of a model type pool; every other one has its own pooler."""

MOST_PIXELS = 4096
"""Longest side of an input."""

UNWANTED = frozenset(
    {
        "architectures",
        "attn_implementation",  # may name code on the hub
        "auto_map",  # names code beside the weights
        "dtype",
        "id2label",
        "label2id",
        "quantization_config",
        "torch_dtype",
        "transformers_version",
    }
)
"""Entries of a configuration that do not say what is computed, or say where to find code."""


class HuggingFace(Backbone):
    """A `transformers` vision encoder, pooled to one vector, optionally projected.

    Parameters that do not reach the embedding (a mask token, a pooler that is not asked for) are
    taken out, so that every trainable one has a gradient, as data-parallel training demands.

    Args:
        config: The encoder's configuration, plain JSON with `model_type`, as in its `config.json`;
            `facegeom_lit.models.weights.hugging_face.read_hugging_face` fills it in.
        pooling: "cls" (class token), "mean" (over the patches or the map, without class and
            register tokens), "pooler" (the encoder's own), "projection" (CLIP's embedding shared
            with text), or "auto": what the published use of this encoder is.
        dimension: Length of the embedding behind a linear map and batch normalisation, which
            margin losses like; None gives the pooled vector itself.
        size: (H, W) of the input; None takes the encoder's own. Another one than the encoder was
            trained at works where it can interpolate its positions.

    Raises:
        FaceGeomError: When the configuration is no vision encoder's, or it lacks what is pooled.

    Example:
        >>> config = {"model_type": "resnet", "hidden_sizes": [8, 16], "depths": [1, 1]}
        >>> backbone = HuggingFace(config | {"layer_type": "basic"}, size=(32, 32))
        >>> backbone.dimension, backbone(torch.zeros(2, 3, 32, 32)).shape
        (16, torch.Size([2, 16]))
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        pooling: str = "auto",
        dimension: int | None = None,
        size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(config, Mapping) or not isinstance(config.get("model_type"), str):
            raise FaceGeomError(
                "Argument `config` must be the configuration of a vision encoder, a mapping with "
                f"`model_type`, got {config!r}. Load a folder or hf:<id>, which bring theirs."
            )
        if pooling not in POOLINGS:
            raise FaceGeomError(f"Argument `pooling` must be one of {POOLINGS}, got {pooling!r}.")
        self.config = plain_config(json.loads(encoder_config(config).to_json_string()))
        self.model_type: str = self.config["model_type"]
        self.network = self._encoder(pooling)
        self.input_size = self._input_size(size)
        if max(self.input_size) > MOST_PIXELS:
            raise FaceGeomError(
                f"Images of {self.input_size} pixels are larger than any face crop ({MOST_PIXELS})."
            )
        # On the meta device: shapes and the graph, without memory or arithmetic.
        with torch.inference_mode(False), torch.enable_grad(), torch.device("meta"):
            skeleton = self._encoder(pooling).eval().requires_grad_(True)
            output = self._try(skeleton, torch.zeros(2, 3, *self.input_size))
            self.pooling = self._choose(pooling, output)
            self.prefix = self._prefix_tokens(output)
            pooled = self._pool(output)
            unused = unused_parameters(skeleton, pooled)
        prune(self.network, unused)
        self.dimension = features = pooled.shape[1]
        self.projection: nn.Module = nn.Identity()
        if dimension is not None:
            self.dimension = dimension
            self.projection = nn.Sequential(
                nn.Linear(features, dimension, bias=False), nn.BatchNorm1d(dimension)
            )

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, *input_size); returns (B, dimension)."""
        return self.projection(self._pool(self._run(self.network, images)))

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Embeddings, each block, and what follows them."""
        blocks = main_blocks(self.network)
        before, after = parts_around(self.network, blocks)
        named = [(f"block{i}", block) for i, block in enumerate(blocks, start=1)]
        after.append(self.projection)
        return [("embeddings", before), *named, ("embedding", after)]

    def _encoder(self, pooling: str) -> nn.Module:
        from transformers import AutoModel, CLIPVisionConfig, CLIPVisionModelWithProjection

        config = encoder_config(self.config)
        try:
            if pooling != "projection":
                return AutoModel.from_config(config, trust_remote_code=False)
            if isinstance(config, CLIPVisionConfig):
                return CLIPVisionModelWithProjection(config)
        except Exception as error:  # of every class of the library
            raise self._unusable("cannot be built", error) from error
        raise FaceGeomError(
            f"pooling='projection' is CLIP's; a {self.model_type!r} has none. Choose "
            "pooling='auto'."
        )

    def _try(self, network: nn.Module, images: Tensor) -> Any:
        try:
            return self._run(network, images)
        except Exception as error:  # of every class of the library
            raise self._unusable(f"does not take images of {self.input_size}", error) from error

    def _unusable(self, problem: str, error: Exception) -> FaceGeomError:
        return FaceGeomError(
            f"The {self.model_type!r} of this configuration {problem} ({type(error).__name__}: "
            f"{str(error)[:300]})."
        )

    def _input_size(self, size: Sequence[int] | None) -> tuple[int, int]:
        own = getattr(self.network.config, "image_size", None) or 224  # ResNets name none
        own = [own, own] if isinstance(own, int) else list(own)
        height, width = own if size is None else size
        accepts = inspect.signature(self.network.forward).parameters
        self._resized = {}
        if [height, width] != own and "interpolate_pos_encoding" in accepts:
            self._resized = {"interpolate_pos_encoding": True}
        return height, width

    def _patches(self) -> tuple[int, int] | None:
        """Rows and columns of patches, None where the configuration has no patch size."""
        patch = getattr(self.network.config, "patch_size", None)
        if not isinstance(patch, int):
            return None
        return self.input_size[0] // patch, self.input_size[1] // patch

    def _run(self, network: nn.Module, images: Tensor) -> Any:
        grid = self._patches()
        if self.model_type == "siglip2_vision_model" and grid is not None:
            # It takes a sequence of flattened patches, so that images may differ in shape.
            patches = nn.functional.unfold(
                images, self.config["patch_size"], stride=self.config["patch_size"]
            )
            patches = patches.unflatten(1, (3, -1)).permute(0, 3, 2, 1).flatten(2)
            shapes = torch.tensor([grid] * len(images), device="cpu")
            return network(patches, pixel_attention_mask=None, spatial_shapes=shapes)
        extra: dict[str, Any] = dict(self._resized)
        if self.model_type == "vit_mae" and grid is not None:
            # Rising noise keeps the patches in their order; the configuration masks none of them.
            # (Not len(images): tracing to ONNX would take that for a constant.)
            extra["noise"] = torch.linspace(0, 1, grid[0] * grid[1], device=images.device).expand(
                images.shape[0], -1
            )
        return network(pixel_values=images, **extra)

    def _choose(self, pooling: str, output: Any) -> str:
        if pooling == "auto":
            own = "mean" if output.get("pooler_output") is None else "pooler"
            pooling = PUBLISHED_POOLING.get(self.model_type, own)
        if pooling == "pooler" and output.get("pooler_output") is None:
            raise FaceGeomError(
                f"A {self.model_type!r} has no pooler of its own; choose pooling='mean'."
            )
        return pooling

    def _prefix_tokens(self, output: Any) -> int:
        """Class, register and distillation tokens before the patches."""
        if self.pooling not in ("cls", "mean"):
            return 0
        states, grid = output.last_hidden_state, self._patches()
        tokens = states.shape[1] if states.ndim == 3 else 0
        if self.model_type == "dinov3_convnext":
            found = 1  # the pooled map stands before the map
        else:
            found = max(0, tokens - grid[0] * grid[1]) if grid is not None else 0
        if self.pooling == "cls" and not found:
            raise FaceGeomError(
                f"A {self.model_type!r} has no class token; choose pooling='auto' or 'mean'."
            )
        return found

    def _pool(self, output: Any) -> Tensor:
        if self.pooling == "projection":
            return output.image_embeds
        if self.pooling == "pooler":
            return output.pooler_output.flatten(1)
        states = output.last_hidden_state
        if self.pooling == "cls":
            return states[:, 0]
        return states.mean((2, 3)) if states.ndim == 4 else states[:, self.prefix :].mean(1)


def _numbers(config: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every number in a configuration with its key, those of its parts and lists included."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        else:
            values = value if isinstance(value, list) else [value]
            yield from ((key, item) for item in values if isinstance(item, int | float))


def encoder_config(config: Mapping[str, Any]) -> PreTrainedConfig:
    """Make the library's configuration of a vision encoder.

    Args:
        config: Plain JSON with `model_type`; of a model of text and images, the encoder's is taken.

    Raises:
        FaceGeomError: When the installed library does not know the type, it is no vision encoder,
            or a value is unusable.
    """
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    model_type = config["model_type"]
    if model_type not in CONFIG_MAPPING:
        raise FaceGeomError(
            f"The installed transformers knows no model type {model_type!r}. Code that comes with "
            "weights is never run: install a release that has it."
        )
    for key, value in _numbers(config):
        if key.endswith(("layers", "depths", "depth")) and value > MOST_BLOCKS:
            raise FaceGeomError(f"{key} = {value} in the configuration is too many.")
    try:
        made = AutoConfig.for_model(**plain_config(config))
    except Exception as error:  # the library checks values with errors of its own
        raise FaceGeomError(
            f"The configuration of a {model_type!r} is unusable: {str(error)[:300]}"
        ) from error
    if hasattr(made, "vision_config"):
        shared = getattr(made, "projection_dim", None)
        made = made.vision_config
        if hasattr(made, "projection_dim") and shared is not None:
            made.projection_dim = shared  # CLIP's own copy beside the text is the one that holds
    kind = MODEL_MAPPING.get(type(made), None)
    takes = getattr(kind, "main_input_name", "no input of its own")
    if takes != "pixel_values":
        raise FaceGeomError(
            f"A {model_type!r} is no vision encoder (it takes {takes}): face models take images. "
            "Choose a vision model, such as CLIP, SigLIP, DINOv2, SAM, ViT-MAE, ViT or ResNet."
        )
    return made


def plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without what does not say what is computed, see `UNWANTED`.

    A ViT-MAE is set to see every patch.

    Example:
        >>> plain_config({"model_type": "vit_mae", "_name_or_path": "x", "dtype": "float16"})
        {'model_type': 'vit_mae', 'mask_ratio': 0.0}
    """
    kept = {
        key: plain_config(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in UNWANTED and not key.startswith("_")
    }
    if kept.get("model_type") == "vit_mae":
        kept["mask_ratio"] = 0.0
    return kept
