"""Everything public that a user builds can be pickled, and comes back with the same leaves and the same program."""

import functools
import pickle

import calls_of_results
import calls_of_scenarios
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from own import Erlang, Lazy, Ring, Steps
from test_bad_values import FOUND

import polejax as pj
from polejax._core.describe import describe
from polejax._core.record import Record

CALLS = {**calls_of_scenarios.CALLS, **calls_of_results.CALLS}
BUILDERS = ("nodes", "network", "elections", "difficulty", "mechanisms", "protocols", "models")
BUILT = [path for path in CALLS if path.split(".")[1] in BUILDERS]
BUILT += [path for path in CALLS if path.count(".") == 1 and isinstance(FOUND[path], type) and path != "pj.Results"]
BUILT += [f"pj.attacks.{name}" for name in ("Cheating", "EarlyKey", "Leak", "LiveTheft", "Withholding", "early_key")]
BUILT += ["pj.tasks.from_arrays", "pj.tasks.from_splits", "pj.tasks.hold_out", "pj.tasks.synthetic"]


def same(one, other):
    """Whether two nests of arrays are one program, static fields included, and have the same bits."""
    return jax.tree.structure(one) == jax.tree.structure(other) and same_numbers(one, other)


def same_numbers(one, other):
    """Whether two results hold the same bits and say the same of everything else."""
    leaves, others = jax.tree.leaves(one), jax.tree.leaves(other)
    return describe(one) == describe(other) and all(map(same_bits, leaves, others))


def same_bits(one, other):
    if isinstance(one, jax.Array) and jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    if not isinstance(one, np.ndarray | np.generic | jax.Array):
        return describe(one) == describe(other)
    one, other = np.asarray(one), np.asarray(other)
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


@pytest.mark.parametrize("path", BUILT)
def test_what_public_constructors_make_is_pickled(path):
    made = FOUND[path](**CALLS[path])
    assert same(made, pickle.loads(pickle.dumps(made)))


def test_every_record_that_functions_take_is_pickled():
    seen = {}
    for path, arguments in CALLS.items():
        for name, value in arguments.items():
            if name not in ("executor", "figure", "devices"):
                assert same_numbers(value, pickle.loads(pickle.dumps(value))), (path, name)
                seen |= {type(value): path} if isinstance(value, Record) else {}
    assert len(seen) > 20


def test_estimates_histories_summaries_progress_and_results_are_pickled(tmp_path):
    history = pj.simulate(calls_of_scenarios.KEY, calls_of_scenarios.SCENARIO, 3)
    told = []
    pj.simulate_many(calls_of_scenarios.KEYS, calls_of_scenarios.SCENARIO, 3, progress=told.append)
    for made in (history, calls_of_results.SUMMARY, calls_of_results.SUMMARY.interval_cv, told[-1]):
        assert same_numbers(made, pickle.loads(pickle.dumps(made)))
    results = pj.study(calls_of_scenarios.SCENARIO, 2, 3, tmp_path)
    assert same(results.history(0), pickle.loads(pickle.dumps(results)).history(0))


@pytest.mark.parametrize(
    "part",
    [
        Erlang(600.0),
        Ring(1.0, 3),
        Lazy(1.0),
        Steps(600.0),
        pj.models.MultilayerPerceptron(activation=jax.nn.relu),
        pj.models.MultilayerPerceptron(activation=jnp.tanh),
        pj.models.MultilayerPerceptron(activation=jax.nn.silu),
        pj.SecureMappingLayer(activation=jax.nn.softplus),
    ],
    ids=lambda part: type(part).__name__,
)
def test_own_parts_and_functions_that_jax_has_wrapped_are_pickled(part):
    assert same(part, pickle.loads(pickle.dumps(part)))


def test_a_whole_learner_is_pickled_and_is_the_same_program():
    mechanism = pj.PoLe(pj.tasks.digits())
    assert same(mechanism, pickle.loads(pickle.dumps(mechanism)))
    assert hash(mechanism.recipe.model) == hash(pickle.loads(pickle.dumps(mechanism)).recipe.model)


@jax.jit
def wrapped(values):
    """A jitted function that is found by its name."""
    return values


def test_wrapped_functions_come_back_as_they_are_and_closures_are_refused():
    assert pickle.loads(pickle.dumps(wrapped)) is wrapped
    assert pickle.loads(pickle.dumps(functools.partial(wrapped, 1))).func is wrapped
    with pytest.raises((pickle.PicklingError, AttributeError), match="Can't"):
        pickle.dumps(jax.jit(lambda values: values))
