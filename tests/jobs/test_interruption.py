"""Signals: whenever they come, one line, exit code 128 + number, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from polejax._core import netcdf, unfinished
from polejax.jobs import interruption

ROOT = Path(__file__).parents[2]
COMPARE = "compare --nodes 3 --seeds 1 --blocks 8 --learning.task synthetic --learning.hidden 4"

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


def begun(out, ignored=()):
    """The command line, once it handles signals."""

    handlers = {number: "SIG_IGN" if number in ignored else "SIG_DFL" for number in ("SIGINT", "SIGTERM", "SIGHUP")}
    set_up = "".join(f"signal.signal(signal.{number}, signal.{what}); " for number, what in handlers.items())
    command = [sys.executable, "-m", "polejax", *COMPARE.split(), "--out", str(out)]
    process = subprocess.Popen(  # by way of a process with a terminal's handlers, whatever runs the tests
        [sys.executable, "-c", f"import os, signal; {set_up}os.execv({sys.executable!r}, {command!r})"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
    )
    for _ in range(6_000):
        if masks(process.pid)["SigCgt"] & (1 << (signal.SIGTERM - 1)):
            return process
        time.sleep(0.01)
    raise AssertionError("signals are not handled")


def masks(pid):
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(lines[name], 16) for name in ("SigCgt", "SigIgn")}


@pytest.mark.parametrize(
    ("number", "seconds", "word"),
    [
        (signal.SIGTERM, 0.0, "terminated (SIGTERM)"),
        (signal.SIGHUP, 0.5, "its terminal is gone"),
        (signal.SIGINT, 4.0, "interrupted"),  # most likely while it compiles
    ],
)
def test_a_signal_ends_the_command_line_in_one_line(tmp_path, number, seconds, word):
    process = begun(tmp_path)
    time.sleep(seconds)
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert complaints.startswith("polejax: ")
    assert complaints.count("\n") == 1
    assert word in complaints
    assert not list(tmp_path.rglob("*.part"))


def test_what_the_parent_made_it_ignore_stays_ignored(tmp_path):
    process = begun(tmp_path, ignored=("SIGHUP",))
    assert masks(process.pid)["SigIgn"] & (1 << (signal.SIGHUP - 1))
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def test_files_being_written_are_removed_and_no_others(tmp_path, monkeypatch):
    seen = []

    def interrupted(descriptor):
        seen.extend(path.name for path in tmp_path.iterdir())
        unfinished.remove()
        seen.append(len(list(tmp_path.iterdir())))
        raise KeyboardInterrupt

    netcdf.write_whole(str(tmp_path / "first"), b"1")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        netcdf.write_whole(str(tmp_path / "second"), b"2")
    assert sorted(map(str, seen)) == [".second.p0.part", "1", "first"]
    unfinished.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_this_process_keeps_its_own_handlers():
    assert signal.getsignal(signal.SIGINT) is not interruption._leave_it_to_the_thread
