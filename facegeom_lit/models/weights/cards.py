"""Cards of published weights whose files carry none.

A layout says how its code base feeds the network, not who trained these weights on what; where
that is known, the weights' hash stands on the card.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from facegeom_lit.models.card import ModelCard

_NON_COMMERCIAL = (
    "not stated in the file; {publisher} published weights are for non-commercial research "
    "purposes only"
)
_NOT_STATED = "training not stated in the file"
_UNKNOWN_LICENCE = "not stated in the file"

MOBILEFACENET_PRELU_CASIA = ModelCard(
    name="mobilefacenet_prelu_casia",
    architecture="mobilefacenet",
    arguments={"dimension": 128, "window": [7, 6]},
    dimension=128,
    std=(128.0, 128.0, 128.0),
    size=(112, 96),
    licence="not stated by its publisher",
    source="github.com/Xiaoccer/MobileFaceNet_Pytorch, trained on CASIA-WebFace",
    hash="e002923f4450e7e8da3fbb29d23b6a82c62831ce1a14e97a6d944167a717a36c",
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
    hash="aa23386d1171054e36550600733d2380cfac03ccf1e907506927809616d50325",
)


def arcface_torch(architecture: str, arguments: dict[str, Any]) -> ModelCard:
    """Card of weights in the layout of InsightFace's `arcface_torch`: RGB, ±1."""
    return ModelCard(
        name=f"{architecture}_arcface_torch",
        architecture=architecture,
        arguments=arguments,
        dimension=arguments["dimension"],
        licence=_NON_COMMERCIAL.format(publisher="InsightFace's"),
        source="layout of github.com/deepinsight/insightface, recognition/arcface_torch; "
        + _NOT_STATED,
    )


def magface(architecture: str, arguments: dict[str, Any]) -> ModelCard:
    """Card of weights in the layout of MagFace: BGR, 0–1 without normalisation.

    Source: IrvingMeng/MagFace, inference/gen_feat.py (OpenCV images, mean 0, std 1).
    """
    return ModelCard(
        name=f"{architecture}_magface",
        architecture=architecture,
        arguments=arguments,
        dimension=arguments["dimension"],
        color_order="BGR",
        mean=(0.0, 0.0, 0.0),
        std=(255.0, 255.0, 255.0),
        licence="Apache-2.0 (code); the weights were trained on the withdrawn MS-Celeb-1M: "
        "research only",
        source=f"layout of github.com/IrvingMeng/MagFace; {_NOT_STATED}",
    )


def adaface(architecture: str, arguments: dict[str, Any], checkpoint: bool) -> ModelCard:
    """Card of weights in the layout of AdaFace: BGR, ±1.

    Source: mk-minchul/AdaFace, inference.py.

    Args:
        architecture: As on the card.
        arguments: As on the card.
        checkpoint: Whether the names are those of AdaFace's checkpoints, not of a bare network.
    """
    note = (
        "BGR as AdaFace does it; CVLFace feeds RGB to the same network, and the file does not say "
        "whose it is: check the colour order"
    )
    return ModelCard(
        name=f"{architecture}_adaface",
        architecture=architecture,
        arguments=arguments,
        dimension=arguments["dimension"],
        color_order="BGR",
        licence="MIT (code); the terms of the training data hold for the weights",
        source=f"layout of github.com/mk-minchul/AdaFace; {_NOT_STATED}",
        training={} if checkpoint else {"note": note},
    )


def cvlface(architecture: str, arguments: dict[str, Any]) -> ModelCard:
    """Card of weights in the layout of CVLFace: RGB, ±1.

    Source: mk-minchul/CVLface, models/*/configs/*.yaml (`color_space: RGB`) and
    apps/verification/verify.py.
    """
    return ModelCard(
        name=f"{architecture}_cvlface",
        architecture=architecture,
        arguments=arguments,
        dimension=arguments["dimension"],
        licence="MIT (code); the terms of the training data hold for the weights",
        source=f"layout of github.com/mk-minchul/CVLface; {_NOT_STATED}",
    )


def insightface_pytorch(architecture: str, arguments: dict[str, Any]) -> ModelCard:
    """Card of weights in the layout of InsightFace_Pytorch, which face.evoLVe shares: BGR, ±1.

    Source: TreB1eN/InsightFace_Pytorch, data/data_pipe.py: training images pass through OpenCV
    into PIL unchanged, validation images are turned from RGB to BGR. face.evoLVe's
    util/extract_feature_v2.py feeds RGB to the same network; the file does not say which it is.
    """
    return ModelCard(
        name=f"{architecture}_insightface_pytorch",
        architecture=architecture,
        arguments=arguments,
        dimension=arguments["dimension"],
        color_order="BGR",
        licence="MIT (code); the terms of the training data hold for the weights",
        source="layout of github.com/TreB1eN/InsightFace_Pytorch and "
        f"github.com/ZhaoJ9014/face.evoLVe; {_NOT_STATED}",
        training={
            "note": "BGR as InsightFace_Pytorch trains and validates; face.evoLVe feeds RGB to the "
            "same network, and the file does not say whose it is: check the colour order"
        },
    )


def facenet_pytorch(dimension: int, classes: int) -> ModelCard:
    """Card of facenet-pytorch's InceptionResnetV1: RGB, (x - 127.5) / 128, 160×160.

    The number of classes tells its two published trainings apart, where the classifier is there.
    """
    data = {8631: "VGGFace2", 10575: "CASIA-WebFace"}.get(classes)
    return ModelCard(
        name="inception_resnet_v1" + (f"_{data.lower()}" if data else ""),
        architecture="inception_resnet_v1",
        arguments={"dimension": dimension},
        dimension=dimension,
        std=(128.0, 128.0, 128.0),
        size=(160, 160),
        fit="resize",
        licence="MIT (code); the terms of the training data hold for the weights",
        source="github.com/timesler/facenet-pytorch, from github.com/davidsandberg/facenet; "
        + (f"trained on {data}" if data else _NOT_STATED),
        training={"note": "trained on wider crops (MTCNN boxes with a margin) than aligned ones"},
    )


def of_layout(card: ModelCard, name: str) -> ModelCard:
    """The card of other weights in the layout of published ones: how to feed them, no more."""
    return replace(
        card,
        name=name,
        licence=_UNKNOWN_LICENCE,
        source=f"layout of {card.source.split(',')[0]}; {_NOT_STATED}",
        hash="",
    )
