"""Proof of Learning: what a claim is, when a race ends, and what becomes of rounds in which nobody succeeds."""

import functools
import hashlib
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from scipy.special import ndtri
from small_tasks import small_pole, small_task

import polejax as pj
from polejax._core import lanes, timing
from polejax._core.describe import describe
from polejax._core.record import replace
from polejax.consensus.round import genesis
from polejax.consensus.scenario import ready
from polejax.learning import models, training
from polejax.mechanisms import verification

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

COUNT = 4
NODES = pj.nodes.Nodes(np.array([1.0, 1.0, 0.5, 2.0], np.float32), np.array([11, 7, 300, 2**31]))


def scenario_of(mechanism, seconds=3.0):
    return pj.Scenario(NODES, pj.network.clique(COUNT, seconds), mechanism)


@jax.jit
def race(key, scenario):
    """The first round's claims when the network ends the race, and when nobody does."""
    scenario = ready(scenario)
    views = genesis(key, scenario)
    stopped = scenario.mechanism.race(key, views, scenario.nodes, scenario.election.listening(scenario.network, views))
    return views, stopped, scenario.mechanism.race(key, views, scenario.nodes)


@jax.jit
def endless_race(key, scenario):
    """The first round's claims when nobody ends the race."""
    scenario = ready(scenario)
    return scenario.mechanism.race(key, genesis(key, scenario), scenario.nodes)


@pytest.fixture(scope="module")
def exact():
    """Claims without jitter, so that work is a whole number of steps."""
    return jax.device_get(race(jax.random.key(1), scenario_of(small_pole(jitter=0.0))))


@pytest.mark.smoke
@pytest.mark.device
def test_a_claim_is_what_plain_sequential_training_gives(exact):
    """Train each node by a plain Python loop behind a layer that hashlib derives; find the same step and accuracies."""
    views, _, claims = exact
    recipe, task, key = small_pole(jitter=0.0).recipe, small_task(), jax.random.split(jax.random.key(1))[0]

    @jax.jit
    def step(params, state, inputs, labels):
        loss = lambda p: models.cross_entropy(recipe.model.apply({"params": p}, inputs), labels)  # noqa: E731
        updates, state = optax.sgd(0.05, momentum=0.9).update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    finished = 0
    for node, address in enumerate(NODES.address):
        kernel = gaussian_kernel(views.tip[node], int(address), (12, 12))
        order_key, begin_key = jax.random.split(jax.random.fold_in(key, address))
        order = np.argsort(np.asarray(jax.random.bits(order_key, (192,))) >> 8, kind="stable")
        train, validation, test = (x @ kernel for x in (task.train_inputs, task.validation_inputs, task.test_inputs))
        params = recipe.model.init(begin_key, jnp.zeros((1, 12)))["params"]
        state = optax.sgd(0.05, momentum=0.9).init(params)
        accuracy = lambda x, y, p: np.mean(np.argmax(recipe.model.apply({"params": p}, x), axis=1) == y)  # noqa: E731
        for steps in range(1, 201):
            batch = order[(steps - 1) % 12 * 16 :][:16]
            params, state = step(params, state, train[batch], task.train_labels[batch])
            claimed = accuracy(validation, task.validation_labels, params)
            if steps % 5 == 0 and claimed >= 0.7 and accuracy(test, task.test_labels, params) >= 0.65:
                break
        assert claims.work[node] == steps
        if steps == 200:
            continue
        finished += 1
        np.testing.assert_allclose(claims.learning.claimed[node], claimed, atol=0.011)  # one sample of 96 on the edge
        np.testing.assert_allclose(claims.score[node], accuracy(test, task.test_labels, params), atol=0.011)
    assert finished >= 3


