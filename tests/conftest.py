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


def _light_compilation():
    """Compile without LLVM's optimisations: two thirds of the time for large programs, which then run more slowly.

    For tests that compile large programs and run them briefly. Not for tests that hold two programs' bits against each
    other, as users' programs are optimised, nor for tests of rates.
    """
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


light_compilation = pytest.fixture(_light_compilation)
light_compilation_of_a_file = pytest.fixture(_light_compilation, scope="module")

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
