"""Paths: `~` is the home folder, and what is no path is refused in one line, wherever a path enters."""

import os

import jax
import pytest
from banks import geometric_bank, small_pole

import polejax as pj
from polejax._core import paths, timing
from polejax._core.folder import Folder
from polejax.learning import tasks


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.checked("out", "~/res") == str(tmp_path / "res")
    assert paths.checked("out", tmp_path) == str(tmp_path)
    assert paths.checked("out", "a~b") == "a~b"
    geometric_bank(0).save("~/bank.nc")
    assert (tmp_path / "bank.nc").exists()
    assert pj.load_bank("~/bank.nc").num_curves == geometric_bank(0).num_curves
    assert Folder("~/study", "study").path == str(tmp_path / "study")
    with pytest.raises(pj.StudyError, match=rf"^{tmp_path}/study does not exist"):
        pj.open_study("~/study")


def scenario():
    return pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 1.0), pj.PoW(work=10.0))


ENTRANCES = {
    "out": (
        lambda path: pj.study(scenario(), 1, 1, path),
        lambda path: pj.learning_curves(jax.random.key(0), small_pole(), 1, out=path) if path is not None else None,
    ),
    "path": (
        pj.open_study,
        pj.load_bank,
        lambda path: geometric_bank(0).save(path),
        timing.keep_compiled,
        tasks.idx,
        tasks.npz,
    ),
    "folder": (tasks.mnist, tasks.cifar10),
}


@pytest.mark.parametrize("wrong", [None, b"res", "\0", "res\0ults", "", 3, ["res"], "~nobody-of-that-name/res"])
def test_what_is_no_path(wrong, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, functions in ENTRANCES.items():
        for function in functions:
            if function is ENTRANCES["out"][1] and wrong is None:
                continue  # no folder wanted
            with pytest.raises(ValueError, match=f"^{name} (must be a path|begins with the home)") as error:
                function(wrong)
            assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == []
