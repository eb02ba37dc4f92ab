"""Head starts: training that begins from weights which somebody else, or the same node earlier, has trained."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from polejax._core import checks, lanes, sweep
from polejax._core.checked import checked
from polejax._core.record import Record, replace
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Array, Key, Tree
from polejax.learning import training
from polejax.learning.recipe import Recipe
from polejax.mechanisms.pole import PoLe

__all__ = [
    "Identity",
    "Lesson",
    "Run",
    "fresh",
    "identities",
    "layers",
    "steps",
    "train_from",
]


class Identity(Record):
    """Who trains, on which parent block, with which luck; leading axis S of seeds.

    Attributes:
      key: typed keys [S]: of the initial weights and of the shuffle.
      tip: u32[S, 8], hash of the parent block.
      address: u32[S].
    """

    key: Array
    tip: Array
    address: Array


class Run(Record):
    """Networks trained for a while, leading axis S; evaluation k is made after k `evaluate_every` own steps.

    Attributes:
      validation: f32[S, K + 1], fraction; entry 0 is the start, before any step.
      test: f32[S, K + 1], fraction, as verifiers measure it.
      claimed: params [S, ...] at the first evaluation that makes a valid claim; the last ones where none does.
      final: params [S, ...] after all steps.
    """

    validation: Array
    test: Array
    claimed: Tree
    final: Tree


@checked
@steady
def identities(key: Key, count: int, role: int = 0) -> Identity:
    """Draw nodes and parent blocks at random.

    Args:
      key: typed key of the experiment.
      count: S; more seeds begin with the fewer ones'.
      role: tells apart who meets whom on a seed: 0 the victim, 1 the cheat, and so on.

    Raises:
      ValueError: a count below 1, or an untyped key.
    """
    checks.key("key", key)
    role = checks.whole("role", role, high=2**32 - 1)
    numbers = np.arange(checks.whole("count", count, low=1), dtype=np.uint32)
    own = jax.vmap(lambda seed: jax.random.fold_in(jax.random.fold_in(key, seed), role))(numbers)
    words = jax.vmap(lambda key: jax.random.bits(jax.random.fold_in(key, 1), (9,), jnp.uint32))(own)
    return Identity(own, words[:, :8], words[:, 8])


@checked
@single("recipe")
@steady
@jax.jit
def layers(recipe: Recipe, identity: Identity) -> Tree:
    """Variables of the identities' Secure Mapping Layers, leading axis S."""
    return jax.vmap(recipe.layer_variables)(identity.tip, identity.address)


@checked
@single("recipe")
@steady
def fresh(recipe: Recipe, identity: Identity) -> Tree:
    """The weights with which honest nodes begin, leading axis S."""
    return _fresh(recipe.model, recipe.mapped_features, identity.key)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _fresh(model: nn.Module, width: int, keys: Array) -> Tree:
    return jax.vmap(lambda key: model.init(jax.random.split(key)[1], jnp.zeros((1, width)))["params"])(keys)


@checked
@steady
def train_from(
    mechanism: PoLe,
    identity: Identity,
    start: Tree,
    num_evaluations: int,
    *,
    targets: Array | None = None,
    devices: list[Any] | None = None,
) -> Run:
    """Train networks behind the identities' own layers, from given weights, to a fixed budget.

    Args:
      mechanism: a `PoLe`; its rules say when a claim is valid.
      identity: `Identity` of S nodes.
      start: the model's params with leading axis S; `fresh` for honest nodes.
      num_evaluations: K, one every `evaluate_every` steps of the recipe.
      targets: f32[S, M, C], probabilities to learn for the training samples; None: their labels.
      devices: to train on; None: all local ones.

    Returns:
      `Run`; a seed's results depend neither on the other seeds nor on the devices.
    """
    lanes.chosen(devices)
    num_evaluations = checks.whole("num_evaluations", num_evaluations, low=1)
    sweep.check_single("mechanism", mechanism)
    count = identity.address.shape[0]
    recipe = mechanism.recipe
    task = recipe.task
    if targets is None:
        labels = jax.nn.one_hot(task.train_labels, task.num_classes, dtype=jnp.float32)
        targets = jnp.broadcast_to(labels, (count, *labels.shape))
    wanted = (count, task.train_labels.shape[0], task.num_classes)
    if np.shape(targets) != wanted:
        raise ValueError(f"targets must be probabilities of shape {wanted}, got shape {np.shape(targets)}")
    _check_start(start, count)
    cached, held = recipe.cached_lanes, recipe.node_bytes
    layout = lanes.lay_out(count, devices, cached=cached, held=held, even=False)
    ready = jax.tree.map(jnp.asarray, mechanism)
    bare = replace(ready, sml=None)  # once samples are mapped, one compiled program serves all layers of a width
    prepare, train = _prepare(layout.lanes, layout.devices), _train(num_evaluations, layout.lanes, layout.devices)
    runs = []
    for rows in layout.numbers.reshape(-1, layout.width):
        who, begun, taught = lanes.rows_of((identity, start, targets), rows)
        runs.append(train(bare, begun, prepare(ready.recipe, who.key, layers(ready.recipe, who), taught)))
    whole: Run = jax.tree.map(lambda *parts: np.concatenate([np.asarray(part) for part in parts]), *runs)
    return layout.cut(whole)


