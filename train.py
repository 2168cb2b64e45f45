"""Fine-tune a face model for one attribute and see what it does to the embedding space.

`python train.py` runs the embedded default; `python train.py attribute=age head=adaface` makes
other choices; `-m attribute=hair_color,age seed=0,1` sweeps; `--help` lists every group and key.
"""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from facegeom_lit.commands.errors import reporting_errors
from facegeom_lit.commands.jobs import run_job
from facegeom_lit.commands.quiet import quiet
from facegeom_lit.commands.quoting import quoted
from facegeom_lit.commands.run_name import register_resolvers

register_resolvers()
quiet()


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
@reporting_errors
def main(cfg: DictConfig) -> float | None:
    """Run one job; the returned figure is what a sweep can optimise."""
    return run_job(cfg)


if __name__ == "__main__":
    sys.argv[1:] = quoted(sys.argv[1:])
    main()