def gaussian_kernel(tip, address, shape):
    seed = b"SML1" + tip.astype(">u4").tobytes() + address.to_bytes(4, "big")
    count = shape[0] * shape[1]
    stream = b"".join(hashlib.sha256(seed + c.to_bytes(4, "big")).digest() for c in range(-(-count // 16)))
    halves = np.frombuffer(stream, ">u2")[:count].astype(np.float64)
    quantiles = np.round(ndtri((halves + 0.5) / 2**16) * 2**16) / 2**16
    return (quantiles.astype(np.float32) * np.float32(1 / np.sqrt(shape[0]))).reshape(shape)


@pytest.mark.smoke
@pytest.mark.device
def test_the_layer_s_kernel_is_bit_for_bit_what_hashlib_says():
    tip, address = np.arange(8, dtype=np.uint32) * 0x01234567, np.uint32(99)
    for features in (12, 20, 5):
        layer = pj.SecureMappingLayer(features=features)
        kernel = jax.jit(functools.partial(layer.derive, num_features=12))(tip, address)["sml"]["kernel"]
        np.testing.assert_array_equal(kernel, gaussian_kernel(tip, 99, (12, features)))


def test_who_verifies_one_claim_sees_the_chain_s_own_bits():
    pole = jax.tree.map(jnp.asarray, pj.PoLe(pj.tasks.digits()))
    recipe = pole.recipe
    tips, addresses = jnp.arange(24, dtype=jnp.uint32).reshape(3, 8), jnp.arange(3, dtype=jnp.uint32)
    chain = jax.jit(lambda: training.map_test_inputs(recipe, jax.vmap(recipe.layer_variables)(tips, addresses)))()
    task = verification.posted(pole)
    for alone in (verification._test_columns, jax.jit(verification._test_columns)):
        np.testing.assert_array_equal(alone(task, tips[1], addresses[1]), chain[1])


@pytest.mark.parametrize(("law", "mean"), [("gaussian", 0), ("rademacher", 0), ("uniform", 0), ("positive", 0.75**0.5)])
def test_layers_keep_the_scale_of_their_inputs(law, mean):
    layer = pj.SecureMappingLayer(features=200, law=law, activation=nn.relu)
    derive = jax.jit(functools.partial(layer.derive, num_features=100))
    variables = derive(jnp.arange(8, dtype=jnp.uint32), jnp.uint32(5))
    entries = np.asarray(variables["sml"]["kernel"], np.float64).ravel() * 10  # of variance 1 / D
    assert set(variables) == {"sml"}  # apart from params: no optimiser sees it
    assert abs(entries.mean() - mean) < 5 * entries.std() / entries.size**0.5
    assert abs((entries**2).mean() - 1) < 5 * (entries**2).std() / entries.size**0.5 + 1e-6
    other = derive(jnp.arange(8, dtype=jnp.uint32), jnp.uint32(6))["sml"]["kernel"]
    assert abs(np.corrcoef(entries, np.asarray(other).ravel())[0, 1]) < 5 / entries.size**0.5
    assert (layer.apply(variables, jnp.ones((3, 100))) >= 0).all()


def test_a_layer_without_its_key_refuses():
    with pytest.raises(ValueError, match=r"pass layer\.derive"):
        pj.SecureMappingLayer().init(jax.random.key(0), jnp.ones((1, 4)))
    with pytest.raises(ValueError, match="law must be one of"):
        pj.SecureMappingLayer(law="cauchy").derive(jnp.zeros(8, jnp.uint32), jnp.uint32(0), 4)


def test_a_model_behind_another_key_scores_near_chance():
    recipe = ready(scenario_of(pj.PoLe(pj.tasks.digits()))).mechanism.recipe
    keys = jax.random.split(jax.random.key(4), 8)
    tips = jax.random.bits(jax.random.key(5), (8, 8), jnp.uint32)

    @jax.jit
    def trained(addresses):
        material = training.prepare(recipe, keys, tips, addresses)
        networks = training.train(recipe, material, training.begin(recipe, keys, material), 150)
        stolen = jax.tree.map(lambda leaf: jnp.roll(leaf, 1, axis=0), networks.params)
        return [training.verify(recipe, material.layer, params) for params in (networks.params, stolen)]

    own, stolen = (np.asarray(scores) for scores in trained(jnp.arange(8, dtype=jnp.uint32)))
    assert own.min() > 0.85
    assert stolen.max() < 0.35
    assert abs(stolen.mean() - 0.1) < 0.07


@pytest.mark.smoke
@pytest.mark.device
def test_stopping_early_changes_no_block(exact):
    views, stopped, full = exact
    scenario = ready(scenario_of(small_pole(jitter=0.0)))
    outcomes = []
    for claims in (stopped, full):
        publish = jnp.where(claims.valid, views.start + scenario.nodes.seconds(claims.work), jnp.inf)
        outcomes.append(scenario.network.arrivals(publish))
    np.testing.assert_array_equal(outcomes[0], outcomes[1])
    published = np.asarray(outcomes[0][1]) == np.arange(COUNT)
    np.testing.assert_array_equal(stopped.work[published], full.work[published])
    np.testing.assert_array_equal(stopped.commitment[published], full.commitment[published])
    assert stopped.computed.sum() < full.computed.sum()


def test_jitter_breaks_ties_and_keeps_training(exact):
    _, _, claims = exact
    assert (claims.work % 5 == 0).all()
    _, _, jittered = jax.device_get(race(jax.random.key(1), scenario_of(small_pole(jitter=0.1))))
    assert (jittered.work % 5 != 0).all()
    np.testing.assert_array_equal(jittered.commitment, claims.commitment)
    assert np.abs(np.log(jittered.work / claims.work)).max() < 0.5


def test_verifiers_turn_down_what_fails_on_their_data_and_it_costs_time(exact):
    _, _, honest = exact
    mechanism = small_pole(jitter=0.0, accept=0.76, verification=4.0)
    claims = jax.device_get(endless_race(jax.random.key(1), scenario_of(mechanism)))
    assert honest.score.min() < 0.76  # somebody would have won with this
    assert claims.learning.rejected.sum() > 0
    assert claims.valid.any()
    assert (claims.score[claims.valid] >= 0.76).all()
    # Whoever was turned down trained on, and everybody lost four seconds each time.
    assert (claims.work > honest.work)[honest.score < 0.76].all()


def test_a_round_nobody_finishes_ends_with_the_best_model_and_is_counted():
    """What ends it where blocks may be empty, test_replay.py says."""
    mechanism = small_pole(threshold=1.0, deadline=60.0)
    history = pj.simulate_many(
        jax.random.split(jax.random.key(8), 2), scenario_of(mechanism), 4, devices=jax.devices()[:1]
    )
    assert history.fallback.all()
    np.testing.assert_allclose(history.interval, np.where(np.arange(4) == 0, 60, history.interval))
    assert (history.interval >= 60).all()
    assert (history.published == 1).all()
    assert (history.score > 0.5).all()
    assert (history.commitment != 0).any()
    assert pj.summarise(history).fallback_share.value == 1.0


def test_diverged_networks_never_finish_and_leave_no_nan():
    history = pj.simulate_many(
        jax.random.split(jax.random.key(9), 2),
        scenario_of(small_pole(learning_rate=1e20)),  # of the same program as above
        4,
        devices=jax.devices()[:1],
    )
    assert history.fallback.all()
    assert history.learning.diverged.all()
    assert (history.score == 0).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(history) if leaf.dtype.kind == "f")


class WithState(nn.Module):
    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(3)(nn.BatchNorm(use_running_average=False)(inputs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.2}, "threshold must be at least 0 and at most 1, got 1.2"),
        ({"accept": -0.1}, "accept must be"),
        ({"deadline": 0.0}, "deadline must be above 0"),
        ({"jitter": -1.0}, "jitter must be at least 0"),
        ({"batch_size": 193}, "batch_size must be at least 1 and at most 192, got 193"),
        ({"max_steps": 4}, "max_steps must be at least 5, got 4"),
        ({"sml": "gaussian"}, "sml must be None or a polejax.SecureMappingLayer, got 'gaussian'"),
        (
            {"sml": pj.SecureMappingLayer(shape=(3, 4), patch=2)},
            "patch must divide the sides of an image of 12 features",
        ),
        ({"model": WithState}, "model must be a Flax module, got the class WithState"),
        ({"make_optimiser": optax.sgd(0.1)}, "make_optimiser must be a function of the learning rate, got Gradient"),
        (
            {"model": nn.Sequential([nn.Dense(3), nn.Dropout(0.1, deterministic=False)])},
            "model must draw no random",
        ),
        ({"fallback": "coin"}, "fallback must be one of best, empty"),
        ({"model": pj.models.MultilayerPerceptron((4,), 7)}, "model must answer 3 logits"),
        ({"model": WithState()}, "model must have params only, got batch_stats"),
    ],
)
def test_bad_input_names_value_and_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        small_pole(**options)
    with pytest.raises(ValueError, match=r"task must be a polejax\.tasks\.Task"):
        pj.PoLe("digits")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"law": "gauss"}, "law must be one of gaussian, .*; got 'gauss'"),
        ({"features": 0}, "features must be at least 1, got 0"),
        ({"activation": "relu"}, "activation must be a function, got 'relu'"),
        ({"fraction_bits": 64}, "fraction_bits must be at least 0 and at most 11, got 64"),
    ],
)
def test_layers_that_cannot_be_are_refused_when_built(options, message):
    with pytest.raises(ValueError, match=message):
        pj.SecureMappingLayer(**options)


