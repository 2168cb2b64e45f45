"""Enrolled galleries: files of embeddings, read and written a chunk at a time."""

from __future__ import annotations

from facegeom_lit.galleries.gallery import Gallery
from facegeom_lit.galleries.opening import open_gallery
from facegeom_lit.galleries.rewriting import rewrite_gallery
from facegeom_lit.galleries.writing import write_gallery

__all__ = ["Gallery", "open_gallery", "rewrite_gallery", "write_gallery"]
