"""A user's own optimisers with schedules and models of `flax.nnx` train as they do elsewhere, or are refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx
from own import NnxNetwork

import polejax as pj
from polejax.learning import optimisers
from polejax.learning.measures import cross_entropy

TASK = pj.tasks.synthetic(0, num_features=4, num_classes=2, hidden=2, num_train=64)
SCHEDULES = {
    "warm-up cosine": lambda rate: optax.warmup_cosine_decay_schedule(0.0, rate, 3, 10, 1e-4),
    "restarts": lambda rate: optax.sgdr_schedule(
        [{"init_value": 0.0, "peak_value": rate, "decay_steps": 5, "warmup_steps": 2}] * 2
    ),
    "cosine": lambda rate: optax.cosine_decay_schedule(rate, 10),
    "linear": lambda rate: optax.linear_schedule(rate, 0.0, 10),
    "exponential": lambda rate: optax.exponential_decay(rate, 3, 0.5),
    "one cycle": lambda rate: optax.linear_onecycle_schedule(10, rate),
    "piecewise": lambda rate: optax.piecewise_constant_schedule(rate, {3: 0.1}),
    "warm-up exponential": lambda rate: optax.warmup_exponential_decay_schedule(0.0, rate, 3, 3, 0.5),
}


def test_schedules_of_the_learning_rate_train_as_with_a_plain_number():
    gradients = {"w": jnp.float32([0.5, -1.0, 2.0])}
    makers = {name: lambda rate, make=make: optax.adamw(make(rate)) for name, make in SCHEDULES.items()}
    recipes = {name: pj.Recipe(TASK, learning_rate=0.03, make_optimiser=make) for name, make in makers.items()}

    def walk(optimiser):
        params = {"w": jnp.zeros(3)}
        state, path = optimiser.init(params), []
        for _ in range(5):
            with jax.numpy_dtype_promotion("standard"):
                updates, state = optimiser.update(gradients, state, params)
            params = optax.apply_updates(params, updates)
            path.append(params["w"])
        return jnp.stack(path)

    traced = jax.jit(lambda given: {name: walk(recipe.optimiser) for name, recipe in given.items()})
    plain = jax.jit(lambda: {name: walk(make(0.03)) for name, make in makers.items()})()
    for name, found in traced(jax.tree.map(jnp.asarray, recipes)).items():
        np.testing.assert_allclose(found, plain[name], rtol=2e-5, atol=1e-7, err_msg=name)
        assert np.abs(found).max() > 1e-3


def test_a_rate_that_is_positive_decides_what_follows_from_that_and_no_more():
    decided = []

    def make(rate):
        assert not rate == 0.0
        assert not rate <= 0
        assert rate > 0.0
        assert 0.0 < rate
        assert rate != -1
        decided.append((np.float32(2.0) * rate + rate / 2 - abs(-rate) + 1.0, rate**2))
        return optax.sgd(rate)

    traced = jax.jit(lambda rate: (optimisers.made(make, rate), decided[-1])[1])(jnp.float32(0.5))
    assert [float(one) for one in traced] == [1.75, 0.25]
    with pytest.raises(ValueError, match=r"TracerBoolConversionError .* known only in the compiled program") as error:
        pj.Recipe(TASK, make_optimiser=lambda rate: optax.sgd(rate if rate > 0.01 else 0.01))
    assert "\n" not in str(error.value)


class LinenNetwork(nn.Module):
    """The same network as `NnxNetwork`, with its parameters under the same names."""

    @nn.compact
    def __call__(self, inputs):
        hidden = nn.relu(nn.Dense(8, name="first")(inputs))
        return nn.Dense(2, name="last")(hidden)


def test_a_module_of_nnx_computes_what_the_same_linen_module_does_and_every_node_draws_its_own_weights():
    models = [pj.models.from_nnx(functools.partial(NnxNetwork, 4, 8, 2)), LinenNetwork()]
    assert pj.models.from_nnx(models[0].build) == models[0]  # one program for both
    recipes = [pj.Recipe(TASK, model=model) for model in models]
    assert recipes[0].step_flops == recipes[1].step_flops
    labels = jnp.asarray(TASK.train_labels)

    @jax.jit
    def everything(inputs):
        start = jax.vmap(lambda key: models[0].init(key, inputs)["params"])(jax.random.split(jax.random.key(0), 2))

        def loss(params, model):
            return jax.vmap(lambda one: cross_entropy(model.apply({"params": one}, inputs), labels))(params).sum()

        return start, [jax.value_and_grad(loss)(start, model) for model in models]

    start, (one, other) = everything(jnp.asarray(TASK.train_inputs))
    assert jax.tree.structure(start) == jax.tree.structure(recipes[1]._check_model())
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), one, other)
    assert np.abs(one[1]["first"]["kernel"]).max() > 1e-3
    assert np.abs(np.diff(start["first"]["kernel"], axis=0)).min() > 0


class Dropping(nnx.Module):
    """A module with state beyond its parameters."""

    def __init__(self, *, rngs):
        self.first, self.drop = nnx.Linear(4, 2, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, inputs):
        return self.drop(self.first(inputs))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: pj.Recipe(TASK, model=NnxNetwork(4, 8, 2, rngs=nnx.Rngs(0))),
            r"from_nnx\(functools\.partial\(NnxNetwork",
        ),
        (lambda: pj.Recipe(TASK, model=NnxNetwork), r"the nnx module NnxNetwork: pass polejax\.models\.from_nnx"),
        (lambda: pj.models.from_nnx(NnxNetwork(4, 8, 2, rngs=nnx.Rngs(0))), "build must be a function of rngs"),
        (lambda: pj.models.from_nnx(NnxNetwork), r"raises TypeError \(.*missing 3"),
        (lambda: pj.models.from_nnx(lambda rngs: 3), "makes another object"),
        (lambda: pj.models.from_nnx(Dropping), "parameters only, got drop/rngs/count: leave out Dropout"),
        (lambda: pj.PoLe(TASK, model=pj.models.from_nnx(functools.partial(NnxNetwork, 4, 8, 3))), "set num_classes"),
    ],
)
def test_other_modules_of_nnx_are_refused_in_one_line_with_the_way(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
