"""The parametric renderer: faces whose every attribute is known, from plain tensors."""

from facegeom_lit.synthesis.renderer.renderer import FaceRenderer

__all__ = ["FaceRenderer"]
