"""`facegeom crop`: photos → aligned crops."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from facegeom_lit.commands.check import INFINITE, check_values
from facegeom_lit.commands.composition import compose_config, path_given
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.crop_report import CropReport, PhotoRecord
from facegeom_lit.faces.cropping import (
    CropSettings,
    crop_photos,
    find_photos,
    modified_ns,
    settings_facts,
)
from facegeom_lit.faces.detectors import Detector
from facegeom_lit.files import atomic_path, read_json, write_json
from facegeom_lit.reporting.crop_figures import crop_sheet
from facegeom_lit.synthesis.processes import Processes

SETTINGS, REPORT, SHEET = "crop.json", "crop.csv", "crop.png"
_ROUND = 64  # photos of each process between two entries in the report
_SHOWN = 50  # crops on the sheet
_STALE_SECONDS = 5.0  # without a byte written: nobody is writing any more
_LISTED = 5  # photos named of each status
_NUMBERS = {
    "size": (True, 1, INFINITE),
    "quality": (True, 1, 100),
    "detector.min_score": (False, 0, 1),
    "detector.overlap": (False, 0, 1),
    "detector.longest_side": (True, 32, INFINITE),
}
_MEANING = {
    "no_face": "no face found",
    "many_faces": "several faces: choose faces=largest, central or all, or crop them yourself",
    "unreadable": "not a readable image",
}


def main(overrides: Sequence[str]) -> None:
    """Crop every photo, or those missing or replaced since, and say what became of them.

    Raises:
        FaceGeomError: When the configuration is wrong, the output holds crops made otherwise,
            something cannot be written, or, with `strict`, a photo gave no crop.
        KeyboardInterrupt: On Ctrl-C, with a message that says how to go on.
    """
    cfg = compose_config("crop", overrides)
    check_values(cfg, _NUMBERS, ("strict",))
    photos, output = folders(cfg)
    settings = CropSettings(cfg.size, cfg.border, cfg.faces, cfg.format, cfg.quality)
    detector: Detector = make_detector(cfg.detector)
    processes = Processes(cfg.processes)
    names = find_photos(photos, settings)
    detector.check(names)
    if clash := [name for name in names if settings.crop_path(name, 0) == SHEET]:
        raise FaceGeomError(
            f"Rename the photo {clash[0]}: {SHEET} is the picture of the first crops."
        )
    _claim(output, settings_facts(photos, detector, settings))
    report = _continued(photos, output, names, settings)
    missing = [name for name in names if name not in report.done]
    step = _ROUND * processes.count
    try:
        with tqdm(total=len(names), initial=len(report.done), unit=" photos") as bar:
            for start in range(0, len(missing), step):
                part = missing[start : start + step]
                lines = processes.map(crop_photos, part, photos, output, detector, settings)
                report.add(lines)
                bar.update(len(part))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Interrupted: {len(report.done)} of {len(names)} photos are done. Run the same "
            "command again to continue."
        ) from None
    report.write()
    for leftover in output.rglob(".*.part*"):  # of a killed process
        if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
            leftover.unlink(missing_ok=True)
    crops = [crop for name in names for crop in report.done[name].crops]
    if crops:
        with atomic_path(output / SHEET) as temporary:
            crop_sheet(output, crops[:_SHOWN]).save(temporary)
    _summarise(report, output, len(names), len(crops), strict=cfg.strict)


def make_detector(config: DictConfig) -> Any:
    """Make the detector that the configuration names.

    Raises:
        FaceGeomError: When its file is not named.
    """
    if absent := [str(key) for key, value in config.items() if value is None]:
        raise FaceGeomError(
            f"Name the detector's file: detector.{absent[0]}=FILE. detector=yunet takes OpenCV's "
            "face_detection_yunet_*.onnx, detector=insightface a model pack, detector=landmarks a "
            "table of five points for each photo."
        )
    for key in {"model", "table"} & set(map(str, config)):
        if not isinstance(config[key], str):
            raise FaceGeomError(f"detector.{key} must be one file, got {config[key]}.")
    return instantiate(config, _convert_="all")


def folders(cfg: DictConfig) -> tuple[Path, Path]:
    """Return the folders of photos and output.

    Raises:
        FaceGeomError: When one is not named, or one lies in the other.
    """
    for key in ("photos", "output"):
        if cfg[key] is None:
            raise FaceGeomError(f"Name the folder {key}: {key}=FOLDER.")
    photos, output = (
        Path(path_given(cfg, key, "FOLDER")).expanduser() for key in ("photos", "output")
    )
    inside, outside = output.resolve(), photos.resolve()
    if inside == outside or outside in inside.parents or inside in outside.parents:
        raise FaceGeomError(
            f"photos={photos} and output={output} must not lie in one another: the crops would be "
            "taken for photos. Choose another output."
        )
    return photos, output


def _claim(output: Path, facts: dict[str, Any]) -> None:
    """Take the output folder for these settings.

    Raises:
        FaceGeomError: When it holds anything else.
    """
    card = output / SETTINGS
    if not card.exists():
        if output.is_dir() and any(output.iterdir()):
            raise FaceGeomError(
                f"{output} holds other files, and no {SETTINGS}. Choose another output folder."
            )
        write_json(card, facts)
    elif (there := read_json(card)) != facts:
        different = "; ".join(
            f"{key} {there.get(key)!r} there, {value!r} here"
            for key, value in facts.items()
            if there.get(key) != value
        )
        raise FaceGeomError(
            f"{output} holds crops made otherwise ({different}). Choose another output folder, or "
            "delete that one."
        )


def _continued(
    photos: Path, output: Path, names: Sequence[str], settings: CropSettings
) -> CropReport:
    """Open the report, without the photos that were replaced or whose crops are not all there.

    Raises:
        FaceGeomError: When photos are gone whose crops are there.
    """
    report = CropReport(output / REPORT)
    there = set(names)
    if gone := sorted(n for n, record in report.done.items() if record.crops and n not in there):
        raise FaceGeomError(
            f"{len(gone)} photos whose crops are in {output} are gone, e.g. {gone[0]}. Put them "
            "back, or choose another output folder."
        )
    done, report.done = report.done, {}
    for name, record in done.items():
        newer = name not in there or modified_ns(photos / name) != record.modified
        if not newer and _is_whole(record, output, settings):
            report.done[name] = record
        else:  # what is made anew may be less
            for crop in record.crops:
                (output / crop).unlink(missing_ok=True)
    report.write()
    return report


def _is_whole(record: PhotoRecord, output: Path, settings: CropSettings) -> bool:
    """Tell whether every crop of a photo is there and in the report."""
    every = record.faces if settings.faces == "all" else 1
    wanted = every if record.status == "cropped" else 0
    return len(record.crops) == wanted and all((output / crop).exists() for crop in record.crops)


def _summarise(report: CropReport, output: Path, photos: int, crops: int, *, strict: bool) -> None:
    print(f"photos: {photos}")
    print(f"crops: {crops}")
    without = 0
    for status, meaning in _MEANING.items():
        if names := report.with_status(status):
            without += len(names)
            listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
            print(f"{status}: {len(names)} ({meaning}): {listed}")
    print(f"report: {output / REPORT}")
    print(f"output: {output}")
    if strict and without:
        raise FaceGeomError(
            f"strict: {without} of {photos} photos gave no crop; {output / REPORT} says why. Mend "
            "or remove them, or leave strict=false."
        )
