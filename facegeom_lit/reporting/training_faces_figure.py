"""What the model was trained on: some people, their images ordered by the targeted attribute."""

from __future__ import annotations

from pathlib import Path

import torch

from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.reporting.style import figure, words

PEOPLE = 4
IMAGES = 8


def training_faces_figure(path: str | Path, faces: FaceSet, attribute: str | None) -> None:
    """Draw images of the first people, a row each, from low to high values where known."""
    known = attribute is not None and attribute in faces.attributes
    values = faces.attribute(str(attribute)) if known else torch.full((len(faces),), torch.nan)
    people = min(PEOPLE, len(faces.classes))
    most = max(int((faces.labels == person).sum()) for person in range(people))
    columns = min(IMAGES, most)
    with figure(path, max(3.3, 1.1 * columns), 1.25 * people + 0.3) as drawn:
        axes = drawn.subplots(people, columns, squeeze=False)
        for person, row in enumerate(axes):
            own = (faces.labels == person).nonzero().flatten()
            own = own[values[own].nan_to_num().argsort(stable=True)]
            shown = own[torch.linspace(0, len(own) - 1, min(columns, len(own))).round().long()]
            for axis in row:
                axis.set_axis_off()
            for axis, index in zip(row, shown.tolist(), strict=False):
                axis.imshow(faces.image(index))
                if known:
                    axis.set_title(f"{values[index]:.2g}", fontsize=7)
        title = f", by {words(str(attribute))}" if known else ""
        if attribute is not None and not known:
            title = f" ({words(attribute)} is moved on them while training)"
        drawn.suptitle(f"training faces{title}", fontsize=9)
