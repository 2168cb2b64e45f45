from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_csv
from facegeom_lit.faces.lattice import Lattice


def node_rows(identity: str, node: int, attributes: tuple[str, ...]) -> list[dict[str, Any]]:
    row = {"identity": identity, "node": node, "path": "x.png"}
    moved = [{**row, "moving": a, "step": s} for a in attributes for s in (0, 2)]
    return [{**row, "moving": "", "step": 1}, *moved]


ROWS = [row for who in ("ada", "bob") for n in (0, 1) for row in node_rows(who, n, ("age", "hue"))]


def test_from_face_set_shares_the_middle() -> None:
    shuffled = FaceSet.from_rows([*reversed(ROWS), {"identity": "eve", "path": "y.png"}])
    lattice = Lattice.from_face_set(shuffled)
    assert set(lattice.attributes) == {"age", "hue"}
    for name, curves in lattice.curves.items():
        assert curves.shape == (4, 3)
        table = shuffled.table
        for curve, who in zip(curves.tolist(), lattice.identity[name], strict=True):
            rows = [table.slice(row, 1).to_pylist()[0] for row in curve]
            assert {row["identity"] for row in rows} == {who}
            assert len({row["node"] for row in rows}) == 1
            assert [row["step"] for row in rows] == [0, 1, 2]
            assert [row["moving"] for row in rows] == [name, "", name]
    assert lattice.curves["age"][:, 1].tolist() == lattice.curves["hue"][:, 1].tolist()
    assert Lattice.from_face_set(shuffled, ["hue"]).attributes == ("hue",)


@pytest.mark.parametrize(("missing", "step"), [(7, 0), (5, 1), (9, 2)])
def test_missing_step_is_named(missing: int, step: int) -> None:
    rows = [row for index, row in enumerate(ROWS) if index != missing]
    attribute = "hue" if missing == 9 else "age"
    message = f"identity 'ada', node 1, attribute '{attribute}' has no step {step}"
    if missing == 7:
        message = "identity 'ada', node 1, attribute 'age' has no step 2"
    if missing == 9:
        message = "identity 'ada', node 1, attribute 'hue' has no step 2"
    with pytest.raises(FaceGeomError, match=message):
        Lattice.from_face_set(FaceSet.from_rows(rows))


def test_other_faults_are_named() -> None:
    with pytest.raises(FaceGeomError, match="'ada', node 0, attribute 'age', step 0 comes twice"):
        Lattice.from_face_set(FaceSet.from_rows([*ROWS, ROWS[1]]))
    with pytest.raises(FaceGeomError, match="is no lattice"):
        Lattice.from_face_set(FaceSet.from_rows([{"identity": "eve", "path": "y.png"}]))
    with pytest.raises(FaceGeomError, match=r"No curve along 'pose'\. Curves: age, hue"):
        Lattice.from_face_set(FaceSet.from_rows(ROWS), ["pose"])


def test_from_values_takes_neighbours_at_equal_fixed_values() -> None:
    def row(who: str, light: float | None, height: float) -> dict[str, Any]:
        return {"identity": who, "path": "x", "light": light, "height": height}

    faces = FaceSet.from_rows(
        [
            row("ada", 30, 0),
            row("ada", 0, 0),
            row("ada", 10, 0),
            row("ada", 20, 45),
            row("ada", None, 0),
            row("ada", 100, 0),
            row("bob", 20, 0),
            row("ada", 10, 0),
        ],
        ("light", "height"),
    )
    lattice = Lattice.from_values(faces, "light", fixed=("height",), max_span=60)
    assert lattice.curves["light"].tolist() == [[1, 2, 0]]
    assert lattice.identity == {"light": ["ada"]}
    wide = Lattice.from_values(faces, "light", fixed=("height",))
    assert wide.curves["light"].tolist() == [[1, 2, 0], [2, 0, 5]]
    with pytest.raises(FaceGeomError, match="within max_span=5"):
        Lattice.from_values(faces, "light", max_span=5)


def test_yale_b(real_data: Path) -> None:
    root = real_data / "faces" / "yale_b"
    columns = {"illumination": "light_azimuth_deg", "elevation": "light_elevation_deg"}
    faces = read_csv(root / "crops112", root / "labels.csv", columns)
    assert (len(faces), len(faces.classes)) == (2414, 38)
    lattice = Lattice.from_values(faces, "illumination", fixed=("elevation",), max_span=60)
    assert 26 < len(lattice.curves["illumination"]) / 38 < 28  # as the card of the data says
