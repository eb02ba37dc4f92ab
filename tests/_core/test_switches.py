"""Numbers do not depend on global settings; what cannot be so is refused in one line."""

import hashlib
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from banks import geometric_bank, small_pole
from flax import linen as nn

import polejax as pj
from polejax._core import switches
from polejax._core.describe import describe
from polejax._core.keys import key_of
from polejax._engine.program import program_of
from polejax.learning.program import program_of as recipe_program
from polejax.studies.shards import seed_keys

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits


def scenario(mechanism):
    return pj.Scenario(pj.nodes.from_shares([5, 3, 2]), pj.network.clique(3, seconds=60.0), mechanism)


def stream():
    replays = [pj.Replay(geometric_bank(seed, 16, num_evaluations=8), threshold=0.5) for seed in (0, 1)]
    return pj.TaskStream(replays, [0.1, 0.1], [1.0, 2.0], pj.PoW(10.0), capacity=4)


def keys(count):
    words = np.arange(2 * count, dtype=np.uint32).reshape(count, 2)
    return jax.random.wrap_key_data(words, impl="threefry2x32")


def numbers():
    """Digests of what entries compute, and of the programs of those that are dear to compile."""
    gamma = scenario(pj.mechanisms.gamma(600.0, 2.0))
    mined = jax.jit(lambda key: pj.simulate(key, gamma, 5))(key_of(3))  # traced within, compiled outside
    bursts = pj.Load(pj.analysis.MarkovModulated([0.1, 0.5], [60.0, 60.0]), 50)
    found = {
        "simulate under jit": mined,
        "serve": pj.serve(key_of(2**33 + 5), mined, bursts, probes=1),
        "mine": pj.attacks.selfish.mine_many(keys(2), 0.33, 0.5, 100),
        "study": seed_keys(7, 0, 3),
    }
    traced = {
        "stream": program_of(scenario(stream()), "rounds"),
        "hashing": program_of(scenario(pj.HashedPoW(20.0)), "rounds"),
        "learning": program_of(scenario(small_pole()), "rounds"),
        "poisson": program_of(scenario(pj.PoW(600.0)), "poisson"),
        "recipe": recipe_program(small_pole().recipe),
    }
    return [*(f"{name}: {_digest(value)}" for name, value in found.items()), *map(str, traced.items())]


def _digest(value):
    told = hashlib.sha256()
    for leaf in jax.tree.leaves(value):
        array = np.asarray(
            jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        )
        told.update(f"{array.dtype} {array.shape} ".encode() + array.tobytes())
    return told.hexdigest()


HOSTILE = {
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_PRNG_IMPL": "unsafe_rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_RANDOM_SEED_OFFSET": "3",
    "JAX_DEBUG_INFS": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_DEBUG_KEY_REUSE": "0",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_NUM_CPU_DEVICES": "1",
    "PYTHONHASHSEED": "9",
}


def test_foreign_settings_change_no_number():
    """All settings at once, in a process that traces and compiles everything under them."""
    here = [os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__)), *sys.path]
    run = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, **HOSTILE, "PYTHONPATH": os.pathsep.join(here)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == numbers()


def test_reused_keys_are_none_of_ours():
    """JAX checks while it traces, so nothing need be computed."""

    def twice(key):
        return jax.random.uniform(key) + jax.random.uniform(key)

    with jax.debug_key_reuse(True):
        with pytest.raises(jax.errors.KeyReuseError):  # so what follows can fail
            jax.jit(jax.vmap(twice)).trace(keys(2))
        traced = jax.jit(jax.vmap(lambda key: pj.simulate(key, scenario(stream()), 2))).trace(keys(2))
    assert traced.out_info.interval.shape == (2, 2)


def test_engines_are_compiled_and_placed_as_ever():
    mined, device = scenario(pj.PoW(600.0)), jax.devices()[:1]
    plain = pj.simulate_many(key_of(1)[None], mined, 2, devices=device)
    with jax.disable_jit(), jax.default_device(jax.devices()[-1]):
        compiled = pj.simulate_many(key_of(1)[None], mined, 2, devices=device)
    np.testing.assert_array_equal(compiled.interval, plain.interval)


class Softmax(nn.Module):
    @nn.compact
    def __call__(self, inputs):
        return jax.nn.softmax(nn.Dense(3)(inputs))


def test_how_numbers_print_identifies_nothing_and_what_computes_them_does():
    """NumPy's options, errors and seeds leave identities alone; JAX's softmax has two derivatives."""
    mined, learns = scenario(pj.PoW(600.1)), small_pole(model=Softmax()).recipe
    before = program_of(mined, "rounds"), describe(mined), recipe_program(learns)
    with np.printoptions(precision=1, suppress=True, threshold=1), np.errstate(all="raise"):
        np.random.seed(5)  # noqa: NPY002
        assert (program_of(mined, "rounds"), describe(mined), recipe_program(learns)) == before
    found = set()
    for chosen in (True, False):
        with jax.softmax_custom_jvp(chosen):
            found.add(recipe_program(learns))
    assert len(found) == 2


