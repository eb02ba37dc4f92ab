"""Strictness for every test: no silent dtype or rank promotion; on CPU, eight fake devices.

`POLEJAX_TEST_DEVICE=1 pytest -m device` runs on the accelerator that JAX finds. JAX's persistent compilation
cache is not used: XLA on CPU rejects or misjudges its own cached programs (jax issue 38445).
"""

import gc
import os

if "POLEJAX_TEST_DEVICE" not in os.environ:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import jax
import pytest

if os.environ.get("JAX_PLATFORMS") == "cpu":
    jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Tracing makes millions of objects and few cycles: looking for these as often as usual takes a fortieth of all time.
gc.freeze()
gc.set_threshold(20_000, 20, 20)

# The same examples on every run, and no clock: the first example of a test also pays for compilation.
hypothesis.settings.register_profile(
    "polejax", derandomize=True, deadline=None, database=None, max_examples=25, print_blob=True
)
hypothesis.settings.load_profile("polejax")

# Without LLVM's optimisations most programs compile in two thirds of the time, and then run more slowly: most tests
# compile much and run briefly. Processes that tests start take it from the environment, and a user who sets it to 0 has
# all optimised, as .ci/smoke does.
LIGHT = "POLEJAX_TEST_DEVICE" not in os.environ
if LIGHT:
    LIGHT = os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1"
jax.config.update("jax_disable_most_optimizations", LIGHT)


@pytest.fixture(scope="session", autouse=True)
def wide_terminal():
    """No table or note is wrapped, but where a test sets a terminal's width."""
    os.environ["COLUMNS"] = "400"


@pytest.fixture(scope="module")
def as_users_compile():
    """Compile with all optimisations, as users' programs are.

    For files that hold two programs' bits against each other, which agree more easily when neither is optimised, for
    tests of rates, and for those that run long.
    """
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", False)
    before = os.environ.pop("JAX_DISABLE_MOST_OPTIMIZATIONS", None)
    yield
    if before is not None:
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = before
    jax.config.update("jax_disable_most_optimizations", LIGHT)
    jax.clear_caches()


# Files that take half a minute of processor time or more: begun last, one would leave the other worker idle.
LONG = {
    "test_attacks_on_sml.py",
    "test_mechanisms.py",
    "test_pole.py",
    "test_readme.py",
    "test_replay.py",
    "test_study.py",
    "test_study_folder.py",
    "test_task_stream.py",
}


def pytest_collection_modifyitems(items):
    """Long files first, so that workers end together (`make test` keeps this order by --no-loadscope-reorder)."""
    items.sort(key=lambda item: item.path.name not in LONG)
