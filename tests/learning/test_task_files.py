"""Tasks from files: what was written comes back; whatever is wrong with a file is said in one line that names it."""

import gzip
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from polejax.learning import tasks

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (60, 5, 4), dtype=np.uint8), (np.arange(60) % 10).astype(np.uint8)
MNIST = {"train-images-idx3-ubyte": IMAGES, "train-labels-idx1-ubyte": LABELS,
         "t10k-images-idx3-ubyte": IMAGES[:20], "t10k-labels-idx1-ubyte": LABELS[:20]}  # fmt: skip
CIFAR = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")


def idx_bytes(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.str[1:]], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist(folder, **changes):
    for name, array in MNIST.items():
        content = changes.get(name.split("-idx")[0].replace("-", "_"), array)
        (folder / name).write_bytes(content if isinstance(content, bytes) else idx_bytes(content))


def write_cifar(folder, rows=20):
    images = RNG.integers(0, 256, (6, rows, 3, 32, 32), dtype=np.uint8)
    labels = np.broadcast_to(np.arange(rows, dtype=np.uint8) % 10, (6, rows))
    for name, batch, answers in zip(CIFAR, images, labels, strict=True):
        (folder / name).write_bytes(np.concatenate([answers[:, None], batch.reshape(rows, -1)], axis=1).tobytes())
    return images


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(CODES)).flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(max_dims=4, max_side=6))),
    st.booleans(),
)
def test_idx_round_trip(tmp_path_factory, array, compress):
    path = tmp_path_factory.getbasetemp() / "array"  # no .gz in its name: the bytes tell
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content, mtime=0) if compress else content)
    back = tasks.idx(path)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    np.testing.assert_array_equal(back, array)


GOOD = idx_bytes(np.arange(24, dtype=np.int32).reshape(4, 6))
HUGE = struct.pack(">BBBB3I", 0, 0, 0x0E, 3, *[2**32 - 1] * 3) + bytes(10)
PACKED = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file, its first bytes are missing"),
        (b"\x00\x00\x08", "is no IDX file, its first bytes are 000008"),
        (b"<html>", "is no IDX file, its first bytes are 3c68746d"),
        (b"\x00\x00\x07\x01" + bytes(8), "is no IDX file"),
        (b"\x00\x00\x08\x00\x01", "is no IDX file"),
        (b"\x00\x00\x08\xff" + b"\0\0\0\1" * 255 + b"\0", "is no IDX file"),
        (GOOD[:9], "is truncated, expected a header of 12 bytes, found 9"),
        (GOOD[:-5], r"is truncated, expected 96 bytes of shape \(4, 6\), found 91"),
        (GOOD + b"!", "has trailing bytes, expected 96 bytes"),
        (HUGE, "is truncated, expected 633825.* bytes of shape .*, found 10"),
        (gzip.compress(HUGE, mtime=0), "is truncated, expected 633825.*found 10"),
        (b"\x00\x00\x08\x02" + bytes(8), r"is empty, its header says shape \(0, 0\)"),
        (gzip.compress(GOOD[:-5], mtime=0), "is truncated, expected 96 bytes.*found 91"),
        (PACKED[: len(PACKED) - 12], "is truncated, expected 96 bytes"),
        (PACKED[:-4], "is a damaged gzip file .its last bytes are missing"),
        (PACKED[:-8] + bytes(8), "is a damaged gzip file .CRC check failed"),
        (PACKED[:10] + b"\xff" * 20, "is a damaged gzip file"),
        (PACKED + b"rubbish", "is a damaged gzip file"),
    ],
)
def test_idx_faults_are_named(tmp_path, content, message):
    path = tmp_path / "some.idx"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=message) as caught:
        tasks.idx(path)
    assert tracemalloc.get_traced_memory()[1] < 20e6, "a header made the reader allocate"
    tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert "download" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere is missing"):
        tasks.idx(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\)"):
        tasks.idx(tmp_path)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\[.gz\] is missing"):
        tasks.mnist(tmp_path)
    with pytest.raises(ValueError, match=r"data_batch_1.bin is missing"):
        tasks.cifar10(tmp_path)
    with pytest.raises(ValueError, match=r"no.npz is missing"):
        tasks.npz(tmp_path / "no.npz")


