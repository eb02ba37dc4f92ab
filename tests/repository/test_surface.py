"""What users see: the names of `polejax` and of its namespaces, and the names that texts and messages refer to."""

import importlib
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import polejax as pj

ROOT = Path(__file__).parents[2]
NAMESPACES = [
    "analysis",
    "attacks",
    "baselines",
    "devices",
    "difficulty",
    "elections",
    "mechanisms",
    "models",
    "network",
    "nodes",
    "protocols",
    "tasks",
    "testing",
    "theory",
]
TEXTS = [
    "_core",
    "analysis",
    "attacks",
    "consensus",
    "crypto",
    "jobs",
    "learning",
    "mechanisms",
    "network",
    "studies",
    "theory",
]  # rooms whose texts are held

pytestmark = pytest.mark.smoke


def resolved(path):
    """What a dotted name means: attributes, or modules where there are none."""
    found = importlib.import_module("polejax")
    for name in path.split(".")[1:]:
        try:
            found = getattr(found, name)
        except AttributeError:
            found = importlib.import_module(f"{found.__name__}.{name}")
    return found


def namespaces(path="polejax"):
    """Every public namespace, those inside of others among them."""
    space = resolved(path)
    inner = [name for name in space.__all__ if isinstance(getattr(space, name), types.ModuleType)]
    return [path, *(deeper for name in inner for deeper in namespaces(f"{path}.{name}"))]


def test_every_namespace_is_looked_at():
    assert {f"polejax.{name}" for name in NAMESPACES} < set(namespaces())
    assert "polejax.attacks.theft" in namespaces()


@pytest.mark.parametrize("path", namespaces())
def test_dir_shows_what_there_is_for_users(path):
    space = resolved(path)
    assert sorted(dir(space)) == sorted(space.__all__)
    assert all(getattr(space, name) is not None for name in space.__all__)
    assert not [name for name in space.__all__ if name.startswith("_") and name != "__version__"]


def test_the_top_is_small():
    spaces = [name for name in pj.__all__ if type(getattr(pj, name)) is type(pj)]
    assert set(NAMESPACES) < set(spaces)
    assert len(pj.__all__) - len(spaces) <= 36


def test_unknown_names_are_refused():
    for space in (pj, pj.analysis):
        with pytest.raises(AttributeError, match="has no attribute 'figurs'"):
            _ = space.figurs


def test_importing_polejax_imports_no_library_that_only_some_need():
    code = (
        "import sys, flax.linen, chex; before = set(sys.modules); import polejax; polejax.Scenario; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "polejax" in loaded
    assert not {"matplotlib", "tyro", "rich", "xarray", "pandas", "h5py", "sklearn"} & set(loaded)


def texts():
    for path in ROOT.rglob("*.md"):
        if not any(part.startswith(".venv") or part == "node_modules" for part in path.relative_to(ROOT).parts):
            yield path
    for room in TEXTS:
        yield from (ROOT / "polejax" / room).rglob("*.py")


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in texts()])
def test_names_in_texts_exist(path):
    found = re.findall(r"(?<![\w./-])(?:polejax|pj)((?:\.\w+)+)", path.read_text(encoding="utf-8"))
    assert all(resolved(f"polejax{name}") is not None for name in found)


def test_names_that_do_not_exist_are_told():
    for gone in ("polejax.simulate_memoryless", "polejax.finds", "polejax.consensus.chainn"):
        with pytest.raises(ImportError):
            resolved(gone)
