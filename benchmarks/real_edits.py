"""Real faces edited by a prior that has seen rendered faces only, gated: counts and a sheet.

    python benchmarks/real_edits.py [root]

`root` holds `faces/att` (AT&T / ORL: 40 people × 10 grey images of 92×112) and `embeddings/att.npz`
with five landmarks of each. The images are aligned to 112×112, five attributes are moved a step
down and up in one photo of each person, and two gates judge every edit: a face model that was not
trained on rendered faces must find the same person (where `weights/mobilefacenet_relu_ms1m` is
there; else the embedded one), and the attribute must have moved measurably while others stayed.
Writes the face set with its card and a sheet to outputs/real_edits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facegeom_lit.commands.cli import main as facegeom
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.crop import align
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_folder

OUTPUT = Path("outputs") / "real_edits"
SHEET = OUTPUT / "sheet.png"  # of real people: not for the repository
MOVED = ("age", "expression", "hair_color", "illumination", "pose")
SIDE = 112


def crops(root: Path) -> Path:
    """Write aligned crops to identity folders."""
    table = np.load(root / "embeddings" / "att.npz")
    folder = OUTPUT / "crops"
    for path, points in zip(table["image"].tolist(), table["landmarks"], strict=True):
        source = root / "faces" / "att" / path
        target = folder / source.parent.name / f"{source.stem}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        photo = decode(source.read_bytes(), str(source))
        Image.fromarray(align(photo, points, border="replicate")).save(target)
    return folder


def sheet(photos: FaceSet, faces: FaceSet, people: int = 8) -> Image.Image:
    """One line a person: the photo, drawn again, and each attribute a step down and up."""
    rows = {
        (who, moving, step): row
        for row, (who, moving, step) in enumerate(
            zip(*(faces.table[n].to_pylist() for n in ("identity", "moving", "step")), strict=True)
        )
    }
    first = {who: photos.identities.index(who) for who in photos.classes}
    chosen = sorted(
        {who for who, _, _ in rows}, key=lambda who: -sum(key[0] == who for key in rows)
    )[:people]
    columns = [("", 1), *((name, step) for name in MOVED for step in (0, 2))]
    page = Image.new("RGB", ((1 + len(columns)) * SIDE, 30 + people * SIDE + 40), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    titles = ["photo", "drawn again", *(f"{n} {'-+'[s // 2]}" for n, s in columns[1:])]
    for column, title in enumerate(titles):
        draw.text((column * SIDE + SIDE // 2, 8), title, "black", font, anchor="ma")
    for line, who in enumerate(chosen):
        top = 30 + line * SIDE
        page.paste(Image.fromarray(photos.image(first[who])), (0, top))
        for column, (moving, step) in enumerate(columns, 1):
            if (row := rows.get((who, moving, step))) is not None:
                page.paste(Image.fromarray(faces.image(row)), (column * SIDE, top))
            else:
                middle = (column * SIDE + SIDE // 2, top + SIDE // 2)
                draw.text(middle, "refused", "grey", font, anchor="mm")
    caption = (
        "AT&T / ORL faces (Olivetti Research Laboratory): the people of whom the gates kept most. "
        "The prior has seen rendered faces in colour only."
    )
    draw.text((4, 30 + people * SIDE + 12), caption, "black", font)
    return page


def main() -> None:
    """Crop, edit, count, draw."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/real").expanduser()
    folder = crops(root)
    judge = root / "weights" / "mobilefacenet_relu_ms1m" / "mobilefacenet.pt"
    real = [f"gates.identity.model={judge}", f"gates.identity.faces={folder}"]
    gates = real if judge.is_file() else []
    made = OUTPUT / "edits"
    facegeom(
        [
            "generate",
            "synthesis=prior_edit",
            f"photos={folder}",
            "kind=lattice",
            f"measured=[{','.join(MOVED)}]",
            "photos_per_identity=1",
            "gates.attribute.max_leak=2",
            *gates,
            f"output={made}",
        ]
    )
    faces = FaceSet.open(made)
    print(json.dumps(faces.card["gates"], indent=2))
    sheet(read_folder(folder), faces).save(SHEET)
    print(f"sheet: {SHEET}")


if __name__ == "__main__":
    main()
