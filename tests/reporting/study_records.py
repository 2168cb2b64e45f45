"""Records of runs as `train.py` leaves them, with changes that are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facegeom_lit.files import write_json

PEOPLE = tuple(f"p{number}" for number in range(8))
ATTRIBUTES = ("age", "hue", "pose", "contrast", "beard", "glasses", "blur", "makeup")
AUGMENTATION = ("objective=invariance", "objective.pull=0")
PULL = ("objective=invariance",)
ENERGY = ("objective=energy",)
_CLASSES = {
    "invariance": "Invariance",
    "energy": "Energy",
    "compatible": "Compatible",
    "none": "Objective",
}


def record(
    attribute: str,
    seed: int,
    words: Sequence[str] = PULL,
    *,
    energy: float | dict[str, float] = 0.1,
    auc: float = 0.0,
    measured: Sequence[str] = ATTRIBUTES,
) -> dict[str, Any]:
    """Return a run's record.

    Args:
        attribute: Targeted.
        seed: Of the run.
        words: Its objective on the command line.
        energy: Change of the target's energy, of all identities or of each; other attributes' is 0.
        auc: Change of the AUC.
        measured: Attributes that the lattice has.
    """
    target = energy if isinstance(energy, dict) else dict.fromkeys(PEOPLE, energy)
    still = dict.fromkeys(target, 0.0)
    energies = {name: target if name == attribute else still for name in measured}
    settings = {word.split("=")[0]: word.split("=")[1] for word in words}
    pull = float(settings.get("objective.pull", 2.0))
    return {
        "status": "complete",
        "name": f"{attribute}-{'-'.join(words)}-{seed}".replace("=", ""),
        "attribute": attribute,
        "objective": _CLASSES[settings.get("objective", "invariance")],
        "seed": seed,
        "overrides": [*words, f"attribute={attribute}", f"seed={seed}", "paths.output=/here"],
        "differences": {
            "val/verify/verification/auc": {
                "difference": auc,
                "low": auc - 0.01,
                "high": auc + 0.01,
            },
            f"val/energy/{attribute}": {"difference": 0.1, "low": None, "high": None},
        },
        "identity_differences": {"energy": energies, "exact_energy": {}},
        "config": {
            "objective": {"pull": pull},
            "training": {"lr": 0.1},
            "callbacks": {"attribute_geometry": {"radius": 0.6}},
        },
        "config_hash": f"{attribute} {seed} {words}",
        "weights": {"model_before": "1e1f"},
        "face_sets": {"train": f"{attribute}{seed}", "lattice": "d54b", "verification": "baf3"},
        "maker_version": "m1",
        "versions": {"facegeom_lit": "0.1", "torch": "2.13"},
    }


def save(root: Path, *records: dict[str, Any]) -> Path:
    """Write each record into a folder of its own below `root`, and return `root`."""
    for found in records:
        write_json(root / found["name"] / "run.json", found)
    return root
