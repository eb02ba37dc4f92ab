"""The Colab notebook is its script, asks for a TPU, and runs from top to bottom."""

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
    (install,) = [cell.source for cell in notebook.cells if "install" in cell.metadata.get("tags", [])]
    assert f'"git+{repository}"' in install
    assert not any(cell.get("outputs") for cell in notebook.cells)


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
