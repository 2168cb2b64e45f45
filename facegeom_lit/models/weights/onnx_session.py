"""Opens ONNX files with onnxruntime, quietly and on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from facegeom_lit.errors import FaceGeomError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(path: str | Path, threads: int = 0) -> InferenceSession:
    """Open an ONNX file for inference on the CPU.

    Args:
        path: The file.
        threads: That share one operator; 0 = as many as there are cores. With 1, sums are taken in
            one order.

    Raises:
        FaceGeomError: When the file is missing, or is nothing that onnxruntime can run.
    """
    path = Path(path)
    if not path.is_file():
        raise FaceGeomError(f"The ONNX file {path} does not exist. Check the path.")
    # Otherwise onnxruntime writes files and makes look-ups; read once, at the import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what goes wrong is raised, and need not be printed too
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own kinds have no public name
        raise FaceGeomError(
            f"{path} is damaged, or is no ONNX file that onnxruntime {onnxruntime.__version__} can "
            f"run: {reason(error)}."
        ) from error


def reason(error: Exception) -> str:
    """The first line of what an exporter or a runtime says, without a full stop."""
    lines = str(error).splitlines()
    return lines[0][:300].rstrip(" .:") if lines else type(error).__name__