def test_mnist_round_trip_with_and_without_compression(tmp_path):
    write_mnist(tmp_path)
    plain = tasks.mnist(tmp_path, num_validation=20)
    for path in list(tmp_path.iterdir()):
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
    packed = tasks.mnist(tmp_path, num_validation=20)
    np.testing.assert_array_equal(plain.train_inputs, packed.train_inputs)
    assert (plain.shape, plain.num_classes, plain.name) == ((5, 4, 1), 10, tmp_path.name)
    assert [len(a) for a in (plain.train_labels, plain.validation_labels, plain.test_labels)] == [40, 20, 20]
    # Standardising is affine per pixel with one law for all splits, so pixels must be perfectly correlated.
    correlation = [np.corrcoef(plain.test_inputs[:, j], IMAGES[:20].reshape(20, -1)[:, j]) for j in range(20)]
    np.testing.assert_allclose(correlation, 1, atol=1e-5)
    np.testing.assert_array_equal(plain.test_labels, LABELS[:20])
    other = tasks.mnist(tmp_path, num_validation=20, seed=1)
    assert not np.array_equal(other.train_labels, plain.train_labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_labels": LABELS[:-1]}, "train-labels-idx1-ubyte holds 59 labels but .* 60 images"),
        ({"train_images": LABELS}, "train-images-idx3-ubyte should hold images .* but holds uint8 of shape"),
        ({"t10k_labels": IMAGES[:20]}, "t10k-labels-idx1-ubyte should hold labels"),
        ({"t10k_labels": LABELS[:20].astype(np.int32)}, "t10k-labels-idx1-ubyte should hold labels"),
        (
            {"t10k_labels": LABELS[:20] + 3},
            r"t10k-labels-idx1-ubyte has label 10 at sample 7, expected 0\.\.9",
        ),
        ({"train_labels": LABELS // 2}, "train labels must show all 10 classes"),
        ({"t10k_images": IMAGES[:20, :4]}, "test inputs have samples of shape"),
        ({"t10k_images": idx_bytes(IMAGES[:20])[:-1]}, "t10k-images-idx3-ubyte is truncated"),
    ],
)
def test_mnist_faults_are_named(tmp_path, changes, message):
    write_mnist(tmp_path, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        tasks.mnist(tmp_path, num_validation=20)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mnist_keeps_some_training_samples(tmp_path):
    write_mnist(tmp_path)
    with pytest.raises(ValueError, match="num_validation must be at least 1 and at most 59, got 10000"):
        tasks.mnist(tmp_path)


def test_cifar10_round_trip(tmp_path):
    images = write_cifar(tmp_path)
    task = tasks.cifar10(tmp_path, images_per_batch=20, num_validation=20)
    assert task.shape == (32, 32, 3)
    assert len(task.train_labels) == 80
    assert len(task.validation_labels) == 20
    pixels = images[5].transpose(0, 2, 3, 1).reshape(20, -1)
    correlation = [np.corrcoef(task.test_inputs[:, j], pixels[:, j])[0, 1] for j in range(0, 3072, 97)]
    np.testing.assert_allclose(correlation, 1, atol=1e-5)
    np.testing.assert_array_equal(task.test_labels, np.arange(20) % 10)


def test_cifar10_faults_are_named(tmp_path):
    write_cifar(tmp_path)
    with pytest.raises(ValueError, match=r"data_batch_1.bin has the wrong size, expected 30730000 .* found 61460"):
        tasks.cifar10(tmp_path)
    content = bytearray((tmp_path / "test_batch.bin").read_bytes())
    content[2 * 3073] = 200
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"test_batch.bin has label 200 at sample 2, expected 0\.\.9"):
        tasks.cifar10(tmp_path, images_per_batch=20)
    (tmp_path / "data_batch_3.bin").write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"data_batch_3.bin has the wrong size, expected 61460 .* found 61459"):
        tasks.cifar10(tmp_path, images_per_batch=20)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path, save):
    column = LABELS[:, None]  # as Keras publishes CIFAR-10's
    save(tmp_path / "four.npz", x_train=IMAGES, y_train=column, x_test=np.asfortranarray(IMAGES), y_test=LABELS)
    four = tasks.npz(tmp_path / "four.npz")
    assert (four.name, four.shape, len(four.train_labels), len(four.validation_labels)) == (
        "four", (5, 4), 50, 10)  # fmt: skip
    correlation = [np.corrcoef(four.test_inputs[:, j], IMAGES.reshape(60, -1)[:, j])[0, 1] for j in range(20)]
    np.testing.assert_allclose(correlation, 1, atol=1e-5)
    save(tmp_path / "two.npz", inputs=IMAGES, labels=LABELS)
    assert len(tasks.npz(tmp_path / "two.npz").train_labels) == 36


def npy_bytes(shape, body):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body


def write_npz(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (npy_bytes("(1000000, 1000000)", bytes(16)), "damaged array 'inputs', expected 8000000000000 bytes"),
        (npy_bytes("(-1, -2)", bytes(16)), "damaged array 'inputs'"),
        (
            npy_bytes("(2, 1)", bytes(17)),
            r"damaged array 'inputs', expected 16 bytes of shape \(2, 1\), found 17",
        ),
        (npy_bytes("(1,) * 40", bytes(8)), "damaged array 'inputs'"),
        (b"\x93NUMPY\x09\x00", "damaged array 'inputs'"),
        (b"not an array", "damaged array 'inputs'"),
        (npy_bytes("(2, 1)", struct.pack("<2d", 1, np.nan)), "inputs must be finite, got nan in sample 1"),
    ],
)
def test_npz_arrays_are_not_believed(tmp_path, inputs, message):
    path = tmp_path / "bad.npz"
    np.savez(tmp_path / "good.npz", labels=np.arange(2))
    with zipfile.ZipFile(tmp_path / "good.npz") as archive:
        write_npz(path, inputs=inputs, labels=archive.read("labels.npy"))
    with pytest.raises(ValueError, match=message) as caught:
        tasks.npz(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_npz_never_unpickles_and_names_what_is_wrong(tmp_path):
    path = tmp_path / "archive.npz"
    np.savez(path, inputs=np.array([[print], [None]], dtype=object), labels=np.arange(2))
    with pytest.raises(ValueError, match="has pickled objects in 'inputs'"):
        tasks.npz(path)
    np.savez(path, x=IMAGES, y=LABELS)
    with pytest.raises(ValueError, match=r"holds \['x', 'y'\]: save x_train, y_train"):
        tasks.npz(path)
    np.savez(path, x_train=IMAGES, y_train=LABELS[:-1], x_test=IMAGES, y_test=LABELS)
    with pytest.raises(ValueError, match="train inputs and labels must be equally many, got 60 and 59"):
        tasks.npz(path)
    np.savez_compressed(path, inputs=IMAGES, labels=LABELS)
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(50) + content[250:])
    with pytest.raises(ValueError, match=r"is no sound \.npz archive"):
        tasks.npz(path)
    path.write_bytes(content[:-30])
    with pytest.raises(ValueError, match=r"is no sound \.npz archive \(File is not a zip file"):
        tasks.npz(path)
    with pytest.raises(ValueError, match="cannot be read"):
        tasks.npz(tmp_path)
