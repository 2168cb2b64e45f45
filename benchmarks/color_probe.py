"""How often the colour-order probe is right: power on wrong cards, false alarms on right ones.

    python benchmarks/color_probe.py [probes]

Every model is put under its right card and under wrong ones, on many random choices of people; with
people, and with single crops only. The embedded models see rendered faces in colour. Where the
folder of real faces stands (FACEGEOM_REAL, or ../shared/real), two published models see real grey
crops: AT&T (Olivetti Research Laboratory) and the Extended Yale Face Database B. Prints a table and
writes it to benchmarks/results/color_probe.csv.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from facegeom_lit.commands.composition import compose_config
from facegeom_lit.commands.generate import recipe_of
from facegeom_lit.faces.crop import align
from facegeom_lit.models import FaceModel, load_face_model
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.color_probe import (
    SWAPPED,
    compare,
    feed,
    other_view,
    ways_to_feed,
)
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.cached import prepare_face_set

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "color_probe.csv"
PEOPLE, IMAGES = 36, 2
DRAWN = 24
"""People of one probe; with single crops as many crops."""
WRONG = (SWAPPED, "(x - 127.5) / 127.5", "x / 255", "x in 0-255", "ImageNet")

Crops = tuple[Tensor, Tensor]
"""uint8 (N, 3, 112, 112) and the person of each."""


def rendered() -> Crops:
    """Rendered people whom no embedded model has seen."""
    counts = [f"identities={PEOPLE}", f"images_per_identity={IMAGES}", "first_identity=700000"]
    cfg = compose_config("generate", ["kind=verification", *counts])
    maker = instantiate(cfg.synthesis.maker)
    faces = prepare_face_set(recipe_of(cfg), maker, Path(cfg.paths.cache) / "facesets")
    return batch([faces.image(row) for row in range(len(faces))]), faces.labels


def att(real: Path) -> Crops:
    """AT&T, aligned by the landmarks that were measured."""
    table = np.load(real / "embeddings" / "att.npz")
    images, people = [], []
    for name, points in zip(table["image"], table["landmarks"], strict=True):
        person, number = Path(str(name)).parent.name, Path(str(name)).stem
        if int(person[1:]) <= PEOPLE and int(number) <= IMAGES:
            photo = np.asarray(Image.open(real / "faces" / "att" / str(name)).convert("RGB"))
            images.append(align(photo, points))
            people.append(int(person[1:]) - 1)
    return batch(images), torch.tensor(people)


def yale_b(real: Path) -> Crops:
    """Extended Yale B under frontal lights."""
    root = real / "faces" / "yale_b"
    with (root / "labels.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if abs(int(r["light_azimuth_deg"])) <= 25]
    people = sorted({row["identity"] for row in rows})[:PEOPLE]
    chosen = [r for p in people for r in [r for r in rows if r["identity"] == p][:IMAGES]]
    crops = root / "crops112"
    images = [np.asarray(Image.open(crops / r["path"]).convert("RGB")) for r in chosen]
    return batch(images), torch.tensor([people.index(r["identity"]) for r in chosen])


def batch(images: list[np.ndarray]) -> Tensor:
    """Stack uint8 (H, W, 3) to (N, 3, H, W)."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def cards(card: ModelCard, color: bool) -> dict[str, ModelCard]:
    """The right card, and wrong ones that differ from it."""
    wrong = {name: way for name, way in ways_to_feed(card, swap=color) if name in WRONG}
    return {"right": card, **wrong}


def measure(model: FaceModel, crops: Crops, color: bool, probes: int, label: str) -> list[dict]:
    """One row for each card and kind of grouping."""
    images, people = crops
    views = torch.cat([images, other_view(images, seed=0)])
    embedded: dict[tuple, Tensor] = {}  # each way of feeding once, whichever card it serves

    def embeddings(card: ModelCard) -> Tensor:
        key = (card.color_order, card.mean, card.std)
        if key not in embedded:
            embedded[key] = feed(model, card, views)
        return embedded[key]

    rows = []
    for condition, card in tqdm(cards(model.card, color).items(), desc=label, leave=False):
        ways = ways_to_feed(replace(card, name=model.card.name), swap=color)
        found = [embeddings(way) for _, way in ways]
        for grouping in ("people", "single crops"):
            alarms = named = 0
            for seed in range(probes):
                chosen, groups = draw(people, len(images), grouping, seed)
                results = compare(ways, [e[chosen] for e in found], groups, seed=seed)
                better = [c for c in results if c.better]
                alarms += bool(better)
                best = max(better, key=lambda c: c.separation, default=results[0])
                named += best.color_order == model.card.color_order and np.allclose(
                    best.std, model.card.std, rtol=0.01
                )
            rows.append(
                {
                    "model": model.card.name,
                    "faces": label,
                    "groups": grouping,
                    "card": condition,
                    "probes": probes,
                    "suspicious": f"{alarms / probes:.2f}",
                    "right_way_named": f"{named / probes:.2f}",
                }
            )
    return rows


def draw(people: Tensor, count: int, grouping: str, seed: int) -> tuple[Tensor, Tensor]:
    """Rows of one probe and their groups."""
    generator = torch.Generator().manual_seed(seed)
    if grouping == "people":
        some = torch.randperm(PEOPLE, generator=generator)[:DRAWN]
        rows = torch.cat([(people == person).nonzero()[:, 0] for person in some])
        return rows, torch.arange(DRAWN).repeat_interleave(IMAGES)
    some = torch.randperm(count, generator=generator)[:DRAWN]
    return torch.cat([some, some + count]), torch.arange(DRAWN).repeat(2)


def main() -> None:
    """Measure, print, write."""
    probes = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    torch.set_num_threads(1)
    embedded = resource("data") / "models"
    faces = rendered()
    rows = []
    for name in ("iresnet_small", "mobilefacenet"):
        rows += measure(load_face_model(embedded / name), faces, True, probes, "rendered")
    real = Path(os.environ.get("FACEGEOM_REAL", ROOT.parent / "shared" / "real"))
    published: Mapping[str, str] = {
        "prelu": "mobilefacenet_prelu_casia/068.ckpt",
        "relu": "mobilefacenet_relu_ms1m/mobilefacenet.pt",
    }
    if real.is_dir():
        for path in published.values():
            model = load_face_model(real / "weights" / path)
            rows += measure(model, att(real), False, probes, "AT&T")
            rows += measure(model, yale_b(real), False, probes, "Yale B")
    for row in rows:
        print("  ".join(str(value) for value in row.values()))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
