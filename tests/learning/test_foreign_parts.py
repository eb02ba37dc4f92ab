"""Parts and files from elsewhere: used as they are meant, or refused in one line when a recipe is built."""

import pickle

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from polejax.jobs import compare
from polejax.learning import tasks
from polejax.learning.recipe import Recipe
from polejax.learning.tasks import cifar_pickles
from tests.learning.test_task_files import MNIST, RNG, idx_bytes

TASK = tasks.synthetic(0, num_features=4, num_classes=2, hidden=2, num_train=64)


class Foreign(nn.Module):
    """A model whose parameters, or the products that it answers with, are not float32."""

    params: str = "float32"
    answers: str | None = None

    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(2, param_dtype=self.params, dtype=self.answers)(inputs)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_parameters_in_halves_are_refused_and_products_in_halves_are_not(kind):
    with pytest.raises(ValueError, match=rf"float32 parameters, got {kind} in Dense_0/bias: leave out param_dtype"):
        Recipe(TASK, model=Foreign(kind))
    with jax.numpy_dtype_promotion("standard"):
        assert Recipe(TASK, model=Foreign(answers=kind)).model.answers == kind


def changing(rate):
    return optax.GradientTransformation(lambda params: 0, lambda grads, state, params: (grads, (state, state)))


def halving(rate):
    def update(grads, state, params):
        return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), grads), state

    return optax.GradientTransformation(lambda params: (), update)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (optax.lbfgs, r"raises TypeError \(.*value"),
        (lambda rate: optax.polyak_sgd(), r"raises TypeError \(.*value"),
        (lambda rate: optax.chain(optax.sgd(rate), optax.contrib.reduce_on_plateau()), r"raises TypeError \(.*value"),
        (lambda rate: rate, "raises AttributeError"),
        (lambda rate: None, "raises AttributeError"),
        (lambda: optax.adam(1.0), "raises TypeError"),
        (lambda rate: optax.adam(float(rate)), "raises ConcretizationTypeError"),
        (changing, "returns the same state, got others"),
        (halving, "returns changes like the parameters, got others"),
        (optax.adam(0.1), "must be a function of the learning rate, got GradientTransformationExtraArgs"),
        (None, "must be a function of the learning rate, got NoneType"),
    ],
)
def test_optimisers_that_need_more_than_gradients_are_refused(make, message):
    with pytest.raises(ValueError, match=message) as error:
        Recipe(TASK, make_optimiser=make)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "lion", "adafactor", "lamb", "sm3"])
def test_optimisers_of_gradients_and_parameters_are_taken(name):
    assert Recipe(TASK, make_optimiser=getattr(optax, name))


@pytest.mark.parametrize("nested", [False, True])
def test_mnist_under_other_names(tmp_path, nested):
    for name, array in MNIST.items():
        dotted = name.replace("-idx", ".idx")
        place = tmp_path / name if nested else tmp_path
        place.mkdir(exist_ok=True)
        (place / (name if nested else dotted)).write_bytes(idx_bytes(array))
    task = tasks.mnist(tmp_path, num_validation=10)
    assert task.shape == (5, 4, 1)
    with pytest.raises(ValueError, match="is one IDX file, and a task needs four: give the folder"):
        compare.load_task(str(place / (name if nested else dotted)))


def write_pickles(folder, rows=20, protocol=2, change=lambda held: held):
    """CIFAR-10's Python version, as pickled by any version of Python and NumPy, with text keys."""
    images = RNG.integers(0, 256, (6, rows, 3_072), dtype=np.uint8)
    for number in range(6):
        held = {"batch_label": f"batch {number}", "labels": [row % 10 for row in range(rows)], "data": images[number]}
        held["filenames"] = [f"{row}.png" for row in range(rows)]
        name = "test_batch" if number == 5 else f"data_batch_{number + 1}"
        (folder / name).write_bytes(pickle.dumps(change(held), protocol))
    return images


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_the_python_version_of_cifar10_is_read(tmp_path, protocol):
    images = write_pickles(tmp_path, protocol=protocol)
    task = tasks.cifar10(tmp_path, images_per_batch=20, num_validation=20)
    assert (task.shape, task.num_classes, task.train_labels.shape) == ((32, 32, 3), 10, (80,))
    rows, labels = cifar_pickles.read(tmp_path / "test_batch")
    np.testing.assert_array_equal(rows, images[5])
    np.testing.assert_array_equal(labels, np.arange(20) % 10)
    assert tasks.holds_cifar10(tmp_path)


