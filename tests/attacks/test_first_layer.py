"""First layers of any model: found by what the model computes, changed so that it answers behind another layer."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from own import NnxNetwork

import polejax as pj
from polejax.attacks import rebasing
from polejax.attacks.first_layer import first_layer
from polejax.attacks.products import NoFirstLayer

FEATURES = 16


class Dense(nn.Module):
    """A dense network of Flax's own layers, called by names of its own."""

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(3)(nn.gelu(nn.Dense(6, name="reads", use_bias=False)(inputs)))


class Convolutional(nn.Module):
    """A convolution with strides over an image of patches, then a dense layer."""

    shape: tuple[int, int, int] = (2, 2, 4)

    @nn.compact
    def __call__(self, inputs):
        image = nn.Conv(5, (2, 2), strides=(1, 2), name="eyes")(inputs.reshape(inputs.shape[0], *self.shape))
        return nn.Dense(3)(nn.relu(image).reshape(inputs.shape[0], -1))


class Scaled(nn.Module):
    """A network that standardises its inputs by their own mean: no feature is read as it is."""

    @nn.compact
    def __call__(self, inputs):
        centred = inputs - inputs.mean(axis=1, keepdims=True)
        return nn.Dense(3)(nn.tanh(nn.DenseGeneral((2, 3))(centred)).reshape(inputs.shape[0], -1))


class Backwards(nn.Module):
    """A model with a kernel of its own, stored on its side, that reads the features last to first."""

    @nn.compact
    def __call__(self, inputs):
        kernel = self.param("mine", nn.initializers.normal(1.0), (3, inputs.shape[1]))
        offset = self.param("offset", nn.initializers.normal(1.0), (3,))
        return (kernel @ inputs[:, ::-1].T).T + offset[None]


class Residual(nn.Module):
    """Two kernels read the samples."""

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(3, name="one")(inputs) + nn.Dense(3, name="other")(inputs)


class Normalised(nn.Module):
    """Parameters come before any product."""

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(3)(nn.LayerNorm()(inputs))


NNX = pj.models.from_nnx(functools.partial(NnxNetwork, FEATURES, 6, 3))
PER_PATCH = pj.SecureMappingLayer(law="orthogonal", shape=(4, 4), patch=2)
FLAT = pj.SecureMappingLayer(law="orthogonal")
TASK = pj.tasks.synthetic(0, FEATURES, 3, num_train=96, num_validation=16, num_test=16, hidden=3)


def setting(model, layer):
    """A recipe, params with biases, old and new layer, and samples."""
    recipe = pj.Recipe(TASK, model=model, sml=layer)
    side = 4 if layer.patch else FEATURES
    both = [np.linalg.qr(np.random.default_rng(node).normal(size=(side, side)))[0] for node in (0, 1)]
    params = model.init(jax.random.key(0), jnp.zeros((1, recipe.mapped_features)))["params"]
    layers = [{"sml": {"kernel": jnp.float32(kernel)}} for kernel in both]
    return recipe, jax.tree.map(lambda leaf: leaf + 0.1, params), *layers


@pytest.mark.parametrize(
    ("model", "layer", "kernel"),
    [
        (Dense(), FLAT, "reads/kernel"),
        (Backwards(), FLAT, "mine"),
        (NNX, FLAT, "first/kernel"),
        (Convolutional(), PER_PATCH, "eyes/kernel"),
        (pj.models.ConvolutionalNetwork((2, 2, 4), (4,), 3), PER_PATCH, "Dense_0/weight"),
    ],
    ids=["dense", "own kernel", "nnx", "convolution", "convolutional"],
)
def test_models_of_any_kind_are_re_based_and_refitted(model, layer, kernel):
    recipe, params, old, new = setting(model, layer)
    samples = jnp.asarray(TASK.train_inputs)

    @functools.partial(jax.jit, static_argnums=0)
    def everything(first_kernel, recipe, params):
        def answers(params, layer):
            with jax.default_matmul_precision("highest"):
                return recipe.model.apply({"params": params}, recipe.map_inputs(layer, samples))

        carried = rebasing.rebase(recipe, params, old, new, first_kernel)
        refitted = rebasing.refit(recipe, params, old, new, samples, first_kernel)
        return answers(params, old), answers(params, new), answers(carried, new), answers(refitted, new), carried

    before, stolen, carried, refitted, changed = everything(None, recipe, params)
    spread = np.abs(before).max()
    assert np.abs(stolen - before).max() > 0.2 * spread
    np.testing.assert_allclose(carried, before, atol=1e-4 * spread)
    np.testing.assert_allclose(refitted, before, atol=0.03 * spread)
    moved = [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for (path, leaf), other in zip(
            jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(changed), strict=True
        )
        if np.abs(leaf - other).max() > 1e-6
    ]
    assert moved == [kernel]


def test_rows_times_the_matrix_are_what_the_layer_computes():
    """Of a convolution and a general dense layer: against Flax's own layers, on samples."""
    samples = jax.random.normal(jax.random.key(1), (7, FEATURES))
    for model, name, compute in (
        (Convolutional(), "eyes", lambda: nn.Conv(5, (2, 2), strides=(1, 2)).apply),
        (Scaled(), "DenseGeneral_0", lambda: nn.DenseGeneral((2, 3)).apply),
    ):
        params = model.init(jax.random.key(0), samples)["params"]
        params = jax.tree.map(lambda leaf: leaf + 0.1, params)
        first = first_layer(model, FEATURES)
        found = first.rows(samples) @ first.matrix(params) + first.bias(params)[None]
        read = samples.reshape(7, 2, 2, 4) if name == "eyes" else samples - samples.mean(axis=1, keepdims=True)
        wanted = compute()({"params": params[name]}, read)
        np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-5)
        again = first.put(params, first.matrix(params), first.bias(params))
        jax.tree.map(np.testing.assert_array_equal, again, params)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Residual(), "read by one/kernel and also by dot_general with other/kernel: name one by first_kernel"),
        (Normalised(), r"no product of the samples with one kernel alone was found in the model \(mul with LayerNorm"),
    ],
)
def test_models_without_one_first_layer_say_why(model, reason):
    with pytest.raises(NoFirstLayer, match=reason) as error:
        first_layer(model, FEATURES)
    assert "\n" not in str(error.value)


def test_a_named_kernel_is_taken_and_an_unknown_one_refused():
    assert first_layer(Residual(), FEATURES, "other/kernel").rows(jnp.ones((2, FEATURES))).shape == (2, FEATURES)
    with pytest.raises(ValueError, match=r"first_kernel must be one of one/bias, one/kernel, .*; got 'third/kernel'"):
        first_layer(Residual(), FEATURES, "third/kernel")


def test_what_algebra_cannot_undo_is_left_to_refitting():
    for model, layer, reason in (
        (Scaled(), FLAT, "comes between what is read and the product: use refit"),
        (Convolutional(), FLAT, "read neighbourhoods, and the layer mixes all that it maps: use refit"),
    ):
        with pytest.raises(ValueError, match=reason):
            rebasing.rebase(*setting(model, layer))
