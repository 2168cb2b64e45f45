from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from facegeom_lit.commands.quoting import quoted


@pytest.mark.parametrize("value", ["~/x", "/a b/é.png", "it's here (1)", "C:\\faces", "ß"])
def test_any_path_arrives_as_it_was_written(value: str) -> None:
    (override,) = quoted([f"output={value}"])
    assert OverridesParser.create().parse_override(override).value() in (value, value.strip())


@pytest.mark.parametrize(
    "override", ["seed=1", "model=[a,b]", "data={a: b}", "attribute=age,pose", "-m", "--cfg=job"]
)
def test_what_can_be_parsed_or_is_no_setting_stays(override: str) -> None:
    assert quoted([override]) == [override]
    assert quoted(quoted([override])) == [override]


def test_broken_lists_stay_broken() -> None:
    assert quoted(["model=[a"]) == ["model=[a"]
