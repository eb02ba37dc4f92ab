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