def _check_start(start: Tree, count: int) -> None:
    leaves = jax.tree.leaves(start)
    if not leaves or any(np.shape(leaf)[:1] != (count,) for leaf in leaves):
        raise ValueError(
            f"start must be params with a leading axis of {count} seeds, got {checks.shown(start)}: see fresh"
        )


class Lesson(Record):
    """What nodes train on, and are judged by, behind their layers; leading axis N.

    Attributes:
      inputs: f32[N, B, batch, F], shuffled.
      targets: f32[N, B, batch, C], probabilities to learn.
      validation: f32[N, F, M], in columns.
      test: f32[N, F, M], in columns.
    """

    inputs: Array
    targets: Array
    validation: Array
    test: Array


@functools.cache
def _prepare(lanes_: int, devices: tuple[Any, ...]) -> Any:
    return lanes.sharded(_lesson, lanes_, devices, (0,), 4)


def _lesson(recipe: Recipe, keys: Array, layer: Tree, targets: Array) -> Lesson:
    """Map and shuffle the task for a block of nodes, as `PoLe` does."""
    order = training.shuffled(recipe, jax.vmap(lambda key: jax.random.split(key)[0])(keys))
    material = training.behind(recipe, order, layer)
    taught = jax.vmap(lambda targets, samples: targets[samples], in_axes=(0, 1))(targets, order)
    judged = [material.validation, training.map_test_inputs(recipe, layer)]
    everyones = (one if one.ndim == 3 else jnp.broadcast_to(one, (keys.shape[0], *one.shape)) for one in judged)
    return Lesson(jnp.moveaxis(material.inputs, 1, 0), taught, *everyones)


@functools.cache
def _train(num_evaluations: int, lanes_: int, devices: tuple[Any, ...]) -> Any:
    block = functools.partial(_run, num_evaluations=num_evaluations)
    return lanes.sharded(block, lanes_, devices, (0,), 3)


def _run(mechanism: PoLe, start: Tree, lesson: Lesson, num_evaluations: int) -> Run:
    """Train a block of nodes; see `train_from`."""
    recipe, rules = mechanism.recipe, mechanism.rules
    inputs, targets = (jnp.moveaxis(leaf, 0, 1) for leaf in (lesson.inputs, lesson.targets))
    material = training.Material({}, inputs, targets, lesson.validation)

    def evaluate(params: Tree) -> tuple[Array, Array]:
        return training.validate(recipe, material, params), training.judge(recipe, lesson.test, params)

    def claim(params: Tree, claimed: Tree, made: Array, accuracies: tuple[Array, Array]) -> tuple[Tree, Array]:
        """Keep the params of the first valid claim, until then the latest."""
        keep = jax.tree.map(lambda old, new: jnp.where(_along(made, new), old, new), claimed, params)
        return keep, made | rules.passes(*accuracies)

    def stretch(state: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
        networks, claimed, made = state
        networks = training.train(recipe, material, networks, recipe.evaluate_every)
        accuracies = evaluate(networks.params)
        return (networks, *claim(networks.params, claimed, made, accuracies)), accuracies

    optimiser = recipe.optimiser
    networks = training.Training(start, jax.vmap(optimiser.init)(start), jnp.int32(0))
    first = evaluate(start)
    claimed, made = claim(start, start, jnp.zeros(first[0].shape, bool), first)
    state = (networks, claimed, made)
    (networks, claimed, _), rest = jax.lax.scan(stretch, state, length=num_evaluations)
    curves = [jnp.concatenate([now[None], later]).T for now, later in zip(first, rest, strict=True)]
    return Run(curves[0], curves[1], claimed, networks.params)


@checked
@single("recipe")
@steady
def steps(recipe: Recipe, made: Array) -> tuple[Array, Array]:
    """Training steps to the first of the evaluations bool[S, K + 1] that succeeds, f64[S], and whether one does.

    Where none does, the steps are those of the whole run, a lower bound.
    """
    made = np.asarray(made)
    if made.ndim != 2 or made.dtype != bool:
        raise ValueError(f"made must be bool[S, K + 1], got {checks.shown(made)}")
    found = made.any(axis=1)
    first = np.where(found, made.argmax(axis=1), made.shape[1] - 1)
    return first * float(recipe.evaluate_every), found


def _along(mask: Array, leaf: Array) -> Array:
    return mask.reshape(-1, *(1,) * (leaf.ndim - 1))


def __dir__() -> list[str]:
    return __all__
