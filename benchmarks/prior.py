"""The diffusion prior in few steps against fifty: rate, and what is lost.

    python benchmarks/prior.py [people]

The same people, attributes and noise are drawn with each number of steps. Beside the rate stand, in
one run: PSNR and a face model's cosine to the face that fifty steps draw and R² of the attributes
that the regressor reads (faces with every attribute over its range); AUC of same against different
person, and the Fréchet distance to rendered faces of as many other people (faces as they are
verified). Written to benchmarks/results/prior.csv with machine and versions.
"""

from __future__ import annotations

import csv
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor
from tqdm import tqdm

from facegeom_lit import __version__
from facegeom_lit.geometry.distribution_distance import distance_features, frechet_distance
from facegeom_lit.geometry.synthesis_quality import following, identity_consistency
from facegeom_lit.models import FaceModel, load_face_model
from facegeom_lit.models.attribute_regressor import AttributeRegressor, measure
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.maker import Maker, RendererMaker
from facegeom_lit.synthesis.prior.maker import DiffusionMaker
from facegeom_lit.synthesis.recipe import Recipe, Sample, recipe_from_config

RESULTS = Path(__file__).parent / "results" / "prior.csv"
STEPS = (1, 2, 4, 6, 8, 12, 50)
RENDERER = 0
READ = ("pose", "age", "hair_color", "illumination", "expression")


def draw(maker: Maker, samples: list[Sample]) -> tuple[Tensor, float]:
    """Return uint8 (N, 3, 112, 112) and the faces per second."""
    maker.render(samples[:4])  # processes start, weights are read
    start = time.perf_counter()
    images = [
        face for n in range(0, len(samples), 64) for face in maker.render(samples[n : n + 64])
    ]
    rate = len(samples) / (time.perf_counter() - start)
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()), rate


def verified(people: int, first: int) -> list[Sample]:
    """Return four images of each of some people, as in a verification set."""
    synthesis = yaml.safe_load((resource("conf") / "synthesis" / "renderer.yaml").read_text())
    counts = {"identities": people, "images_per_identity": 4, "first_identity": first}
    return recipe_from_config("verification", {**synthesis, "verification": counts}).samples()


@torch.inference_mode()
def embed(model: FaceModel, images: Tensor) -> Tensor:
    """Return embeddings (N, D)."""
    return torch.cat([model(part) for part in images.split(128)])


def main() -> None:
    """Measure, print, write."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    models = resource("data") / "models"
    model = load_face_model(models / "mobilefacenet")
    regressor = AttributeRegressor.load(models / "attribute_regressor")
    load = os.getloadavg()[0]
    samples = Recipe("coverage", people, images_per_identity=4, first_identity=720000).samples()
    portraits, others = (verified(people, 720000 + shift) for shift in (0, people))
    labels = torch.arange(people).repeat_interleave(4)
    reference = distance_features(embed(model, draw(RendererMaker(None), others)[0]))
    drawn, seen = {}, {}
    for steps in tqdm((*STEPS, RENDERER), unit="setting"):
        maker = DiffusionMaker(models / "prior", steps=steps) if steps else RendererMaker(None)
        drawn[steps] = draw(maker, samples)
        seen[steps] = embed(model, draw(maker, portraits)[0])
    best = drawn[50][0]
    rows: list[dict[str, Any]] = []
    for steps, (images, rate) in drawn.items():
        found = measure(regressor, images)
        r2 = {}
        for name in READ:
            asked = torch.tensor([s.attributes[name] for s in samples])
            r2[name] = following(asked, found[:, regressor.attributes.index(name)]).r2
        error = ((images.float() - best.float()) / 255).square().mean((1, 2, 3)).clamp(min=1e-10)
        rows.append(
            {
                "steps": steps or "renderer",
                "faces_per_second": round(rate, 1),
                "psnr_to_50": round(float((-10 * error.log10()).mean()), 2),
                "cosine_to_50": round(
                    float(F.cosine_similarity(embed(model, images), embed(model, best)).mean()), 4
                ),
                **{f"r2_{name}": round(value, 3) for name, value in r2.items()},
                "identity_auc": round(identity_consistency(seen[steps], labels).value, 4),
                "frechet": round(frechet_distance(reference, distance_features(seen[steps])), 4),
                "faces": len(samples),
                "cores": os.cpu_count(),
                "load_before": round(load, 2),
                "machine": platform.machine(),
                "torch": torch.__version__,
                "diffusers": diffusers.__version__,
                "facegeom_lit": __version__,
            }
        )
        print({key: rows[-1][key] for key in list(rows[-1])[:11]})
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
