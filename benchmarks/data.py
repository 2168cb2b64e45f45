"""Images per second from `.rec` files, Parquet shards and identity folders.

    python benchmarks/data.py [images] [repeats]

Rendered faces (512 different ones, each stored several times), 112×112, JPEG of quality 95, 4:2:0
as OpenCV writes it (and with it InsightFace's tools), are read in random order, after one pass that
brings the files into memory:

- `workers` 0, `what` pixels: from the file to an array of pixels, in this process. `raw decoder`
  is simplejpeg over a list of bytes in memory: what reading could at best come to.
- `what` batches: from the file to batches of 128 in this process, through a `DataLoader` with so
  many workers that live on from epoch to epoch. Ours is `FaceDataset`; `OpenCV` and `Pillow` are
  the plainest datasets over the same folder: `cv2.imread` and `cvtColor`, `Image.open` and
  `convert`, then a tensor (3, 112, 112).

Readers take turns, block by block and epoch by epoch, so that whatever else the machine does meets
all of them; a ratio is the median over these turns. `cpu_ratio` compares the processor time of this
process, which other work on the machine hardly touches. Prints a table and writes it to
benchmarks/results/data.csv with machine and versions.
"""

from __future__ import annotations

import csv
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL import __version__ as pillow_version
from torch.utils.data import DataLoader, Dataset

from facegeom_lit import __version__
from facegeom_lit.attributes import vocabulary
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_folder
from facegeom_lit.faces.folder_writer import write_folder
from facegeom_lit.faces.images import ImagesInMemory
from facegeom_lit.faces.parquet import write_parquet
from facegeom_lit.faces.recordio import read_recordio
from facegeom_lit.faces.recordio_writer import write_recordio
from facegeom_lit.synthesis.renderer import FaceRenderer

RESULTS = Path(__file__).parent / "results" / "data.csv"
BLOCK, BATCH, PEOPLE, DIFFERENT = 64, 128, 128, 512
WORKERS = (0, 1, 2, 4)


