from __future__ import annotations

from pathlib import Path

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from reporting.pages import covered, cut_off, words_on

from facegeom_lit.reporting.style import figure, footnote, headline, model_colors, panels, wrapped

NAMES = [f"model_{index}" for index in range(10)]


def test_ten_models_have_ten_colours_and_keep_them() -> None:
    colors = model_colors(NAMES)
    assert len(set(colors.values())) == 10
    assert model_colors(NAMES[:3]) == dict(list(colors.items())[:3])
    assert model_colors(["after"]) == {"after": model_colors(["before", "after"])["after"]}
    assert model_colors([*NAMES, "eleventh"])["eleventh"] == colors["model_0"]


def test_no_colour_fades_into_the_page() -> None:
    for color in model_colors(NAMES).values():
        red, green, blue = to_rgb(color)
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.7


def test_a_long_name_is_broken_and_nothing_of_it_is_lost() -> None:
    name = "a_name-of/many.parts_" + "x" * 25
    lines = wrapped(name, 10).split("\n")
    assert max(map(len, lines)) <= 10
    assert "".join(lines) == name
    assert wrapped("two words", 6) == "two\nwords"
    assert wrapped("a$b$", 9) == r"a\$b\$"


def test_title_and_footnote_stand_on_the_page(tmp_path: Path, pages: list[Figure]) -> None:
    with figure(tmp_path / "f.png", 5, 3) as drawn:
        axes = panels(drawn, 3, 2, sharex=True)
        headline(drawn, "A title of many words that one line cannot hold at this width, " * 3)
        footnote(drawn, "", "A remark of many words that one line cannot hold either, " * 3, "")
    assert len(axes) == 3
    assert cut_off(pages[0]) == covered(pages[0]) == []
    assert sum(text.startswith("A ") for text in words_on(pages[0])) == 2
