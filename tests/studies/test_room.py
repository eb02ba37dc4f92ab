"""Studies and banks that the machine has no room for are refused in one line, before anything is computed."""

import collections

import jax
import pytest
from small_tasks import small_task

import polejax as pj
from polejax._core import limits

SCENARIO = pj.Scenario(pj.nodes.equal(3), pj.network.clique(3, 1.0), pj.PoW(600.0))
KEY = jax.random.key(0)
Usage = collections.namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A machine with 8 GB of memory and 50 MB of disk free."""
    monkeypatch.setattr(limits, "free_memory", lambda: 8 * 10**9)
    monkeypatch.setattr(limits.shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 5 * 10**7))


def recipe(**options):
    return pj.Recipe(small_task(), batch_size=16, **{"max_steps": 400, **options})


LONG = recipe(max_steps=2**30, evaluate_every=2**30)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda out: pj.study(SCENARIO, 2**20, 1_000, out), r"num_seeds 1,048,576 would take at least 4\.2 GB more on"),
        (
            lambda out: pj.study([SCENARIO] * 4, 2**20, 10, out, records="chains"),
            r"at least 268\.4 MB more on the disk",
        ),
        (lambda out: pj.learning_curves(KEY, recipe(), 2**20, out=out), "and 50.0 MB are free: make room"),
        (
            lambda out: pj.learning_curves(KEY, recipe(), 10**9),
            r"num_curves 1,000,000,000 of 400 steps would take .* GB",
        ),
        (lambda out: pj.learning_curves(KEY, LONG, 5 * 10**8, num_steps=2**30), "years on this machine: train fewer"),
    ],
)
def test_what_finds_no_room_is_refused_before_it_begins(tmp_path, call, words):
    with pytest.raises(ValueError, match=words) as error:
        call(tmp_path / "new" / "results")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_what_is_in_the_folder_already_needs_no_room(tmp_path):
    (tmp_path / "parts").mkdir()
    with open(tmp_path / "parts" / "some.nc", "wb") as file:
        file.truncate(10**8)
    limits.check_disk("this", str(tmp_path), 1.4e8, "make room")
    with pytest.raises(ValueError, match=r"this would take at least 60\.0 MB more on the disk of .*: make room"):
        limits.check_disk("this", str(tmp_path), 1.6e8, "make room")