def rendered(count: int) -> list[bytes]:
    """Render `count` images of `PEOPLE` people with random attributes, as JPEG files."""
    renderer, specs = FaceRenderer(), vocabulary()
    generator = torch.Generator().manual_seed(0)
    encoded: list[bytes] = []
    for start in range(0, count, PEOPLE):
        seeds = list(range(start, min(start + PEOPLE, count)))
        people = renderer.identity([seed % PEOPLE for seed in seeds])
        attributes = {
            name: specs[name].low
            + (specs[name].high - specs[name].low) * torch.rand(len(seeds), generator=generator)
            for name in renderer.attributes
        }
        for image in renderer(people, attributes, seeds):
            bgr = np.ascontiguousarray(image.permute(1, 2, 0).numpy()[..., ::-1])
            encoded.append(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    return encoded


class Files(Dataset[dict[str, Any]]):
    """The dataset that one writes first: a list of files and a function that reads one."""

    def __init__(self, paths: list[str], labels: list[int], read: Callable[[str], Any]) -> None:
        self.paths, self.labels, self.read = paths, labels, read

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return image and label."""
        image = np.ascontiguousarray(self.read(self.paths[index]).transpose(2, 0, 1))
        return {"image": torch.from_numpy(image), "label": self.labels[index]}


def by_opencv(path: str) -> NDArray[np.uint8]:
    """Read with OpenCV."""
    return cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)


def by_pillow(path: str) -> NDArray[np.uint8]:
    """Read with Pillow."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def take_turns(
    readers: dict[str, Callable[[int], object]], order: list[int], repeats: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Read blocks of images with each reader in turn; return the seconds, and those of the CPU."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    of_cpu: dict[str, list[float]] = {name: [] for name in readers}
    names = list(readers)
    for repeat in range(repeats + 1):  # the first pass warms up
        for start in range(0, len(order) - BLOCK + 1, BLOCK):
            for name in names:
                read, block = readers[name], order[start : start + BLOCK]
                begin, cpu = time.perf_counter(), time.process_time()
                for row in block:
                    read(row)
                if repeat:
                    of_cpu[name].append(time.process_time() - cpu)
                    seconds[name].append(time.perf_counter() - begin)
            names.append(names.pop(0))
    return seconds, of_cpu


def take_epochs(
    datasets: dict[str, Dataset[Any]], workers: int, repeats: int
) -> dict[str, list[float]]:
    """Go through each dataset in turn; return the seconds of each epoch."""
    seconds: dict[str, list[float]] = {name: [] for name in datasets}
    loaders = {
        name: DataLoader(
            dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )
        for name, dataset in datasets.items()
    }
    for repeat in range(repeats + 1):
        for name, loader in loaders.items():
            begin = time.perf_counter()
            for _ in loader:
                pass
            if repeat:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def summary(seconds: dict[str, list[float]], images: int, base: str) -> list[dict[str, Any]]:
    """Return each reader's rate, and its speed relative to `base`, turn by turn."""
    return [
        {
            "reader": name,
            "images_per_second": round(images / statistics.median(own)),
            "against": base,
            "ratio": ratio(own, seconds[base]),
        }
        for name, own in seconds.items()
    ]


def ratio(own: list[float], base: list[float]) -> float:
    """Return the median speed relative to `base`."""
    return round(statistics.median(b / a for a, b in zip(own, base, strict=True)), 3)


def measure(folder: Path, count: int, repeats: int) -> list[dict[str, Any]]:
    """Write the faces in every format and measure."""
    different = rendered(min(count, DIFFERENT))
    # Copies, so that the decoder alone does not read the same memory again and again.
    images = [bytes(bytearray(different[row % len(different)])) for row in range(count)]
    labels = np.arange(count) % PEOPLE
    names = [f"{person:04d}" for person in range(PEOPLE)]
    faces = FaceSet.from_store(ImagesInMemory(images), labels, names, Path("rendered"))
    write_recordio(faces, folder / "rec")
    write_parquet(faces, folder / "parquet")
    write_folder(faces, folder / "folder")
    ours = {
        ".rec": read_recordio(folder / "rec"),
        "Parquet": FaceSet.open(folder / "parquet"),
        "folder": read_folder(folder / "folder", verify=False),
    }
    in_folder = ours["folder"]
    paths = [str(folder / "folder" / str(path)) for path in in_folder.table["path"].to_pylist()]
    readers: dict[str, Callable[[int], object]] = {
        "raw decoder": lambda row: simplejpeg.decode_jpeg(images[row], "RGB"),
        **{name: one.image for name, one in ours.items()},
        "OpenCV": lambda row: by_opencv(paths[row]),
        "Pillow": lambda row: by_pillow(paths[row]),
    }
    order = np.random.default_rng(0).permutation(count).tolist()
    seconds, of_cpu = take_turns(readers, order, repeats)
    rows = [
        {
            "what": "pixels",
            "workers": 0,
            **row,
            "cpu_ratio": ratio(of_cpu[row["reader"]], of_cpu["raw decoder"]),
        }
        for row in summary(seconds, BLOCK, "raw decoder")
    ]
    datasets: dict[str, Dataset[Any]] = {
        **{name: FaceDataset(one, cache_mib=0) for name, one in ours.items()},
        "OpenCV": Files(paths, in_folder.labels.tolist(), by_opencv),
        "Pillow": Files(paths, in_folder.labels.tolist(), by_pillow),
    }
    for workers in WORKERS:
        seconds = take_epochs(datasets, workers, repeats)
        rows += [
            {"what": "batches", "workers": workers, **row, "cpu_ratio": ""}
            for row in summary(seconds, count, "OpenCV")
        ]
    kilobytes = round(sum(map(len, images)) / count / 1024, 1)
    return [
        {**row, "images": count, "repeats": repeats, "kib_per_image": kilobytes} for row in rows
    ]


def main() -> None:
    """Measure, print, write."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    warnings.filterwarnings("ignore", "This DataLoader will create")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    load = os.getloadavg()[0]  # what else ran: on a busy machine the rates are lower bounds
    with TemporaryDirectory() as folder:
        rows = measure(Path(folder), count, repeats)
    facts = {
        "cores": os.cpu_count() or 1,
        "load_before": round(load, 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "simplejpeg": simplejpeg.__version__,
        "opencv": cv2.__version__,
        "pillow": pillow_version,
        "facegeom_lit": __version__,
    }
    for row in rows:
        cpu = f" ({row['cpu_ratio']:.3f} of the CPU)" if row["cpu_ratio"] else ""
        print(
            f"{row['what']:8} {row['workers']} workers  {row['reader']:12}"
            f"{row['images_per_second']:8} images/s  {row['ratio']:6.3f} × {row['against']}{cpu}"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=[*rows[0], *facts])
        writer.writeheader()
        writer.writerows({**row, **facts} for row in rows)


if __name__ == "__main__":
    main()
