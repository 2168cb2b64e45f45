"""`facegeom migrate`: fit, show, apply or verify the map from an old face model to a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.commands.composition import (
    check_output,
    compose_config,
    output_folder,
    path_given,
)
from facegeom_lit.commands.migrate_settings import (
    check_both_models,
    check_figure,
    galleries_of,
    judging_of,
    method_of,
    new_map_path,
    task_of,
)
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding import device_of
from facegeom_lit.faces.opening import open_faces
from facegeom_lit.files import check_writable, write_json
from facegeom_lit.migration.anchors import advice
from facegeom_lit.migration.applying import migrate_gallery
from facegeom_lit.migration.card import AnchorCurve, MapCard
from facegeom_lit.migration.checking import check_gallery
from facegeom_lit.migration.fitting import fit_migration
from facegeom_lit.migration.map_file import load_map, map_hash, save_map
from facegeom_lit.migration.pairs import (
    PairedEmbeddings,
    embedded_pairs,
    pairs_of_file,
    side_of,
)
from facegeom_lit.migration.verification import check_sides, verify_map
from facegeom_lit.models import load_face_model
from facegeom_lit.models.embed import model_hash
from facegeom_lit.reporting.migration_figure import card_figure, verification_figure
from facegeom_lit.reporting.migration_tables import print_card, print_curve, print_verification
from facegeom_lit.reporting.result_folder import settings_hash
from facegeom_lit.reporting.run_record import versions

RECORD = "verification.json"
FIGURE = "verification.png"
DIGITS = 12
"""Of a hash that `gallery_model` may give."""


def main(overrides: Sequence[str]) -> None:
    """Do what the keys ask for, see conf/migrate.yaml.

    Raises:
        FaceGeomError: When keys are missing or contradict each other, something cannot be read or
            written, or a gallery is of another model.
    """
    cfg = compose_config("migrate", overrides)
    # One process does it; the others of a launcher (SLURM, torchrun) would only repeat it.
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        return
    tasks = {"fit": _fit, "card": _card, "apply": _apply, "verify": _verify}
    tasks[task_of(cfg)](cfg)


def _fit(cfg: DictConfig) -> None:
    method, judging, path = method_of(cfg), judging_of(cfg), new_map_path(cfg)
    check_writable(path)
    anchors = _pairs(cfg, cfg.anchors, cfg.embeddings, cfg.flip)

    def before_fit(curve: AnchorCurve) -> None:
        print_curve(curve)
        print(advice(curve))

    migration = fit_migration(
        anchors,
        method,
        judging,
        judges=cfg.judges,
        figure=cfg.needed.figure,
        gain=cfg.needed.gain,
        versions={name: versions()[name] for name in ("facegeom_lit", "torch")},
        before_fit=before_fit,
    )
    card_figure(path.with_suffix(".png"), migration.card)
    digest = save_map(path, migration)
    print_card(migration.card)
    print(f"figure: {path.with_suffix('.png')}")
    print(f"sha256: {digest}")
    print(f"output: {path}")


def _card(cfg: DictConfig) -> None:
    migration = load_map(path_given(cfg, "map", "map.safetensors"))
    print_card(migration.card)
    print(advice(migration.card.curve))


def _apply(cfg: DictConfig) -> None:
    migration = load_map(path_given(cfg, "map", "map.safetensors"))
    device, stated = device_of(cfg.device), _stated(cfg)
    galleries = galleries_of(cfg)
    for gallery, _ in galleries[1:]:  # a wrong one is refused before the first is written
        check_gallery(gallery, migration, stated=stated)
    for gallery, output in galleries:
        done = migrate_gallery(gallery, output, migration, stated=stated, device=device)
        for note in done.check.notes:
            print(f"note: {note}")
        print(
            f"{gallery.path}: {done.count} templates of {migration.card.old.name} "
            f"({done.check.reading}) mapped to {migration.card.new.name}"
        )
        print(f"sha256: {done.hash}")
        print(f"output: {output}")


def _verify(cfg: DictConfig) -> None:
    migration, judging = load_map(path_given(cfg, "map", "map.safetensors")), judging_of(cfg)
    check_output(cfg, RECORD, "verification")
    check_figure(cfg, migration.card.curve.figure)
    place = cfg.verify.get("path") if isinstance(cfg.verify, DictConfig) else cfg.verify
    flip = cfg.flip if migration.card.flip is None else migration.card.flip
    faces, file = (None, cfg.verify) if str(place).endswith(".npz") else (cfg.verify, None)
    pairs = _pairs(cfg, faces, file, flip, migration.card)
    found = verify_map(migration, pairs, judging, leave_out=cfg.anchor_names == "leave_out")
    record = {
        "map": map_hash(migration),
        "faces": pairs.hash,
        **asdict(found),
        "promised": {
            way: {name: asdict(interval) for name, interval in figures.items()}
            for way, figures in migration.card.expected.items()
        },
        "config": OmegaConf.to_container(cfg, resolve=True),
        "versions": versions(),
    }
    name = f"verification-{settings_hash([record['map'], record['faces']], record['config'])}"
    folder = output_folder(cfg, name, RECORD, "verification")
    verification_figure(folder / FIGURE, migration.card, found)
    write_json(folder / RECORD, record)
    print_verification(migration.card, found)
    print(f"output: {folder}")


def _pairs(
    cfg: DictConfig, faces: Any, file: Any, flip: bool, card: MapCard | None = None
) -> PairedEmbeddings:
    """Read or compute the embeddings of both models, which must be those of a card."""
    if file is not None:
        source: Any = OmegaConf.to_container(file) if OmegaConf.is_config(file) else file
        old, new = path_given(cfg, "old", "ARRAY"), path_given(cfg, "new", "ARRAY")
        return pairs_of_file(source, old, new)
    paths, device = check_both_models(cfg), device_of(cfg.device)
    source = OmegaConf.to_container(faces) if OmegaConf.is_config(faces) else faces
    opened = open_faces(source)
    old_model, new_model = (load_face_model(path).to(device) for path in paths)
    if card is not None:
        check_sides(card, (side_of(old_model), side_of(new_model)))
    return embedded_pairs(
        (old_model, new_model),
        opened,
        Path(cfg.paths.cache) / "embeddings",
        flip=flip,
        batch_size=cfg.batch_size,
        workers=cfg.workers,
    )


def _stated(cfg: DictConfig) -> str | None:
    """Return the hash of the model that the command line says the gallery is of."""
    if cfg.gallery_model is None:
        return None
    given = str(cfg.gallery_model)
    if Path(given).expanduser().exists():
        return model_hash(load_face_model(given))
    if len(given) >= DIGITS and set(given) <= set("0123456789abcdef"):
        return given
    raise FaceGeomError(
        f"gallery_model={given} is no path of a face model, and no hash of at least {DIGITS} "
        "hexadecimal digits."
    )
