"""Inception-ResNet-v1 as facenet-pytorch names it: our own names."""

from __future__ import annotations

import re

from facegeom_lit.models.weights import cards
from facegeom_lit.models.weights.layouts.layout import Draft, Layout, Tensors, size


def _draft(state: Tensors, prefix: str) -> Draft:
    classes = size(state, "logits.weight", 0, 0)
    dimension = size(state, "last_linear.weight", 0, 512)
    return Draft("facenet-pytorch InceptionResnetV1", cards.facenet_pytorch(dimension, classes))


INCEPTION_RESNET = Layout(
    re.compile(
        r"(conv2d_\d[ab]\.(conv|bn)"
        r"|(repeat_[123]\.\d+|mixed_[67]a|block8)\.(branch\d(\.\d)?\.(conv|bn)|conv2d)"
        r"|last_linear|last_bn)\.\w+"
    ),
    _draft,
)
"""Published by timesler/facenet-pytorch (models/inception_resnet_v1.py)."""
