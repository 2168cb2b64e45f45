"""What a user runs: `train.py` and `facegeom NAME`."""

import os

# Before torch is loaded: threads that wait by spinning cost more than they give on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
