"""Learning: many nodes train their own networks on a task, each behind its own Secure Mapping Layer."""

import jax
import jax.numpy as jnp

from polejax._core.numerics import vectorised
from polejax._core.record import Record
from polejax._core.types import Array, Tree
from polejax.learning.measures import accuracy, cross_entropy, logits_of_columns
from polejax.learning.recipe import Recipe


class Material(Record):
    """What nodes see of a task in one round, behind their own layers. B batches of `batch` samples make an epoch.

    What is looked at as a whole, time and again, lies in columns, as a `ColumnModel` takes it.

    Attributes:
      layer: the Secure Mapping Layer's variables, leading axis N.
      inputs: f32[B, N, batch, F], shuffled and mapped.
      labels: i32[B, N, batch]; or f32[B, N, batch, C], probabilities to learn.
      validation: f32[N, F, M], mapped, samples in columns; without a layer [D, M], the same for all.
    """

    layer: Tree
    inputs: Array
    labels: Array
    validation: Array


class Training(Record):
    """Networks under training.

    Attributes:
      params: leading axis N.
      optimiser: its state, leading axis N.
      batch: i32[], batches taken.
    """

    params: Tree
    optimiser: Tree
    batch: Array


def prepare(recipe: Recipe, keys: Array, tips: Array, addresses: Array) -> Material:
    """Derive every node's layer, shuffle the training data for it, and map the data once for the whole round.

    A node never learns more of a sample than its image under the layer, so mapping ahead is what PoLe's nodes do; that
    it also takes the frozen product out of every training step is why it is done here (ours).

    Args:
      recipe: what training is.
      keys: typed keys [N], one per node and round.
      tips: u32[N, 8], hash of the block each node builds on.
      addresses: u32[N].
    """
    return behind(recipe, shuffled(recipe, keys), jax.vmap(recipe.layer_variables)(tips, addresses))


def shuffled(recipe: Recipe, keys: Array) -> Array:
    """The order in which nodes with keys [N] take the training samples: their numbers i32[B, N, batch]."""
    samples, batch = recipe.task.train_inputs.shape[0], recipe.batch_size
    batches = samples // batch
    # Batches lead, so that a step reads one contiguous block.
    return jax.vmap(lambda key: _shuffled(key, samples)[: batches * batch].reshape(batches, batch), out_axes=1)(keys)


def behind(recipe: Recipe, order: Array, layers: Tree) -> Material:
    """What `prepare` returns, of samples in an order i32[B, N, batch], behind layers of given variables [N]."""
    task = recipe.task
    labels = jnp.asarray(task.train_labels)[order]
    if recipe.sml is None:
        inputs = vectorised(jnp.asarray(task.train_inputs)[order])
    else:
        mapped = jax.vmap(recipe.map_inputs, in_axes=(0, None))(layers, task.train_inputs)
        inputs = vectorised(mapped[jnp.arange(order.shape[1])[None, :, None], order])
    return Material(layers, inputs, labels, columns(recipe, layers, task.validation_inputs))


def _shuffled(key: Array, samples: int) -> Array:
    """The numbers 0 .. samples - 1 in random order, i32[samples].

    Up to 4,096 are sorted as one word each, random above and the number below: on a CPU seven times faster than sorting
    pairs. Words that agree in their 20 random bits or more stay in order, one pair in a million.
    """
    width = (samples - 1).bit_length()
    if width > 12:
        return jax.random.permutation(key, samples)
    number = jnp.arange(samples, dtype=jnp.uint32)
    words = jax.random.bits(key, (samples,)) >> width << width | number
    return (jnp.sort(words) & (2**width - 1)).astype(jnp.int32)


def begin(recipe: Recipe, keys: Array, material: Material) -> Training:
    """Initialise every node's network and optimiser from its key [N]."""
    sample = jnp.zeros((1, material.inputs.shape[-1]))
    params = jax.vmap(lambda key: recipe.model.init(key, sample)["params"])(keys)
    optimiser = recipe.optimiser
    return Training(params, jax.vmap(optimiser.init)(params), jnp.int32(0))


