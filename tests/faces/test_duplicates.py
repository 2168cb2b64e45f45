from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.duplicates import (
    find_duplicates,
    refuse_shared_images,
    refuse_shared_people,
)
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_folder
from facegeom_lit.faces.images import ImagesInMemory

MakeFolder = Callable[..., Path]


def faces_of(images: list[bytes], prefix: str = "p") -> FaceSet:
    names = [f"{prefix}{row}" for row in range(len(images))]
    return FaceSet.from_store(ImagesInMemory(images), np.arange(len(images)), names, Path(prefix))


@given(*[st.lists(st.sampled_from([b"a", b"b", b"c", b"dd"]), max_size=8)] * 2)
def test_duplicates_are_those_of_a_plain_search(first: list[bytes], second: list[bytes]) -> None:
    expected = [(row, second.index(image)) for row, image in enumerate(first) if image in second]
    if first and second:
        assert find_duplicates(faces_of(first), faces_of(second)) == expected


def test_images_on_both_sides_are_listed(make_folder: MakeFolder) -> None:
    faces = read_folder(make_folder({"ada": 2, "bob": 12}))
    ada, bob = (faces.where(identities=[name]) for name in ("ada", "bob"))
    refuse_shared_images(ada, bob)
    for row in range(12):
        Path(bob.name_of(row)).write_bytes(ada.encoded(0))
    message = r"1 training images .*\n.*ada/0\.png = .*bob/0\.png\nRemove one of each"
    with pytest.raises(FaceGeomError, match=message):
        refuse_shared_images(ada, bob)
    with pytest.raises(FaceGeomError, match=r"12 training images (.*\n){11}and 2 more\nRemove"):
        refuse_shared_images(bob, ada)


def test_people_on_both_sides_are_listed() -> None:
    first, second = faces_of([b"a"] * 12), faces_of([b"b"] * 11)
    refuse_shared_people(first, faces_of([b"a"], "q"), "x")
    message = "11 identities .* judged in 'x': p0, p1, p10, p2, .*p8, and 1 more. Split by identity"
    with pytest.raises(FaceGeomError, match=message):
        refuse_shared_people(first, second, "x")