def test_arguments_copies_and_descriptions_are_flat():
    pole = small_pole(threshold=0.6, accept=0.5)
    described = describe(pole)
    assert set(described) == {"type", *inspect.signature(pj.PoLe).parameters}
    assert (described["threshold"], described["batch_size"], described["type"]) == (pytest.approx(0.6), 16, "PoLe")
    changed = replace(pole, sml=None, accept=None, curve_points=3)
    assert (changed.recipe.sml, changed.rules.accept, changed.curve_points) == (None, None, 3)
    assert pole.recipe.sml is not None
    with pytest.raises(ValueError, match=r"PoLe has no field 'learner': it has recipe, .*threshold"):
        replace(pole, learner=None)


def test_any_linen_model_and_optax_optimiser_will_do():
    model = pj.models.ConvolutionalNetwork((3, 4), channels=(4,), num_classes=3)
    mechanism = small_pole(model=model, make_optimiser=optax.adam, learning_rate=0.01, sml=None, max_steps=100)
    claims = jax.device_get(endless_race(jax.random.key(2), scenario_of(mechanism)))
    assert claims.valid.any()
    assert (claims.score[claims.valid] >= 0.65).all()


def test_a_swept_threshold_needs_no_second_compilation(exact):
    key = jax.random.key(0)
    with timing.compilation() as compiled:
        easy, hard = (race(key, scenario_of(small_pole(jitter=0.0, threshold=t)))[2].work for t in (0.5, 0.8))
    assert compiled.programs == 0
    assert np.min(easy) < np.min(hard)
    assert isinstance(replace(small_pole(), threshold=0.3).rules.threshold, float)


