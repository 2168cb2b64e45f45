"""TorchMetrics classes, thin, over `facegeom_lit.geometry`."""

from facegeom_lit.metrics.alignment import AlignmentMetric
from facegeom_lit.metrics.attribute_energy import AttributeEnergy
from facegeom_lit.metrics.attribute_interaction import AttributeInteraction
from facegeom_lit.metrics.attribute_macroscale import AttributeMacroscale
from facegeom_lit.metrics.verification import VerificationMetrics

__all__ = [
    "AlignmentMetric",
    "AttributeEnergy",
    "AttributeInteraction",
    "AttributeMacroscale",
    "VerificationMetrics",
]
