"""Finders of faces and their five points in photos, one a file."""

from facegeom_lit.faces.detectors.detection import Detection, Detector
from facegeom_lit.faces.detectors.insightface import InsightFaceDetector
from facegeom_lit.faces.detectors.landmarks import LandmarkTable
from facegeom_lit.faces.detectors.yunet import YuNet

__all__ = ["Detection", "Detector", "InsightFaceDetector", "LandmarkTable", "YuNet"]