def test_networks_that_train_in_groups_are_those_that_train_together(monkeypatch):
    recipe = jax.tree.map(jnp.asarray, small_pole().recipe)
    keys = jax.random.split(jax.random.key(0), 5)
    tips = jnp.arange(40, dtype=jnp.uint32).reshape(5, 8)

    @jax.jit
    def begun(recipe, keys, tips):
        material = training.prepare(recipe, keys, tips, jnp.arange(5, dtype=jnp.uint32))
        return material, training.begin(recipe, keys, material)

    beginning = begun(recipe, keys, tips)

    def trained():
        return jax.jit(lambda recipe, *begun: training.train(recipe, *begun, 7))(recipe, *beginning)

    together = trained()
    monkeypatch.setattr(lanes, "CACHE", 2 * lanes.CACHE // recipe.networks_in_cache(12))
    assert training._groups(5, recipe.networks_in_cache(12)) == ([0, 2, 3], 2)
    jax.tree.map(np.testing.assert_array_equal, trained(), together)


@pytest.mark.smoke
@pytest.mark.slow
def test_a_chain_has_the_same_bits_alone_and_under_vmap():
    """Of networks of the usual size, whose products compilers lay out by the axes around them."""
    mechanism = pj.PoLe(pj.tasks.digits(), max_steps=5)
    scenario = pj.Scenario(pj.nodes.equal(9), pj.network.clique(9, 2.0), mechanism)
    keys = jax.random.split(jax.random.key(0), 4)
    together = jax.jit(jax.vmap(lambda key: pj.simulate(key, scenario, 2)))(keys)
    apart = pj.simulate_many(keys, scenario, 2, chains=1, devices=jax.devices()[:1])
    np.testing.assert_array_equal(apart.commitment, together.commitment)
    np.testing.assert_array_equal(apart.interval, together.interval)
