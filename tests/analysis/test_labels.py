"""Labels of histories: they name no file elsewhere, are no formula, and are drawn letter by letter."""

import csv

import numpy as np
import pytest
from matplotlib.figure import Figure

from polejax._core.printable import printable
from polejax.analysis import figures
from polejax.analysis.csv_files import write_csv
from polejax.analysis.figure_style import file_name, marks, sample_size, save, shown

LABELS = ["_hidden", "$x^2$", "a $ b", r"\$", "", "=1+1", "\x1b[31mred", "/../../x", "two\nlines"]


def test_labels_stay_in_legends_and_are_no_formulas():
    figure = Figure()
    axes = figure.subplots()
    for place, label in enumerate(LABELS):
        axes.plot([place], [place], label=shown(label))
    drawn = axes.legend().get_texts()
    assert len(drawn) == len(LABELS)
    for text, label in zip(drawn, LABELS, strict=True):
        clean, is_formula = text._preprocess_math(text.get_text())
        assert is_formula is False
        assert clean.strip() == printable(label)
    figure.canvas.draw()


def test_labels_that_are_no_words_are_refused():
    with pytest.raises(ValueError, match="labels must be words, got 3"):
        marks({3: None})
    assert sample_size({"_a": (1, 2), "$": (3, 4)}).startswith(" _a: 1 seed")


def test_names_of_files_stay_in_their_folder():
    taken = {}
    for label in ("PoLe", "a b", "a_b", "A B", "/../../x", "..", "\x00", "C:\\x", "é" * 300, "con/", "x" * 5_000):
        name = file_name(f"learning_curves_{label}", taken)
        assert name not in taken
        assert name.replace("_", "").replace(".", "").isalnum()
        assert len(name.encode()) < 110
        taken[name] = label
    assert list(taken)[:4] == [f"learning_curves_{end}" for end in ("pole", "a_b", "a_b_2", "a_b_3")]


@pytest.mark.parametrize("path", ["", b"x", None, "\0", "~nosuchuser/x"])
def test_paths_that_are_none_are_refused(path):
    with pytest.raises(ValueError, match="path "):
        save(Figure(), path, {})


def test_spreadsheets_get_words_and_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "\nx", "＝x", "x=1", "'", "-cmd|' /C calc'!A0"]  # noqa: RUF001
    labels = [word for word in words if word.isprintable()]
    with pytest.raises(ValueError, match="its labels must be a word"):
        save(Figure(), "~/table", {"\tx": np.zeros(1)})
    columns = {f"{word}: a": np.array([-1.5, np.nan, -np.inf, 1e-9]) for word in labels} | {"word": np.array(words)}
    paths = save(Figure(), "~/table", columns)
    assert paths[-1] == tmp_path / "table.csv"
    with open(paths[-1], newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    kept = {"x=1": "x=1", "'": "'", "\tx": r"\tx", "\rx": r"\rx", "\nx": r"\nx"}
    safe = [kept.get(word, f"'{word}") for word in words]
    assert head == [*(f"{kept.get(word, chr(39) + word)}: a" for word in labels), "word"]
    assert [row[-1] for row in rows] == safe
    assert [row[0] for row in rows][:4] == ["-1.5", "nan", "-inf", "1e-09"]
    write_csv(tmp_path / "other.csv", ["-1"], [["-2", "+3", "-inf", -4, 5.5, "-2x"]])
    assert (tmp_path / "other.csv").read_text() == "-1\n-2,+3,-inf,-4,5.5,'-2x\n"


def test_only_letters_are_printed():
    assert printable("a\x1b[31m\x07\x9b\u202e\u2028é\n") == "a\\x1b[31m\\x07\\x9b\\u202e\\u2028é\n"
    assert set(dir(figures)) == set(figures.__all__)
