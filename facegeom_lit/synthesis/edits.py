"""Face sets made by editing given photos: what to ask for, and the maker that asks an editor."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.attributes import AttributeSpec, attribute, vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import ImageFormat
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.identities import rows_by_identity
from facegeom_lit.synthesis import photometric
from facegeom_lit.synthesis.editors.editor import Edit, Editor
from facegeom_lit.synthesis.maker import Original, source_hash
from facegeom_lit.synthesis.photo_lattice import spread
from facegeom_lit.synthesis.photometric import apply_all
from facegeom_lit.synthesis.recipe import Sample

EditKind = Literal["training", "lattice"]


@dataclass(frozen=True)
class EditRecipe:
    """What `generate` makes of given photos: see `facegeom_lit.synthesis.recipe.Recipe`.

    A `lattice` takes each photo as a node: its middle image is the photo drawn again as it is (so
    that it carries the editor's artefacts like the rest), and every measured attribute is moved a
    step down and a step up from where the photo stands, or as far as its range goes: at the end of
    the range a curve is one-sided. `training` gives each photo variations, evenly spread over the
    range of one attribute.

    Args:
        photos: Aligned faces.
        kind: `lattice` or `training`.
        moved: The attributes that move; `training` takes one.
        values: (N, A) facial attributes of each photo, as a regressor measured them.
        names: Their A names.
        per_identity: At most so many photos of each identity are edited, evenly spread over them.
        variations: Images made of each photo (`training`).
        seed: Of the editor's noise.
        specs: Attributes by name; those that are left out are the vocabulary's.
        image_format: How images are stored.
        quality: JPEG quality.

    Raises:
        FaceGeomError: When an attribute is unknown, not measured or comes twice, or a number is
            out of range.
    """

    photos: FaceSet
    kind: EditKind
    moved: tuple[str, ...]
    values: Tensor
    names: tuple[str, ...]
    per_identity: int = 12
    variations: int = 4
    seed: int = 0
    specs: Mapping[str, AttributeSpec] = field(default_factory=vocabulary)
    image_format: ImageFormat = "webp"
    quality: int = 95

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.kind not in get_args(EditKind):
            raise FaceGeomError(
                f"Photos can be edited into kind={' or '.join(get_args(EditKind))}, not "
                f"{self.kind!r}."
            )
        if not self.moved or len(set(self.moved)) < len(self.moved):
            raise FaceGeomError(
                f"Name each attribute to move once, got {list(self.moved)}: attribute=NAME, or "
                "measured=[...] for a lattice."
            )
        if self.kind == "training" and len(self.moved) > 1:
            raise FaceGeomError(f"kind=training moves one attribute, got {list(self.moved)}.")
        for name in ("per_identity", "variations"):
            if getattr(self, name) < 1:
                raise FaceGeomError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in self.moved:
            if attribute(name).kind == "facial" and name not in self.names:
                raise FaceGeomError(
                    f"The regressor does not measure {name!r}, so nobody knows where a photo "
                    f"stands. It measures: {', '.join(self.names)}."
                )
        object.__setattr__(self, "specs", {**vocabulary(), **self.specs})
        nodes = [
            (self.photos.classes[label], node, row)
            for label, rows in rows_by_identity(self.photos.labels).items()
            for node, row in enumerate(spread(rows, self.per_identity))
        ]
        object.__setattr__(self, "_nodes", nodes)

    @property
    def split(self) -> str:
        """The kind."""
        return self.kind

    @property
    def unit(self) -> int:
        """Number of images that belong together."""
        return 1 + 2 * len(self.moved) if self.kind == "lattice" else 1

    @property
    def _per_photo(self) -> int:
        return self.unit if self.kind == "lattice" else self.variations

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._nodes) * self._per_photo  # type: ignore[attr-defined]

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the images."""
        return {
            "photos": self.photos.hash,
            "rows": [row for _, _, row in self._nodes],  # type: ignore[attr-defined]
            "kind": self.kind,
            "measured": list(self.moved),
            "variations": self.variations,
            "seed": self.seed,
            "specs": {name: asdict(self.specs[name]) for name in self.moved},  # wording and all
            "values": sha256(self.values.double().numpy().tobytes()).hexdigest(),
            "names": list(self.names),
            "image_format": self.image_format,
            "quality": self.quality,
        }

    def samples(self, start: int = 0, stop: int | None = None) -> list[Sample]:
        """Return the images `start` … `stop` - 1."""
        stop = len(self) if stop is None else min(stop, len(self))
        size = self._per_photo
        first, last = start // size, -(-stop // size)
        make = self._node if self.kind == "lattice" else self._variations
        nodes = self._nodes[first:last]  # type: ignore[attr-defined]
        drawn = [sample for node in nodes for sample in make(*node)]
        return drawn[start - first * size : stop - first * size]

    def _node(self, name: str, node: int, row: int) -> list[Sample]:
        values, seed = self.standing(row), self._seed(row)
        moved = [
            Sample(name, row, {**values, moving: self._moved(values, moving, step)},
                   seed, node, moving, step)
            for moving in self.moved
            for step in (0, 2)
        ]  # fmt: skip
        return [Sample(name, row, values, seed, node), *moved]

    def _variations(self, name: str, node: int, row: int) -> list[Sample]:
        values, seed, moving = self.standing(row), self._seed(row), self.moved[0]
        spec, draw = self.specs[moving], random.Random(f"{self.seed}/{row}/{moving}")
        out = []
        for number in range(self.variations):
            share = (number + draw.random()) / self.variations
            value = spec.low + share * (spec.high - spec.low)
            out.append(Sample(name, row, {**values, moving: value}, seed, -1, moving, 1))
        return out

    def standing(self, row: int) -> dict[str, float]:
        """Return where a photo stands in every attribute: as measured, else at the default."""
        values = {name: spec.default for name, spec in vocabulary().items()}
        for name, value in zip(self.names, self.values[row].tolist(), strict=True):
            spec = self.specs[name]
            values[name] = min(max(round(value, 4), spec.low), spec.high)
        return values

    def _moved(self, values: Mapping[str, float], name: str, step: int) -> float:
        spec = self.specs[name]
        return min(max(values[name] + (step - 1) * spec.step, spec.low), spec.high)

    def _seed(self, row: int) -> int:
        return random.Random(f"{self.seed}/{row}").getrandbits(62)


class EditMaker:
    """Asks an editor for the facial attributes, then applies the image attributes.

    Args:
        recipe: Whose samples these are; their `identity_seed` is the row of the photo.
        editor: Moves facial attributes.
    """

    def __init__(self, recipe: EditRecipe, editor: Editor) -> None:
        self._recipe = recipe
        self._editor = editor
        self.name = editor.name
        code = source_hash([Path(__file__), Path(str(photometric.__file__))])
        self.version = sha256(f"{editor.version} {code}".encode()).hexdigest()[:12]
        self._facial = [name for name in recipe.moved if attribute(name).kind == "facial"]

    def render(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Return one image for each sample."""
        keys = [self._key(sample) for sample in samples]
        asked = dict(zip(keys, samples, strict=True))
        photos = [self._photo(sample) for sample in asked.values()]
        faces = photos
        if self._facial:
            edits = [self._edit(sample) for sample in asked.values()]
            faces = self._editor.edit(photos, edits)
        drawn = dict(zip(asked, faces, strict=True))
        return [
            apply_all(drawn[key], self._image_attributes(sample), sample.seed)
            for key, sample in zip(keys, samples, strict=True)
        ]

    def original(self, sample: Sample) -> Original:
        """Return the photo, and where it stands."""
        return self._photo(sample), self._recipe.standing(sample.identity_seed)

    def _photo(self, sample: Sample) -> NDArray[np.uint8]:
        return self._recipe.photos.image(sample.identity_seed)

    def _key(self, sample: Sample) -> tuple[int, str, float]:
        """Say which face it is: image attributes are moved on the same one."""
        moving = sample.moving if sample.moving in self._facial else ""
        return sample.identity_seed, moving, sample.attributes[moving] if moving else 0.0

    def _edit(self, sample: Sample) -> Edit:
        """Return the edit; the middle image asks for no change of the first attribute."""
        name = sample.moving if sample.moving in self._facial else self._facial[0]
        spec, value = self._recipe.specs[name], sample.attributes[name]
        change = value - self._recipe.standing(sample.identity_seed)[name]
        share = min(max(2 * change / (spec.high - spec.low), -1.0), 1.0)
        return Edit(spec, value, share, sample.seed)

    def _image_attributes(self, sample: Sample) -> dict[str, float]:
        return {n: v for n, v in sample.attributes.items() if attribute(n).kind == "image"}
