"""Migrating an enrolled gallery when the face model changes: the map, its file and its checks."""

from __future__ import annotations

from facegeom_lit.migration.map_file import load_map, save_map
from facegeom_lit.migration.migration_map import MigrationMap

__all__ = ["MigrationMap", "load_map", "save_map"]
