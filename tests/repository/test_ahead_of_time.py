"""Programs compile for a TPU and fit in its memory, which its compiler, `pip install libtpu`, can tell without one."""

import importlib.util
from pathlib import Path

import pytest

from polejax._core import lanes

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.skipif(not importlib.util.find_spec("libtpu"), reason="libtpu, a TPU's compiler, is not installed"),
]

TARGET = "v5e"  # Colab's


@pytest.fixture(scope="module")
def compiler():
    """What compiles a job of experiments/benchmarks/ahead_of_time.py: its programs, by the job's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "experiments" / "benchmarks"))
        import ahead_of_time

        device, jobs = ahead_of_time.device_of(TARGET), ahead_of_time.jobs()
        with ahead_of_time.compiling_only(TARGET) as programs:

            def compiled(name):
                programs.clear()
                jobs[name](device)
                return list(programs)

            yield compiled


@pytest.mark.parametrize(
    ("name", "num_programs", "in_lockstep"),
    [
        ("PoW, 4,096 chains of 1,000 blocks", 1, 4_096),
        ("PoW as a Poisson process, 4,096 chains of 1,000", 1, 4_096),
        ("HashedPoW, 16 chains of 16", 1, 16),  # by a kernel of Pallas
        ("PoLe, 4,096 chains of 8", 1, None),  # fewer: all at once would need four times its memory
        ("Replay, 4,096 chains of 1,000", 1, 4_096),
    ],
)
def test_a_tpu_would_take_it(compiler, name, num_programs, in_lockstep):
    programs = compiler(name)
    # Chains of PoLe and HashedPoW are played on in two more programs, and only where branches still differ.
    assert len(programs) in (num_programs, num_programs + 2)
    for program in programs:
        assert program.lanes == in_lockstep or (in_lockstep is None and 16 < program.lanes < 4_096)
        assert 0 < program.held < lanes.memory(None) / 2