def test_a_pickle_of_python_2_is_read(tmp_path):
    """As cPickle of Python 2 wrote the published files: byte strings throughout."""
    data = RNG.integers(0, 256, (2, 3_072), dtype=np.uint8).tobytes()
    text = b"".join([
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05",
        b"(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
        b"T" + len(data).to_bytes(4, "little") + data + b"tb",
        b"U\x06labels]q\x08(K\x03K\x09eu.",
    ])  # fmt: skip
    (tmp_path / "batch").write_bytes(text)
    rows, labels = cifar_pickles.read(tmp_path / "batch")
    assert rows.tobytes() == data
    assert labels.tolist() == [3, 9]


class Trap:
    """What runs code when it is unpickled as usual."""

    def __reduce__(self):
        return (open, ("trapped", "w"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: {**held, "data": Trap()}, r"it names io\.open"),
        (lambda held: {**held, "more": np.float64}, r"it names numpy\.float64"),
        (lambda held: {**held, "data": held["data"].astype(object)}, "an array of type b?'O8'"),
        (lambda held: {**held, "data": held["data"].astype(np.int32)}, "an array of type b?'i4'"),
        (lambda held: {**held, "data": np.asfortranarray(held["data"])}, "row by row"),
        (lambda held: {**held, "data": held["data"][:-1]}, "20 labels for data of shape"),
        (lambda held: {**held, "data": b"x"}, "no batch of CIFAR-10's Python version"),
        (lambda held: {**held, "labels": [*held["labels"][:-1], 10]}, r"a label that is not in 0\.\.9"),
        (lambda held: {**held, "labels": 3}, "no batch of CIFAR-10's Python version"),
        (lambda held: {"fine_labels": held["labels"], "data": held["data"]}, "no 'labels'"),
        (lambda held: [1, 2], "no batch of CIFAR-10's Python version"),
        (lambda held: {**held, "labels": [True] * 20}, r"a label that is not in 0\.\.9"),
    ],
)
def test_other_pickles_are_refused_and_nothing_is_executed(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    write_pickles(tmp_path, change=change)
    with pytest.raises(ValueError, match=message) as error:
        tasks.cifar10(tmp_path, images_per_batch=20, num_validation=20)
    assert "\n" not in str(error.value)
    assert "data_batch_1" in str(error.value)
    assert not (tmp_path / "trapped").exists()


def test_cut_and_flipped_pickles_are_read_right_or_refused(tmp_path):
    write_pickles(tmp_path, rows=1)
    path = tmp_path / "test_batch"
    content = path.read_bytes()
    places = [place for place in range(len(content)) if place < 200 or place > len(content) - 100]
    told = 0
    for place in places:
        for broken in (
            content[:place],
            content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :],
        ):
            path.write_bytes(broken)
            try:
                rows, labels = cifar_pickles.read(path)
            except ValueError as error:
                told += "is no batch of CIFAR-10" in str(error)
            else:
                told += rows.shape == (1, 3_072) and 0 <= labels[0] <= 9
    assert told == 2 * len(places)
    path.write_bytes(b"\x80\x02r\xff\xff\xff\x7f.")  # a memo of 2^31 places
    with pytest.raises(ValueError, match="is no batch"):
        cifar_pickles.read(path)


def test_archives_are_to_be_unpacked(tmp_path):
    for name, content in (("cifar-10-python.tar.gz", b"\x1f\x8b\x08\x00"), ("data.tar", b"data")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="is an archive of files: unpack it"):
            compare.load_task(str(tmp_path / name))
    write_pickles(tmp_path)
    with pytest.raises(ValueError, match="images, expected 10000"):
        tasks.cifar10(tmp_path)
