"""A user's typed script: it runs, and mypy and pyright accept it."""

import importlib.util
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("typed_script.py")
PYRIGHT = next(filter(None, map(shutil.which, ("pyright", "basedpyright"))), None)


def test_the_script_runs():
    names = runpy.run_path(str(SCRIPT))
    assert names["mean"] > 0
    assert names["history"].num_blocks == 20


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_accepts_it():
    """By the project's settings, which are strict: by others, mypy would check polejax again, for nine seconds."""
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ROOT / "polejax" / "py.typed").exists()  # without it users' type checkers see no types


@pytest.mark.skipif(PYRIGHT is None, reason="neither pyright nor basedpyright is installed")
def test_pyright_accepts_it(tmp_path):
    config = {
        "include": [str(SCRIPT)],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "standard",
        "pythonVersion": ".".join(map(str, sys.version_info[:2])),
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = [PYRIGHT, "--pythonpath", sys.executable, "-p", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
