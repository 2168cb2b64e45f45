"""`facegeom convert`: write faces in another format."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from facegeom_lit.commands.composition import compose_config, path_given
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder_writer import write_folder
from facegeom_lit.faces.opening import open_evaluation, open_faces
from facegeom_lit.faces.pairs import PairSet
from facegeom_lit.faces.parquet import write_parquet
from facegeom_lit.faces.recordio_writer import write_recordio
from facegeom_lit.faces.verification_bin import write_bin

WRITERS: dict[str, Callable[[FaceSet, Path], None]] = {
    "rec": write_recordio,
    "parquet": write_parquet,
    "folder": write_folder,
}
"""Format of faces with identities → what writes it; `bin` holds pairs."""


def main(overrides: Sequence[str]) -> None:
    """Read faces of any format, write them in another, and print the output as the last line.

    Raises:
        FaceGeomError: When the configuration is wrong, the output exists, an image is broken, or
            something cannot be read or written. Nothing is written then.
        KeyboardInterrupt: On Ctrl-C, with a message that nothing was written.
    """
    composed = compose_config("convert", overrides)
    cfg: Any = OmegaConf.to_container(composed)
    for key in ("faces", "output"):
        if cfg[key] is None:
            raise FaceGeomError(f"{key} is missing. Say what to read and where to write: {key}=….")
    output = Path(path_given(composed, "output", "FOLDER")).expanduser()
    chosen = cfg["format"] or ("bin" if output.suffix == ".bin" else None)
    known = [*WRITERS, "bin"]
    if chosen not in known:
        raise FaceGeomError(
            f"format must be one of {', '.join(known)}, got {chosen!r}. Say format=…."
        )
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise FaceGeomError(f"output={output} exists already. Choose another, or delete it.")
    started = time.perf_counter()
    try:
        if chosen == "bin":
            pairs = open_evaluation(cfg["faces"], verify=False)
            if not isinstance(pairs, PairSet):
                raise FaceGeomError(
                    f"format=bin holds pairs, and faces={cfg['faces']} has none. Give a folder "
                    "with a list of pairs (pairs.csv, pairs.txt), or choose another format."
                )
            write_bin(pairs, output)
            images, count = len(pairs.faces), f"pairs: {len(pairs)}"
        else:
            faces = open_faces(cfg["faces"], identity=cfg["identity"], verify=False)
            WRITERS[chosen](faces, output)
            images, count = len(faces), f"identities: {len(faces.classes)}"
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Interrupted: nothing was written to {output}. Run the same command again."
        ) from None
    seconds = time.perf_counter() - started
    print(f"images: {images}\n{count}\nimages_per_second: {images / seconds:.1f}")
    print(f"output: {output}")
