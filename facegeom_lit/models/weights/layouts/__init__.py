"""Layouts of published weights, one family a file."""

from facegeom_lit.models.weights.layouts.inception_resnet import INCEPTION_RESNET
from facegeom_lit.models.weights.layouts.ir import IR
from facegeom_lit.models.weights.layouts.iresnet import IRESNET
from facegeom_lit.models.weights.layouts.layout import Draft, Layout, Tensors
from facegeom_lit.models.weights.layouts.mobilefacenet import MOBILEFACENETS
from facegeom_lit.models.weights.layouts.vit import VIT

LAYOUTS: tuple[Layout, ...] = (IRESNET, IR, *MOBILEFACENETS, VIT, INCEPTION_RESNET)
"""Every layout that is recognised."""

__all__ = ["LAYOUTS", "Draft", "Layout", "Tensors"]
