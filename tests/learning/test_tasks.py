"""Tasks and models: honest splits and standardisation, measures never NaN, arithmetic that adds up."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from polejax._core import numerics
from polejax.learning import layers, models, tasks

X = np.arange(60.0).reshape(30, 2)
Y = np.arange(30) % 3


@pytest.fixture(scope="module")
def digits():
    return tasks.digits()


def test_digits_is_the_published_data_split_without_overlap(digits):
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    fit = tasks.stratified_split(labels, (1_000, 397, 400))[0]
    ours = np.concatenate([digits.train_inputs, digits.validation_inputs, digits.test_inputs])
    ours_labels = np.concatenate([digits.train_labels, digits.validation_labels, digits.test_labels])
    deviation = images[fit].std(axis=0)
    theirs = (images - images[fit].mean(axis=0)) / np.where(deviation == 0, 1, deviation)
    # All 1,797 samples, each once, with its own label: equal as sorted rows.
    order, reference = (np.lexsort(np.round(rows, 3).T) for rows in (ours, theirs))
    np.testing.assert_allclose(ours[order], theirs[reference], atol=1e-4)
    np.testing.assert_array_equal(ours_labels[order], labels[reference])
    assert [a.dtype for a in jax.tree.leaves(digits)] == [np.float32, np.int32] * 3
    assert (digits.shape, digits.num_features, digits.num_classes) == ((8, 8), 64, 10)


def test_only_training_moments_standardise(digits):
    varies = digits.train_inputs.std(axis=0) > 0
    np.testing.assert_allclose(digits.train_inputs.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(digits.train_inputs.std(axis=0)[varies], 1, rtol=1e-4)
    assert not np.allclose(digits.test_inputs.mean(axis=0)[varies], 0, atol=1e-3)
    moved = tasks.from_splits((X, Y), (X + 5, Y), (X * 3, Y))
    kept = tasks.from_splits((X, Y), (X, Y), (X, Y))
    np.testing.assert_array_equal(moved.train_inputs, kept.train_inputs)
    np.testing.assert_allclose(moved.validation_inputs, kept.train_inputs + 5 / X.std(axis=0), atol=1e-5)


def test_constant_features_are_centred_and_bytes_do_not_wrap():
    inputs = np.stack([np.full(30, 0.1), np.arange(30)], axis=1)
    constant = tasks.from_splits((inputs, Y), (inputs + 1, Y), (inputs, Y))
    np.testing.assert_allclose(constant.train_inputs[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(constant.validation_inputs[:, 0], 1, rtol=1e-6)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    as_bytes, as_floats = (tasks.from_arrays(a, Y) for a in (pixels, pixels / 255))
    np.testing.assert_allclose(as_bytes.test_inputs, as_floats.test_inputs, atol=1e-5)
    assert as_bytes.shape == (4, 4)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=200), st.integers(0, 2**32), st.data())
def test_splits_are_disjoint_complete_reproducible_and_stratified(labels, seed, data):
    first = data.draw(st.integers(1, len(labels) - 2))
    second = data.draw(st.integers(1, len(labels) - first - 1))
    sizes = (first, second, len(labels) - first - second)
    parts = tasks.stratified_split(labels, sizes, seed=seed)
    again = tasks.stratified_split(labels, sizes, seed=seed)
    assert tuple(map(len, parts)) == sizes
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(again))
    share = np.bincount(labels, minlength=5) / len(labels)
    for part in parts:  # the two cuts of a part are each off by less than one sample of each of five classes
        assert np.all(np.abs(np.bincount(np.array(labels)[part], minlength=5) - share * len(part)) < 10)


def test_splits_follow_the_seed_and_keep_class_shares(digits):
    assert not np.array_equal(tasks.digits(seed=1).train_labels, digits.train_labels)
    np.testing.assert_array_equal(tasks.digits(seed=0).train_inputs, digits.train_inputs)
    for labels in (digits.train_labels, digits.validation_labels, digits.test_labels):
        assert np.ptp(np.bincount(labels)) <= 5


def test_synthetic_is_balanced_and_its_noise_follows_the_stated_law():
    clean, noisy = (tasks.synthetic(3, label_noise=noise, num_train=20_000) for noise in (0.0, 0.5))
    share = np.bincount(clean.train_labels) / 20_000
    np.testing.assert_allclose(share, 0.1, atol=0.02)
    # Noise replaces labels after the same draws of the first split: 1 - 0.5 (1 - 1/10) = 0.55 agree.
    agree = np.mean(clean.train_labels == noisy.train_labels)
    assert abs(agree - 0.55) < 5 * np.sqrt(0.55 * 0.45 / 20_000)
    same, other = (tasks.synthetic(jax.random.key(k), num_train=500) for k in (7, 8))
    np.testing.assert_array_equal(same.train_inputs, tasks.synthetic(jax.random.key(7), num_train=500).train_inputs)
    assert not np.array_equal(same.train_inputs, other.train_inputs)


def test_majority_accuracy_counts_the_test_split():
    task = tasks.from_splits((X, Y), (X, Y), (X[:4], np.array([0, 2, 2, 1])))
    assert tasks.majority_accuracy(task) == 0.5


BROKEN = np.where(np.arange(30)[:, None] == 7, np.nan, X)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: tasks.from_arrays(X, Y[:-1]), "inputs and labels must be equally many, got 30 and 29"),
        (lambda: tasks.from_arrays(BROKEN, Y), "inputs must be finite, got nan in sample 7"),
        (
            lambda: tasks.from_arrays(np.where(X == 8, np.inf, X), Y),
            "inputs must be finite, got inf in sample 4",
        ),
        (lambda: tasks.from_arrays(X[:, 0], Y), r"inputs must be real numbers of shape \[samples"),
        (lambda: tasks.from_arrays(X.astype(complex), Y), "inputs must be real numbers.*complex128"),
        (lambda: tasks.from_arrays(X[:0], Y[:0]), "inputs are empty"),
        (lambda: tasks.from_arrays(X, Y * 1.0), "labels must be integers.*float64"),
        (lambda: tasks.from_arrays(X, np.eye(3, dtype=int)[Y]), "labels must be integers.*argmax"),
        (lambda: tasks.from_arrays(X, Y - 1), r"labels must be within 0\.\.1, got -1 at sample 0"),
        (lambda: tasks.from_arrays(X, Y, num_classes=2), r"labels must be within 0\.\.1, got 2 at sample 2"),
        (lambda: tasks.from_arrays(X, Y, num_classes=4), "all 4 classes, got none of class 3"),
        (lambda: tasks.from_arrays(X, Y * 10**9), "all 2000000001 classes, got none of class 1"),
        (lambda: tasks.from_arrays(X, Y, num_classes=1), "num_classes must be at least 2, got 1"),
        (lambda: tasks.from_arrays(X[:3], Y[:3], fractions=(0.9, 0.05, 0.05)), "validation split is empty"),
        (lambda: tasks.from_arrays(X, Y, fractions=(0.5, 0.1, 0.1)), "three numbers whose sum is 1"),
        (lambda: tasks.from_arrays(X, Y, fractions=(0.5, 0.5)), "three numbers whose sum is 1"),
        (lambda: tasks.from_arrays(X, Y, fractions=(1.0, 0.0, 0.0)), "fractions must be above 0"),
        (lambda: tasks.from_arrays(X, Y, seed=-1), "seed must be at least 0, got -1"),
        (lambda: tasks.from_arrays(X * 1e300, Y), "too large"),
        (
            lambda: tasks.from_splits((X, Y), (X, Y), X),
            r"test must be a tuple, got ndarray",
        ),
        (lambda: tasks.from_splits((X, Y), (X, Y), (BROKEN, Y)), "test inputs must be finite.*sample 7"),
        (lambda: tasks.from_splits((X, Y), (X[:, :1], Y), (X, Y)), r"validation inputs have.*\(1,\)"),
        (lambda: tasks.from_splits((X, Y % 2), (X, Y), (X, Y)), "train labels must show.*class 2"),
        (lambda: tasks.synthetic(0, hidden=9), "hidden must be at least 10, got 9"),
        (
            lambda: tasks.synthetic(0, label_noise=1.5),
            "label_noise must be at least 0 and at most 1, got 1.5",
        ),
        (lambda: tasks.synthetic(0, num_test=0), "num_test must be at least 1, got 0"),
        (lambda: tasks.synthetic(0, num_train=5), "num_train must show all 10 classes"),
        (lambda: tasks.synthetic(jnp.zeros(2)), "key_or_seed must be a typed JAX key"),
        (lambda: tasks.synthetic(jax.random.split(jax.random.key(0))), "key_or_seed must be a single key"),
        (lambda: tasks.stratified_split(Y, (20, 11)), r"at most 30 samples, got \(20, 11\)"),
    ],
)
def test_bad_input_is_named_in_one_line(build, message):
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_missing_scikit_learn_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match="pip install scikit-learn"):
        tasks.digits()


def test_a_diverged_network_scores_zero_and_never_nan():
    answers = jnp.array([[2.0, 1.0], [jnp.nan, 0.0], [jnp.inf, 0.0], [0.0, 1.0]])
    labels = jnp.array([0, 0, 0, 0])
    assert float(models.accuracy(answers, labels)) == 0.25
    assert float(models.accuracy(jnp.full((3, 2), jnp.nan), jnp.array([0, 0, 1]))) == 0.0


@pytest.mark.parametrize("samples", [397, 400])
def test_accuracies_are_fractions_to_the_last_bit(samples):
    """Else a verifier who asks for 0.85 would turn down who answers 340 of 400."""
    count = jnp.arange(samples + 1, dtype=jnp.int32)
    right = jnp.arange(samples, dtype=jnp.int32)[None] < count[:, None]
    answers = jnp.stack([right, ~right], axis=-1).astype(jnp.float32)
    found = jax.jit(jax.vmap(models.accuracy, (0, None)))(answers, jnp.zeros(samples, jnp.int32))
    np.testing.assert_array_equal(found, np.arange(samples + 1, dtype=np.float32) / np.float32(samples))


def test_cross_entropy_of_a_known_answer():
    answers = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    expected = -(np.log(0.25) + np.log(0.8)) / 2
    assert float(models.cross_entropy(answers, jnp.array([1, 2]))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("measure", [models.accuracy, models.cross_entropy])
@pytest.mark.parametrize("shapes", [((3, 2), (2,)), ((0, 2), (0,)), ((3,), (3,))])
def test_answers_must_match_labels(measure, shapes):
    with pytest.raises(ValueError, match="logits must be"):
        measure(jnp.zeros(shapes[0]), jnp.zeros(shapes[1], jnp.int32))


def test_sizes_and_arithmetic_follow_the_closed_forms():
    perceptron = models.MultilayerPerceptron(hidden=(32, 16), num_classes=10)
    weights = (64 * 32, 32 * 16, 16 * 10)
    assert models.num_parameters(perceptron, 64) == sum(weights) + 32 + 16 + 10
    # Each product comes again for the weights' gradient and, behind the first layer, the inputs' gradient.
    assert models.step_flops(perceptron, 64, 8) == 2 * 8 * (2 * weights[0] + 3 * weights[1] + 3 * weights[2])
    network = models.ConvolutionalNetwork((8, 8), channels=(8, 16))
    assert models.num_parameters(network, 64) == 9 * 8 + 8 + 9 * 8 * 16 + 16 + 64 * 10 + 10
    products = (64 * 9 * 8, 16 * 9 * 8 * 16, 64 * 10)
    assert models.step_flops(network, 64, 8) == 2 * 8 * (2 * products[0] + 3 * products[1] + 3 * products[2])


def test_frozen_layers_cost_arithmetic_but_are_no_parameters():
    class Frozen(nn.Module):
        @nn.compact
        def __call__(self, inputs):
            kernel = self.variable("sml", "kernel", jnp.zeros, (64, 64))
            return models.MultilayerPerceptron(hidden=(), num_classes=10)(inputs @ kernel.value)

    assert models.num_parameters(Frozen(), 64) == 650
    assert models.step_flops(Frozen(), 64, 8) == 2 * 8 * (64 * 64 + 2 * 640)


@pytest.mark.parametrize("samples", [8, layers._MANY + 8])
def test_a_products_gradients_are_those_of_a_product(samples):
    shapes = ((5, 7), (7, samples), (5, samples))
    weight, columns, towards = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate(shapes))
    gradients = [
        jax.grad(lambda *factors, product=product: (product(*factors) * towards).sum(), argnums=(0, 1))(weight, columns)
        for product in (lambda *of: layers._product_of_rows(of[0], of[1].T), layers._product, jnp.matmul)
    ]
    for ours in gradients[:2]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), ours, gradients[2])


def test_relu_is_relu_and_so_is_its_gradient():
    values = jnp.array([-np.inf, -2.0, -0.0, 0.0, 1e-30, 3.0, np.inf])
    for function in (
        lambda f: f(values),
        lambda f: jax.grad(lambda values: (f(values) * jnp.arange(7.0)).sum())(values),
    ):
        np.testing.assert_array_equal(function(layers.relu), function(nn.relu))
    assert np.isnan(layers.relu(jnp.float32(np.nan)))  # a diverged network stays one


@pytest.mark.parametrize("samples", [7, 32, layers._MANY + 9])
def test_a_dense_layers_gradients_are_those_of_plain_arithmetic(samples):
    layer = layers.Dense(5)
    columns, towards = (jax.random.normal(jax.random.key(i), (rows, samples)) for i, rows in enumerate((3, 5)))
    params = layer.init(jax.random.key(2), columns)["params"]

    def plain(params):
        return ((params["weight"] @ columns + params["bias"][:, None]) * towards).sum()

    ours = jax.grad(lambda params: (layer.apply({"params": params}, columns) * towards).sum())(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), ours, jax.grad(plain)(params))
    for summed in (layers._summed, layers._summed_in_registers):  # on CPUs and elsewhere
        np.testing.assert_allclose(summed(towards), towards.sum(axis=1), rtol=1e-4, atol=1e-4)


def test_samples_in_columns_are_answered_as_those_in_rows():
    module, rows = models.MultilayerPerceptron((5, 4), num_classes=3), jax.random.normal(jax.random.key(0), (9, 6))
    variables = module.init(jax.random.key(1), rows)
    expected = models.logits(module, variables, rows)
    np.testing.assert_allclose(models.logits_of_columns(module, variables, rows.T), expected, atol=1e-5)
    np.testing.assert_allclose(module.apply(variables, rows.reshape(3, 3, 6)), expected.reshape(3, 3, 3), atol=1e-5)
    assert (models.logits_of_columns(nn.Dense(3), nn.Dense(3).init(jax.random.key(1), rows), rows.T)).shape == (9, 3)


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 33])
def test_the_losss_sums_are_sums(classes):
    answers = 30.0 * jax.random.normal(jax.random.key(0), (classes, 6))
    np.testing.assert_allclose(numerics.added_up(answers, 0), answers.sum(axis=0), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(numerics.added_up(answers, 1), answers.sum(axis=1), rtol=1e-5, atol=1e-4)
    for ours, theirs in (
        (f(numerics.log_sum_exp), f(lambda answers: jax.nn.logsumexp(answers, axis=0)))
        for f in (lambda g: g(answers), lambda g: jax.grad(lambda answers: jnp.square(g(answers)).sum())(answers))
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert np.isnan(numerics.log_sum_exp(answers.at[0, 0].set(jnp.inf))[0])  # a diverged network stays one


def test_convolutions_are_convolutions_and_pooling_completes_odd_edges():
    module = models.ConvolutionalNetwork((5, 3, 2), channels=(4,), num_classes=3)
    inputs = jax.random.normal(jax.random.key(0), (6, 30))
    variables = jax.jit(module.init)(jax.random.key(1), inputs)
    dense, readout = variables["params"]["Dense_0"], variables["params"]["Dense_1"]
    kernel = {"kernel": dense["weight"].T.reshape(3, 3, 2, 4), "bias": dense["bias"]}
    image = nn.relu(nn.Conv(4, (3, 3)).apply({"params": kernel}, inputs.reshape(6, 5, 3, 2)))
    pooled = nn.max_pool(image, (2, 2), strides=(2, 2), padding="SAME")
    pooled = jnp.moveaxis(pooled, 3, 1).reshape(6, -1)  # channels first
    expected = pooled @ readout["weight"].T + readout["bias"][None]
    np.testing.assert_allclose(models.logits(module, variables, inputs), expected, atol=1e-5)


def test_a_convolutional_network_needs_its_image():
    for shape, features in (((8, 8), 60), ((64,), 64)):
        with pytest.raises(ValueError, match=r"shape must be \(height, width"):
            models.num_parameters(models.ConvolutionalNetwork(shape), features)
    for sizes, message in (
        ((0,), "hidden must be at least 1, got 0"),
        (32, r"hidden must be a tuple of sizes, got 32"),
    ):
        with pytest.raises(ValueError, match=message):
            models.MultilayerPerceptron(sizes)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        models.step_flops(models.MultilayerPerceptron(), 64, 0)


@pytest.mark.parametrize(
    "module", [models.MultilayerPerceptron(), models.ConvolutionalNetwork((8, 8))], ids=["dense", "conv"]
)
def test_models_learn_the_digits(digits, module):
    inputs, labels = jnp.asarray(digits.train_inputs[:500]), jnp.asarray(digits.train_labels[:500])

    @jax.jit
    def train(key):
        def loss(variables):
            return models.cross_entropy(models.logits(module, variables, inputs), labels)

        def step(variables, _):
            gradient = jax.grad(loss)(variables)
            return jax.tree.map(lambda weight, slope: weight - 0.3 * slope, variables, gradient), None

        variables = jax.lax.scan(step, module.init(key, inputs[:1]), length=40)[0]
        answers = models.logits(module, variables, jnp.asarray(digits.test_inputs))
        return models.accuracy(answers, jnp.asarray(digits.test_labels))

    assert float(train(jax.random.key(0))) > 0.8 > tasks.majority_accuracy(digits) + 0.6
