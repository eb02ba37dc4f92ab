"""Tables: no wider than the terminal, nothing lost or printed unescaped, in text and in HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polejax._core.tables import Table, _wide, row_of, side_by_side

WORDS = st.text(alphabet="ab ,.[]0123456789%<&é漢\x1b", max_size=40)


@pytest.mark.parametrize("width", [10, 60, 200])
@given(rows=st.lists(st.lists(WORDS, min_size=5, max_size=5), max_size=5), title=WORDS)
def test_no_line_is_wider_than_asked_and_no_letter_is_lost(width, rows, title):
    table = Table(("one", "two", "three", "four", "five"), rows, title)
    lines = table.text(width).splitlines()
    assert max(map(_wide, lines)) <= width
    assert "\x1b" not in table.text(width)
    kept = "".join(lines).replace(" ", "").replace("-", "")
    for row in rows:
        for cell in row:
            letters = [letter for letter in cell.replace("\x1b", "") if letter not in " -"]
            assert set(letters) <= set(kept)


def test_a_table_that_fits_is_one_line_a_row():
    table = Table(("name", "value"), [("mean", "1.5 [1.0, 2.0]"), ("sd", "3")], "four seeds", ["a doubt"])
    assert table.text(80).splitlines() == [
        "four seeds",
        "a doubt",
        "name  value",
        "----  --------------",
        "mean  1.5 [1.0, 2.0]",
        "sd    3",
    ]


def test_columns_without_room_follow_below_with_the_first_one_again():
    table = Table(("load", *(f"label {number}" for number in range(9))), [("0.5", *"123456789")])
    text = table.text(40)
    assert text.count("load") == 3
    for number in range(9):
        assert f"label {number}" in " ".join(text.split())


def test_the_width_is_the_terminals(monkeypatch):
    table = Table(("name", "value"), [("a long name of a row", "a long value " * 9)])
    for columns in (60, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert 0 < max(map(len, str(table).splitlines())) <= columns
    monkeypatch.delenv("COLUMNS")  # and of a file, or another program, nothing is wrapped
    assert len(str(table).splitlines()) == 3


@pytest.mark.parametrize("width", [10, 60, 200])
def test_a_row_of_a_growing_table_fits(width):
    row = ("the name of a case", "1.25", "where it comes from, at length")
    lines = row_of(row, (30, 8, 40), width).splitlines()
    assert max(map(len, lines)) <= width
    assert "".join("".join(lines).split()).count("1") == 1
    if width == 200:
        assert lines == [f"{row[0]:30}  {row[1]:8}  {row[2]}"]


def test_html_is_escaped():
    table = Table(("<b>", "x"), [("<script>alert(1)</script>", "a & b\x1b")], "<i>", ["'\"<"])
    text = table.html()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "a &amp; b\\x1b" in text
    assert not {"<b>", "<i>"} & {text[at : at + 3] for at in range(len(text))}


def test_cells_side_by_side():
    table = side_by_side({"mean": {"a": "1", "b": "2"}, "sd": {"b": "3"}}, ("", "a", "b"))
    assert table.rows == [["mean", "1", "2"], ["sd", "", "3"]]
    with pytest.raises(ValueError, match="rows must have 2 cells"):
        Table(("a", "b"), [("1",)])
