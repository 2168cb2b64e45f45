"""A gallery with every embedding transformed, and all else as it was."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.array_block import ArrayBlock
from facegeom_lit.galleries.finite import check_finite
from facegeom_lit.galleries.gallery import Gallery, Layout
from facegeom_lit.galleries.journal import JournaledOutput, journal_path
from facegeom_lit.galleries.output import Output
from facegeom_lit.galleries.publishing import disk_errors_named, only_writer, part_path, publish
from facegeom_lit.galleries.receipt import finished

Transform = Callable[[NDArray[Any]], NDArray[Any]]
"""Rows (n, D) → rows (n, E), row by row alike."""
ROWS = 2**11
"""Rows at a time: few enough to stay in the cache from one step to the next, and for memory that is
given back and taken again without the kernel; enough to keep a product busy."""
_ENDS = 1 << 16
_KEPT = "What was done is kept: it goes on from there."


def rewrite_gallery(
    gallery: Gallery,
    output: str | Path,
    transform: Transform,
    *,
    dimension: int,
    model: str,
    facts: Mapping[str, str],
    key: str = "",
    rows: int = ROWS,
    threads: int = 1,
) -> str:
    """Write a gallery of the same format with transformed embeddings and all else carried over.

    It appears whole or not at all, with `<output>.sha256` beside it. The work may be killed at any
    moment; the same call goes on where it was and ends with the same bytes. Reading, computing and
    writing overlap, and no more than a few chunks are in memory.

    Args:
        gallery: What to read.
        output: The file to write, of the gallery's suffix.
        transform: Takes rows (n, D), float32 or, of a float64 gallery, float64, and returns (n, E)
            in memory that it does not use again: they may be written while it makes the next. It
            is called in several threads at a time.
        dimension: E.
        model: Hash of the face model that the new embeddings are of.
        facts: What else is known of them; they replace those of the gallery that have the same
            name.
        key: What names the transformation, such as the hash of a map's file: work that was begun
            with another is not gone on with. `model`, `facts` and `dimension` count in any case.
        rows: Rows at a time.
        threads: So many times side by side. The bytes do not depend on it.

    Returns:
        SHA-256 of the file, 64 hex digits: also when it was complete before.

    Raises:
        FaceGeomError: When the output has another suffix, is the gallery itself or exists and is
            not what this call would write; when another process is writing it, or it cannot be
            written (the work is kept); when the gallery is damaged, or a new embedding is not
            finite.
    """
    output = Path(output).expanduser()
    _check_output(gallery, output)
    all_facts = {**gallery.facts, **facts}
    layout = Layout(gallery.count, dimension, gallery.dtype, model, all_facts)
    job = _job(gallery, layout, key, rows)
    if (known := finished(output, job)) is not None:
        _forget(output)
        tqdm.write(f"{output} is complete already.")
        return known
    with disk_errors_named(output, _KEPT):
        output.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(output):
            digest = _write(gallery, output, transform, layout, job, rows, threads)
            if _job(gallery, layout, key, rows) != job:
                raise FaceGeomError(
                    f"{gallery.path} was changed while it was read. Run the same command again."
                )
            gallery.rewrite_sidecar(output, layout)
            publish(part_path(output), output, digest, job)
            _forget(output)
    return digest


def _check_output(gallery: Gallery, output: Path) -> None:
    if output.suffix.lower() != f".{gallery.format}":
        raise FaceGeomError(
            f"{output} must end in .{gallery.format}, as {gallery.path} does: what stands beside "
            "the embeddings there is carried over as it is."
        )
    if output.exists() and output.samefile(gallery.path):
        raise FaceGeomError(
            f"The output {output} is the gallery itself, which is not overwritten. Choose another."
        )


def _job(gallery: Gallery, layout: Layout, key: str, rows: int) -> str:
    """Return a hash of everything that the bytes of the output follow from."""
    state = gallery.path.stat()
    with gallery.path.open("rb") as file:
        ends = sha256(file.read(_ENDS))
        file.seek(max(0, state.st_size - _ENDS))
        ends.update(file.read())
    source = [state.st_size, state.st_mtime_ns, ends.hexdigest(), gallery.key]
    wanted = [layout.dimension, layout.dtype.name, layout.all_facts, key, rows]
    return sha256(json.dumps([source, wanted], sort_keys=True).encode()).hexdigest()


def _forget(output: Path) -> None:
    """Remove what the work on an output leaves."""
    for path in (part_path(output), _rows_path(output)):
        path.unlink(missing_ok=True)
        journal_path(path).unlink(missing_ok=True)


def _rows_path(output: Path) -> Path:
    """Return where new embeddings stand until a file is made of them in one go."""
    return output.with_name(f".{output.name}.rows.part")


def _write(
    gallery: Gallery,
    output: Path,
    transform: Transform,
    layout: Layout,
    job: str,
    rows: int,
    threads: int,
) -> str:
    """Write the part, going on where it was; return its SHA-256."""
    part = part_path(output)
    work = part if gallery.appends else _rows_path(output)
    with closing(JournaledOutput(work, job)) as journaled:
        if journaled.damaged:
            tqdm.write(f"{work} is damaged after row {journaled.rows_done}: done again from there.")
        chunks = _chunks(gallery, journaled, transform, layout, rows, threads)
        if gallery.appends:
            gallery.rewrite(journaled, layout, chunks)
            digest = journaled.finish()
        else:
            for chunk in chunks:
                journaled.write(chunk)
            journaled.finish()
            made = ArrayBlock(work, 0, (layout.count, layout.dimension), layout.dtype)
            starts = range(0, layout.count, rows)
            again = (made.read(start, min(start + rows, layout.count)) for start in starts)
            with closing(Output(part)) as whole:
                gallery.rewrite(whole, layout, again)
                digest = whole.finish()
        return digest


def _chunks(
    gallery: Gallery,
    part: JournaledOutput,
    transform: Transform,
    layout: Layout,
    rows: int,
    threads: int,
) -> Iterator[NDArray[Any]]:
    """Yield the new embeddings: first those that stand in the part already, then others."""
    begin, size = part.rows_done, layout.dimension * layout.dtype.itemsize
    for start in range(0, begin, rows):
        data = part.read(part.position, (min(start + rows, begin) - start) * size)
        yield np.frombuffer(data, layout.dtype).reshape(-1, layout.dimension)

    def made(start: int) -> NDArray[Any]:
        return _transformed(transform, _read(gallery, start, rows), layout, start)

    starts = range(begin, layout.count, rows)
    with (
        ThreadPoolExecutor(threads, "gallery") as pool,
        tqdm(
            total=layout.count,
            initial=begin,
            unit="template",
            unit_scale=True,
            desc=f"rewrite {gallery.path.name}",
        ) as bar,
    ):
        ahead = threads + 1
        waiting = deque(pool.submit(made, start) for start in starts[:ahead])
        for start, following in zip_longest(starts, starts[ahead:]):
            chunk = waiting.popleft().result()
            if following is not None:
                waiting.append(pool.submit(made, following))
            yield chunk
            part.done(start + len(chunk))
            bar.update(len(chunk))


def _read(gallery: Gallery, start: int, rows: int) -> NDArray[Any]:
    found = gallery.rows(min(start, gallery.count), min(start + rows, gallery.count))
    return found.astype(np.float32) if found.dtype == np.float16 else found


def _transformed(
    transform: Transform, given: NDArray[Any], layout: Layout, start: int
) -> NDArray[Any]:
    made = np.asarray(transform(given))
    if made.shape != (len(given), layout.dimension):
        raise FaceGeomError(
            f"The transformation made {made.shape} of {given.shape}, and (…, {layout.dimension}) "
            "was promised: the gallery is not of the model that it takes."
        )
    with np.errstate(over="ignore"):  # what is too large for float16 is refused below
        made = np.ascontiguousarray(made, layout.dtype)
    remedy = f"The transformation is damaged, or what it makes too large for {layout.dtype}."
    check_finite(made, "What the transformation made", start, remedy)
    return made