def train(recipe: Recipe, material: Material, training: Training, steps: int) -> Training:
    """Train every node's network for `steps` steps of mini-batch descent through its shuffled data, round and round.

    On a CPU as many networks at a time go through all the steps as its cache holds: a large network alone, small ones
    in lockstep. A node's network is the same whoever trains beside it.
    """
    optimiser = recipe.optimiser
    batches, nodes = material.inputs.shape[:2]
    starts, width = _groups(nodes, recipe.networks_in_cache(material.inputs.shape[-1]))

    def loss(params: Tree, inputs: Array, labels: Array) -> Array:
        return cross_entropy(recipe.model.apply({"params": params}, inputs), labels)

    def update(params: Tree, state: Tree, inputs: Array, labels: Array) -> tuple[Tree, Tree]:
        gradients = jax.grad(loss)(params, inputs, labels)
        with jax.numpy_dtype_promotion("standard"):  # some of optax's optimisers mix integers and floats
            updates, state = optimiser.update(gradients, state, params)
        return jax.tree.map(lambda param, change: vectorised(param + change), params, updates), state

    def stretch(group: tuple[Array, Tree, Tree]) -> tuple[Tree, Tree]:
        first, params, state = group

        def step(carry: tuple[Tree, Tree, Array], _: None) -> tuple[tuple[Tree, Tree, Array], None]:
            params, state, batch = carry
            inputs = vectorised(_cut(material.inputs, batch % batches, first, width))
            labels = _cut(material.labels, batch % batches, first, width)
            return (*jax.vmap(update)(params, state, inputs, labels), batch + 1), None

        return jax.lax.scan(step, (params, state, training.batch), length=steps)[0][:2]

    if len(starts) == 1:
        trained = stretch((jnp.int32(0), training.params, training.optimiser))
    else:
        held = training.params, training.optimiser
        windows = jax.tree.map(lambda leaf: jnp.stack([leaf[first : first + width] for first in starts]), held)
        parts = jax.lax.map(stretch, (jnp.asarray(starts, jnp.int32), *windows))
        again = len(starts) * width - nodes  # the last group begins with networks of the one before
        trained = jax.tree.map(lambda leaf: jnp.concatenate([*leaf[:-1], leaf[-1, again:]]), parts)
    return Training(*trained, training.batch + steps)


def _cut(samples: Array, batch: Array, first: Array, width: int) -> Array:
    """One batch [width, ...] of the nodes from `first` on, of samples [B, N, ...]."""
    sizes = (1, width, *samples.shape[2:])
    return jax.lax.dynamic_slice(samples, (batch, first, *(jnp.int32(0),) * (samples.ndim - 2)), sizes)[0]


def _groups(nodes: int, most: int) -> tuple[list[int], int]:
    """First nodes, and width, of the fewest equally wide groups of at most `most` nodes that cover all."""
    count = -(-nodes // most)
    width = -(-nodes // count)
    return [min(group * width, nodes - width) for group in range(count)], width


def validate(recipe: Recipe, material: Material, params: Tree) -> Array:
    """Accuracy f32[N] of every node's network on the validation data, as the node itself measures it."""
    return accuracies(recipe, params, material.validation, recipe.task.validation_labels)


def verify(recipe: Recipe, layer: Tree, params: Tree) -> Array:
    """Accuracy f32[N] of every node's network on the test data, as every hearing node measures it.

    `layer` is re-derived from the claim's header by the verifier; at highest precision, so that all agree.
    """
    return judge(recipe, map_test_inputs(recipe, layer), params)


def map_test_inputs(recipe: Recipe, layer: Tree) -> Array:
    """The test data behind every node's layer, f32[N, F, M]; without a layer [D, M], the same for all."""
    return columns(recipe, layer, recipe.task.test_inputs)


def columns(recipe: Recipe, layers: Tree, inputs: Array) -> Array:
    """Samples f32[M, D] behind layers, leading axis N, in columns: f32[N, F, M]; without a layer [D, M]."""
    if recipe.sml is None:
        return jnp.asarray(inputs).T
    return jax.vmap(lambda layer: recipe.map_inputs(layer, inputs, in_columns=True))(layers)


def judge(recipe: Recipe, test_inputs: Array, params: Tree) -> Array:
    """Accuracy f32[N] of every node's network on test data behind its layer, at highest precision."""
    with jax.default_matmul_precision("highest"):
        return accuracies(recipe, params, test_inputs, recipe.task.test_labels)


def diverged(params: Tree) -> Array:
    """bool[N]: whether a node's network holds a parameter that is not finite."""
    finite = jax.tree.map(lambda leaf: jnp.isfinite(leaf).reshape(leaf.shape[0], -1).all(axis=1), params)
    return ~jnp.stack(jax.tree.leaves(finite)).all(axis=0)


def accuracies(recipe: Recipe, params: Tree, inputs: Array, labels: Array) -> Array:
    """Accuracy f32[N] of networks [N] on mapped samples f32[N, F, M], or [F, M] where all see the same."""

    def one(params: Tree, inputs: Array) -> Array:
        return accuracy(logits_of_columns(recipe.model, {"params": params}, inputs), labels)

    return jax.vmap(one, in_axes=(0, 0 if inputs.ndim == 3 else None))(params, inputs)
