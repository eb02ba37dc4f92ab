"""docs/architecture.md names what exists: rooms, files, and the functions and classes that it places in files."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.smoke


def test_every_room_is_described():
    described = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    assert described == {room for layer in layers for room in layer.split(" | ")}


def test_files_exist():
    files = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", TEXT))
    assert len(files) > 30
    for file in files:
        assert (ROOT / "polejax" / file).exists() or (ROOT / file).exists(), file


def test_names_are_where_it_says():
    placed = re.findall(r"`([\w.]+)(?:\(\.\.\.\))?` \(`((?:\w+/)+\w+\.py)`", TEXT)
    placed += re.findall(r"`([\w.]+)` in\s+`((?:\w+/)+\w+\.py)`", TEXT)
    assert len(placed) > 20
    for name, file in placed:
        name = name.rpartition(".")[2]
        source = (ROOT / "polejax" / file).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(?:def|class) {name}\b|^{name}\b", source, re.MULTILINE), (name, file)


def test_pages_name_files_that_are_there():
    """A path in prose outlives the file that it names."""
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("experiments/**/*.md"),
    ]
    named = re.compile(r"\b(?:polejax|experiments|tests)/[\w/.-]+\.(?:py|md|ipynb|toml)\b")
    written = {(page.name, path) for page in pages for path in named.findall(page.read_text(encoding="utf-8"))}
    assert len(written) > 10
    assert [entry for entry in sorted(written) if not (ROOT / entry[1]).exists() and "/blob/" not in entry[1]] == []
