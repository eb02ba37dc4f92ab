"""Timing: compiling is counted once, apart from running, and can be kept for the next process."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from polejax._core import timing

SCRIPT = """
import sys
import jax
import polejax as pj
from polejax._core import timing

timing.keep_compiled(sys.argv[1])
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event.endswith("/cache_hits")))
scenario = pj.Scenario(pj.nodes.equal(2), pj.network.instant(2), pj.PoW(work=1.0))
history = pj.simulate_many(jax.random.split(jax.random.key(0), 2), scenario, 10)
print(sum(hits), history.interval.sum())
"""


@pytest.mark.smoke
def test_compiling_is_counted_once_and_nested():
    inner = jax.jit(lambda x: jnp.sin(x) @ jnp.cos(x))
    with timing.compilation() as outer:
        with timing.compilation() as first:
            jax.jit(lambda x: inner(x) + inner(2 * x))(jnp.ones((64, 64)))
        with timing.compilation() as second:
            inner(jnp.ones((3, 3)))
            compiled = second.programs
            inner(jnp.ones((3, 3)))
            assert second.programs == compiled > 0
    assert first.programs >= 1
    assert first.seconds > 0.0
    assert outer.programs == first.programs + second.programs
    assert abs(outer.seconds - first.seconds - second.seconds) < 1e-6


def test_compiled_programs_can_be_kept(tmp_path):
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "kept")],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert any((tmp_path / "kept").iterdir())
    assert int(runs[0][0]) == 0 < int(runs[1][0])
    assert runs[0][1] == runs[1][1]
