"""The Colab notebook is its script, asks for a TPU, and runs from top to bottom."""

import importlib.util
import subprocess
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
SCRIPT = Path(__file__).parents[2] / "experiments" / "quickstart.py"
SMALL = """
LIVE_SEEDS, LIVE_BLOCKS = 2, 2
CURVES = 288
SEEDS, BLOCKS = 8, 10
THRESHOLDS = [0.80, 0.85]
DELAYS = [1.0, 60.0]
OUT = "results/quickstart"
"""

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(SCRIPT.with_suffix(".ipynb"), as_version=4)


def test_the_notebook_is_its_script(notebook):
    """Else run `jupytext --to ipynb experiments/quickstart.py`."""
    script = jupytext.read(SCRIPT)
    assert [(cell.cell_type, cell.source) for cell in script.cells] == [
        (cell.cell_type, cell.source) for cell in notebook.cells
    ]
    assert notebook.metadata["accelerator"] == "TPU"
    repository = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    path = repository.removeprefix("https://github.com/")
    assert f"colab.research.google.com/github/{path}/blob/main/experiments/quickstart.ipynb" in notebook.cells[0].source
    assert not any(cell.get("outputs") for cell in notebook.cells)


@pytest.fixture
def install(notebook, tmp_path, monkeypatch):
    """What pip was asked to install, and the cell that finds polejax, in an empty folder where none is installed."""
    (cell,) = [cell for cell in notebook.cells if "install" in cell.metadata.get("tags", [])]
    asked = []

    def run(words):
        asked.append(words[-1])
        return subprocess.CompletedProcess(words, len(asked) - 1)

    (tmp_path / "notebook").mkdir()
    monkeypatch.chdir(tmp_path / "notebook")
    monkeypatch.delenv("POLEJAX_SOURCE", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", run)
    return asked, lambda: exec(cell.source, {})


def test_the_notebook_finds_polejax_or_says_what_to_do(install, tmp_path, monkeypatch):
    asked, cell = install
    with pytest.raises(
        SystemExit, match=r"^polejax is not here: put polejax-\*.whl beside this notebook, or set [^\n]*$"
    ):
        cell()
    assert not asked
    (tmp_path / "polejax").mkdir()
    (tmp_path / "polejax" / "_public.py").touch()
    cell()
    assert asked == [".."]  # a checkout, in whose folder experiments/ the notebook is
    (tmp_path / "notebook" / "polejax-1.0-py3-none-any.whl").touch()
    with pytest.raises(SystemExit, match=r"^pip could not install polejax from polejax-1.0-py3-none-any.whl: [^\n]*$"):
        cell()
    monkeypatch.setenv("POLEJAX_SOURCE", "git+file:///nowhere")
    with pytest.raises(SystemExit, match=r"from git\+file:///nowhere"):
        cell()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    cell()
    assert asked == ["..", "polejax-1.0-py3-none-any.whl", "git+file:///nowhere"]


def test_the_notebook_runs(notebook, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # what notebooks use
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # it compiles much, and runs briefly
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = SMALL
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": tmp_path}}).execute()
    assert (tmp_path / "results" / "quickstart" / "study" / "study.json").exists()
    figures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(figures) == 2
