"""Cards of published weights whose files carry none."""

from __future__ import annotations

from typing import Any

from facegeom_lit.models.card import ModelCard

MOBILEFACENET_PRELU_CASIA = ModelCard(
    name="mobilefacenet_prelu_casia",
    architecture="mobilefacenet",
    arguments={"dimension": 128, "window": [7, 6]},
    dimension=128,
    std=(128.0, 128.0, 128.0),
    size=(112, 96),
    licence="not stated by its publisher",
    source="github.com/Xiaoccer/MobileFaceNet_Pytorch, trained on CASIA-WebFace",
)

MOBILEFACENET_RELU_MS1M = ModelCard(
    name="mobilefacenet_relu_ms1m",
    architecture="mobilefacenet",
    arguments={"dimension": 128, "variant": "relu"},
    dimension=128,
    # ImageNet mean and standard deviation in units of 0–255.
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    licence="Apache-2.0 (code); trained on the withdrawn MS-Celeb-1M: research only",
    source="github.com/foamliu/MobileFaceNet, trained on refined MS-Celeb-1M",
)


def arcface_torch(architecture: str, arguments: dict[str, Any]) -> ModelCard:
    """Card of weights in the layout of InsightFace's `arcface_torch`.

    The layout says how to feed the network, not who trained it.
    """
    return ModelCard(
        name=f"{architecture}_arcface_torch",
        architecture=architecture,
        arguments=arguments,
        dimension=arguments["dimension"],
        licence="not stated in the file; InsightFace's published weights are for non-commercial "
        "research purposes only",
        source="layout of github.com/deepinsight/insightface, recognition/arcface_torch; training "
        "not stated in the file",
    )
