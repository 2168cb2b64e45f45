"""The macroscale: attributes across identities (GEOMETRY §2; arXiv 2507.11372, section 4)."""

from facegeom_lit.geometry.macroscale.table import AttributeRow, Macroscale, macroscale_table

__all__ = ["AttributeRow", "Macroscale", "macroscale_table"]
