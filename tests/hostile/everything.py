"""Imports the modules that put cases on the list."""

from __future__ import annotations

import hostile.analyses
import hostile.detector_files
import hostile.face_sets
import hostile.lists
import hostile.model_folders
import hostile.networks
import hostile.pickles
import hostile.pictures
import hostile.tables
import hostile.weights  # noqa: F401
