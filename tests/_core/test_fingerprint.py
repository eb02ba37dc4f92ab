import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from banks import small_pole
from flax import linen as nn
from jax.experimental import pallas

from polejax._core.describe import describe, differences
from polejax._core.fingerprint import Unidentified, fingerprint
from polejax.learning.program import program_of

X = np.linspace(-1.0, 2.0, 12, dtype=np.float32).reshape(3, 4)


def scaled(rate):
    return lambda x: x * rate


class Scaling:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, x):
        return x * self.rate

    def method(self, x):
        return x * self.rate


def redefined(rate):
    class Law:
        def __call__(self, x):
            return x * rate

    return Law()


def shifted(x, by):
    return x + by


def looked_up(table):
    return lambda x: x + jnp.asarray(table)


def branched(flag):
    return lambda x: jax.lax.cond(x.sum() > 0, lambda y: y + flag, lambda y: y, x)


def scanned(length):
    return lambda x: jax.lax.scan(lambda c, _: (c * 1.5, None), x, length=length)[0]


PAIRS = {
    "closures": (scaled(0.5), scaled(1e-6)),
    "bound methods": (Scaling(0.5).method, Scaling(1e-6).method),
    "callable objects": (Scaling(0.5), Scaling(1e-6)),
    "redefined classes": (redefined(0.5), redefined(1e-6)),
    "partial": (functools.partial(shifted, by=1.0), functools.partial(shifted, by=2.0)),
    "lambdas": (lambda x: x + 1.0, lambda x: x - 1.0),
    "large constants": (looked_up(X), looked_up(np.where(X == X.max(), 7.0, X).astype(np.float32))),
    "in a branch": (branched(1.0), branched(2.0)),
    "in a jitted function": (jax.jit(scaled(0.5)), jax.jit(scaled(1e-6))),
    "length of a loop": (scanned(2), scanned(3)),
    "precision": (lambda x: jnp.dot(x, x.T), lambda x: jnp.dot(x, x.T, precision="highest")),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_what_computes_something_else_has_another_fingerprint(pair):
    assert fingerprint(pair[0], X) != fingerprint(pair[1], X)
    first, second = (describe(function) for function in pair)
    if isinstance(first, str) and "lambda" not in first:
        assert first == second  # by names alone nobody could tell


SAME = {
    "closures": (scaled(0.5), scaled(0.5)),
    "bound methods": (Scaling(0.5).method, Scaling(0.5).method),
    "callable object and closure": (Scaling(0.5), scaled(0.5)),
    "redefined classes": (redefined(0.5), redefined(0.5)),
    "names of jitted functions": (jax.jit(scaled(0.5)), jax.jit(Scaling(0.5).method)),
    "lambdas": (lambda x: jnp.sin(x) + 1.0, lambda y: jnp.sin(y) + 1.0),
    "printing": (scaled(0.5), lambda x: (jax.debug.print("{}", x), x * 0.5)[1]),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_copies_of_a_function_have_one_fingerprint(pair):
    assert fingerprint(pair[0], X) == fingerprint(pair[1], X)


def test_arguments_count_unless_they_are_abstract():
    abstract = jax.ShapeDtypeStruct(X.shape, X.dtype)
    assert fingerprint(scaled(2.0), X) != fingerprint(scaled(2.0), X + 1)
    assert fingerprint(scaled(2.0), abstract) != fingerprint(scaled(3.0), abstract)
    zeros = np.float32([0.0, -0.0])
    assert fingerprint(scaled(2.0), zeros) != fingerprint(scaled(2.0), np.float32([0.0, 0.0]))
    keys = [jax.random.key(seed) for seed in (0, 1)]
    assert len({fingerprint(jax.random.normal, key) for key in keys}) == 2


def test_rules_of_derivatives_and_kernels_are_told():
    """Parameters that hold functions: custom derivatives, before and after they are applied, and Pallas kernels."""

    def kernel(factor):
        def body(given, out):
            out[...] = given[...] * factor

        shape = jax.ShapeDtypeStruct(X.shape, X.dtype)
        return lambda x: pallas.pallas_call(body, out_shape=shape, interpret=True)(x)

    assert fingerprint(kernel(2.0), X) == fingerprint(kernel(2.0), X) != fingerprint(kernel(3.0), X)
    for activation in (jax.nn.relu, jax.nn.softplus, jax.nn.silu, jax.nn.softmax):
        slope = jax.grad(lambda x, activation=activation: (activation(x) ** 2).sum())
        assert fingerprint(activation, X) == fingerprint(lambda x, a=activation: a(x), X) != fingerprint(slope, X)
    assert len({fingerprint(each, X) for each in (jax.nn.relu, jax.nn.silu, jax.nn.softplus, jnp.tanh)}) == 4


def test_functions_on_the_host_are_refused():
    def host(x):
        return jax.pure_callback(lambda value: value * 2, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    with pytest.raises(Unidentified, match=r"^calls .*, a function that JAX does not trace$"):
        fingerprint(host, X)


class Model(nn.Module):
    initial: object

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(3, kernel_init=self.initial)(inputs)


def momentum(rate):
    return lambda learning_rate: optax.sgd(learning_rate * rate)


def test_recipes_are_known_by_what_they_compute():
    def recipe(**changes):
        return small_pole(**changes).recipe

    start = nn.initializers.variance_scaling
    initials = [start(scale, "fan_in", "normal") for scale in (1.0, 1.0, 5.0)]
    models = [program_of(recipe(model=Model(initial))) for initial in initials]
    assert models[0] == models[1] != models[2]
    optimisers = [program_of(recipe(make_optimiser=momentum(rate))) for rate in (1.0, 1.0, 1e-6)]
    assert optimisers[0] == optimisers[1] != optimisers[2]
    assert optimisers[0] == program_of(recipe(make_optimiser=momentum(1.0), max_steps=40))  # no part of a curve
    assert len({program_of(recipe(task_seed=seed)) for seed in (0, 1)}) == 2


def test_descriptions_of_functions_have_no_address_and_do_not_decide():
    for value in (Scaling(1.0), Scaling(1.0).method, scaled(1.0), jax.jit(scaled(1.0)), np.sin, jnp.add, len, Scaling):
        name = describe(value)
        assert " at 0x" not in name
        assert not list(differences({"law": "another.name"}, {"law": name}))
    assert " at 0x" not in describe(object())
    assert list(differences({"law": "a.b"}, {"law": "a.c"})) == ["law: 'a.b', not 'a.c'"]  # words that are no functions
