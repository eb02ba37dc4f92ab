"""Processes: a study's shards in several of them are those of one, and what they cannot do is refused in one line."""

import os
import subprocess
import sys

import pytest

import polejax as pj
from polejax.jobs import cli, config, processes

FILE = """
seeds = 8
blocks = 12
out = "{out}"
[[scenario]]
nodes = {{ equal = 3 }}
network = {{ clique = {{ seconds = 1.0 }} }}
mechanism = {{ PoW = {{ work = 30.0 }} }}
"""
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def written(folder, name):
    path = folder / f"{name}.toml"
    path.write_text(FILE.format(out=(folder / name).as_posix()))
    return path


@pytest.mark.skipif(CORES < 2, reason="has one core")
def test_two_processes_give_the_bits_of_one(tmp_path):
    """From the command line, as `main` of the workers' parent must be guarded."""
    path = written(tmp_path, "two")
    called = [sys.executable, "-m", "polejax", "study", str(path), "--processes", "2"]
    done = subprocess.run(
        called, capture_output=True, text=True, timeout=240, env=os.environ | {"JAX_PLATFORMS": "cpu"}
    )
    assert done.returncode == 0, done.stderr
    two, one = pj.open_study(tmp_path / "two"), config.run(written(tmp_path, "one"))
    assert two.complete
    assert len(list((tmp_path / "two").rglob("*.nc"))) == 8
    assert (two.history(0).interval == one.history(0).interval).all()
    assert str(two.summarise(0).interval_mean) == str(one.summarise(0).interval_mean)


def test_shards_are_no_larger_than_one_process_would_have_them_and_enough_for_all():
    assert processes.seeds_per_shard([100], 1_000, 2) == 100
    assert processes.seeds_per_shard([1_000], 1_000, 2) == 125
    assert processes.seeds_per_shard([1_000] * 8, 1_000, 2) == 1_000
    assert processes.seeds_per_shard([5, 1_000], 1_000, 2) == 5
    assert processes.seeds_per_shard([2], 2, 64) == 1


def test_what_cannot_be_is_refused(tmp_path, monkeypatch):
    for count in (0, -1):
        with pytest.raises(ValueError, match=r"^processes must be"), processes.pool(count):
            pass
    with pytest.raises(ValueError, match=r"^processes must be at most this machine's \d+ cores"), processes.pool(4_096):
        pass
    with pytest.raises(ValueError, match=r"^processes must be 1 with an executor"):
        config.run(written(tmp_path, "no"), processes=2, executor=object())
    monkeypatch.setattr(processes.lanes, "on_cpu", lambda: False)
    with pytest.raises(ValueError, match=r"^processes must be 1 where JAX runs on an accelerator"), processes.pool(2):
        pass
    assert cli.parse(["study", "x.toml", "--processes", "3"]).processes == 3
    assert not (tmp_path / "no").exists()


@pytest.mark.skipif(CORES < 2, reason="has one core")
def test_workers_end_with_their_parent(tmp_path):
    """Even where the parent is killed: else they would wait for work for ever."""
    code = f"""
import os, sys, time
sys.path.insert(0, {os.getcwd()!r})
from polejax.jobs.processes import pool
if __name__ == "__main__":
    with pool(2) as workers:
        print(workers.submit(os.getpid).result(), flush=True)
        os.kill(os.getpid(), 9)
"""
    script = tmp_path / "killed.py"
    script.write_text(code)
    # `run` returns when stdout is at its end, that is, when the workers, which share it, have ended, too.
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == -9
    assert done.stdout.strip().isdigit()