def test_settings_hold_inside_and_are_restored():
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64(True):
        with switches.pinned():
            assert jax.numpy.zeros(1).dtype == jax.numpy.float32
            assert jax.random.key_impl(jax.random.key(0)) == "threefry2x32"
        assert jax.numpy.zeros(1).dtype == jax.numpy.float64


@pytest.mark.parametrize("flag", ["--xla_cpu_enable_fast_math=true", "--xla_cpu_enable_fast_math"])
def test_fast_math_is_refused(flag, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", flag)
    with pytest.raises(ValueError, match=r"^XLA_FLAGS must not have --xla_cpu_enable_fast_math, .*: remove it"):
        pj.simulate(key_of(0), scenario(pj.PoW(600.0)), 1)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false --xla_dump_to=/tmp/x")
    switches.check()
    assert switches.settings()["xla_flags"].startswith("--xla")


def test_precision_is_part_of_a_program():
    """The precision of products is the user's choice: files record it, and a program under another is another."""
    plain = recipe_program(small_pole().recipe)
    with jax.default_matmul_precision("bfloat16"):
        assert switches.settings() == {"matmul_precision": "bfloat16"}
        assert recipe_program(small_pole().recipe) != plain


def test_seeds_are_keys_of_their_own():
    for seed in (0, 1, 2**31 - 1, 2**32 - 1):
        np.testing.assert_array_equal(
            jax.random.key_data(key_of(seed)), jax.random.key_data(jax.random.key(np.uint32(seed)))
        )
    assert (jax.random.key_data(key_of(5)) != jax.random.key_data(key_of(2**32 + 5))).any()
    with pytest.raises(ValueError, match=r"^seed must be at least 0 and below 2\^64, got 18446744073709551616$"):
        key_of(2**64)


def entries():
    """Every public callable that takes a key, as a function of it; none comes to compute anything."""
    mined, attacks = scenario(pj.PoW(600.0)), pj.attacks
    chain = pj.History(np.ones(3, np.float32), *[np.ones(3, bool)] * 12)
    load = pj.Load(pj.analysis.Poisson(0.1), 50)
    one = {
        "simulate": lambda key: pj.simulate(key, mined, 1),
        "learning_curves": lambda key: pj.learning_curves(key, small_pole(), 1),
        "bank_estimate": lambda key: pj.bank_estimate(key, mined, 4, 2, lambda summary: 0.0),
        "serve": lambda key: pj.serve(key, chain, load),
        "identities": lambda key: attacks.head_start.identities(key, 2),
        "encounter": lambda key: attacks.theft.encounter(key, small_pole(), 2, 2),
        "mine": lambda key: attacks.selfish.mine(key, 0.3, 0.5, 10),
        "walk": lambda key: attacks.double_spend.walk(key, 0.1, 1),
        "synthetic": lambda key: pj.tasks.synthetic(key),
        "check_mechanism": lambda key: pj.testing.check_mechanism(pj.PoW(600.0), key=key),
        "check_network": lambda key: pj.testing.check_network(pj.network.clique(3, 1.0), key=key),
    }
    many = {
        "simulate_many": lambda keys: pj.simulate_many(keys, mined, 1),
        "poisson": lambda keys: pj.simulate_many(keys, mined, 1, method="poisson"),
        "tally_many": lambda keys: pj.tally_many(keys, mined, 1),
        "serve many": lambda keys: pj.serve(keys, chain, load),
        "mine_many": lambda keys: attacks.selfish.mine_many(keys, 0.3, 0.5, 10),
        "walks": lambda keys: attacks.double_spend.walks(keys, 0.1, 1),
        "race": lambda keys: attacks.double_spend.race(keys, mined, pj.nodes.equal(2), 1),
    }
    return [*((name, call, False) for name, call in one.items()), *((name, call, True) for name, call in many.items())]


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_keys_of_other_generators_are_refused_wherever_they_enter(impl):
    key = jax.random.key(0, impl=impl)
    for name, call, many in entries():
        with pytest.raises(ValueError, match=rf"^key\w* must be of the generator threefry2x32, got {impl}: ") as told:
            call(jax.random.split(key, 4) if many else key)
        assert "\n" not in str(told.value), name
    with pytest.raises(ValueError, match="must be of the generator"):
        jax.jit(lambda key: pj.simulate(key, scenario(pj.PoW(600.0)), 1))(key)


if __name__ == "__main__":
    print("\n".join(numbers()))
