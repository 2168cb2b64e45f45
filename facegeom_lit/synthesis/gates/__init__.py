"""Gates: which made images are kept, and why the others are not."""

from facegeom_lit.synthesis.gates.gate import Candidate, Gate, judge_all

__all__ = ["Candidate", "Gate", "judge_all"]
