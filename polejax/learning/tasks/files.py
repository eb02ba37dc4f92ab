"""Tasks from downloaded image files; of a damaged one, one line says which file is at fault and how.

Files are untrusted: no header makes a function here allocate more than the file itself holds; nothing is unpickled.
"""

import gzip
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from polejax._core import paths
from polejax._core.checked import checked
from polejax._core.checks import whole
from polejax.learning.tasks import cifar_pickles
from polejax.learning.tasks.arrays import check_samples, from_arrays, from_splits, stratified_split
from polejax.learning.tasks.faults import AGAIN, GZIP_MAGIC, check_is_archive, check_label_bytes, unreadable
from polejax.learning.tasks.packed import chunks, filled, npz_arrays
from polejax.learning.tasks.task import Task

PathLike = str | os.PathLike[str]

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 32  # of an array in every NumPy version
_CIFAR_SHAPE = (3, 32, 32)
_CIFAR_ROW = 1 + math.prod(_CIFAR_SHAPE)  # bytes of a label and its image
Check = Callable[[np.dtype, tuple[int, ...]], None]  # raises ValueError for an array that is not wanted


@checked
def idx(path: PathLike) -> np.ndarray:
    """Return the array that an IDX file holds, in its own shape and type and the machine's byte order.

    The file may be gzip-compressed; its first bytes tell, whatever its name.

    Raises:
      ValueError: the file is missing, not IDX, damaged, shorter or longer than its header says.

    Source: LeCun, Cortes, Burges, "The MNIST database", section "The IDX file format".
    """
    return _idx(Path(paths.checked("path", path)), lambda dtype, shape: None)


@checked
def mnist(folder: PathLike, *, num_validation: int = 10_000, seed: int = 0) -> Task:
    """Return MNIST or Fashion-MNIST from its four IDX files, D = 784 features and 10 classes.

    Args:
      folder: holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
        t10k-labels-idx1-ubyte, each as it is or with .gz after its name.
      num_validation: samples taken from the training files for validation, stratified by class.
      seed: chooses them.

    Returns: a task named after the folder, of shape (height, width, 1).

    Raises:
      ValueError: a file is missing, damaged, or holds something else than its name says.

    Source: LeCun, Cortes, Burges, "The MNIST database"; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747.
    """
    seed = whole("seed", seed)
    num_validation = whole("num_validation", num_validation, low=1)
    folder = Path(paths.checked("folder", folder))
    splits = []
    for split in ("train", "t10k"):
        image_path = _either(folder, f"{split}-images-idx3-ubyte")
        label_path = _either(folder, f"{split}-labels-idx1-ubyte")
        labels = _idx(label_path, partial(_check_kind, label_path, 1, "labels"))
        images = _idx(image_path, partial(_check_images, image_path, label_path, len(labels)))
        check_label_bytes(label_path, labels)
        splits.append((images[..., None], labels))
    return _task(folder, *splits, num_validation=num_validation, seed=seed, num_classes=10)


@checked
def cifar10(folder: PathLike, *, images_per_batch: int = 10_000, num_validation: int = 5_000, seed: int = 0) -> Task:
    """Return CIFAR-10 from its binary or its Python version, D = 3,072 features and 10 classes.

    Args:
      folder: holds data_batch_1.bin to data_batch_5.bin and test_batch.bin, or the same without .bin, which are
        pickles: of these, arrays, lists and words alone are read, and nothing is executed.
      images_per_batch: in each file; 10,000 in the published ones.
      num_validation: samples taken from the training files for validation, stratified by class; 5,000 as
        He et al. 2016, arXiv 1512.03385, section 4.2.
      seed: chooses them.

    Returns: a task named after the folder, of shape (32, 32, 3).

    Raises:
      ValueError: a file is missing, holds more or fewer than `images_per_batch` images of 3,072 bytes or anything
        else, or has a label above 9.

    Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images", CIFAR-10 binary and Python
      versions.
    """
    seed = whole("seed", seed)
    num_validation = whole("num_validation", num_validation, low=1)
    folder = Path(paths.checked("folder", folder))
    images_per_batch = whole("images_per_batch", images_per_batch, low=1)
    names = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
    if (folder / names[0]).is_file() and not (folder / f"{names[0]}.bin").exists():
        batches = [_cifar_pickle(folder / name, images_per_batch) for name in names]
    else:
        batches = [_cifar_batch(folder / f"{name}.bin", images_per_batch) for name in names]
    train = tuple(np.concatenate(arrays) for arrays in zip(*batches[:5], strict=True))
    return _task(folder, train, batches[5], num_validation=num_validation, seed=seed, num_classes=10)


@checked
def npz(path: PathLike, *, num_validation: int | None = None, seed: int = 0) -> Task:
    """Return a task from a NumPy archive of inputs [M, ...] and integer labels [M] or [M, 1].

    Args:
      path: of an .npz file with either the arrays x_train, y_train, x_test and y_test, as Keras publishes
        them, or inputs and labels, which are split 60 : 20 : 20 as `tasks.from_arrays` does.
      num_validation: samples taken from x_train for validation, stratified by class; None: one in six.
      seed: chooses the split.

    Returns: a task named after the file.

    Raises:
      ValueError: the file is missing, no archive, damaged, lacks the arrays or holds pickled objects; or the
        arrays make no task.
    """
    seed = whole("seed", seed)
    if num_validation is not None:
        num_validation = whole("num_validation", num_validation, low=1)
    path = Path(paths.checked("path", path))
    check_is_archive(path)
    try:
        with paths.open_regular(str(path)) as file, zipfile.ZipFile(file) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            for wanted in (("x_train", "y_train", "x_test", "y_test"), ("inputs", "labels")):
                if names.issuperset(wanted):
                    arrays = npz_arrays(path, archive, wanted)
                    break
            else:
                raise ValueError(
                    f"{path} holds {sorted(names)}: save x_train, y_train, x_test and y_test, or inputs and "
                    "labels, with numpy.savez"
                )
    # What zipfile raises for damage, encryption and compression it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} is no sound .npz archive ({error}): {AGAIN}, or save it anew") from None
    except OSError as error:
        raise unreadable(path, error) from None
    labels = [array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for array in arrays[1::2]]
    pairs = list(zip(arrays[::2], labels, strict=True))
    if len(pairs) == 1:
        with _naming(path):
            return from_arrays(*pairs[0], seed=seed, name=path.stem)
    if num_validation is None:
        num_validation = labels[0].size // 6
    return _task(path, *pairs, num_validation=num_validation, seed=seed)


def _idx(path: Path, check: Check) -> np.ndarray:
    """The array of an IDX file, whose dtype and shape are checked before the array is read."""
    try:
        with paths.open_regular(str(path)) as raw:
            compressed = raw.read(2) == GZIP_MAGIC

            def stream() -> IO[bytes]:
                raw.seek(0)
                return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if compressed else raw

            return _idx_array(path, stream, check)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file ({error}): {AGAIN}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def _idx_array(path: Path, stream: Callable[[], IO[bytes]], check: Check) -> np.ndarray:
    """Parse a stream of IDX bytes, each time from its begin: once to count them, and once to keep them."""
    counted = stream()
    magic = b"".join(chunks(counted, 4))
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or not 0 < magic[3] <= _MOST_AXES:
        raise ValueError(f"{path} is no IDX file, its first bytes are {magic.hex() or 'missing'}: {AGAIN}")
    header = b"".join(chunks(counted, 4 * magic[3]))
    if len(header) < 4 * magic[3]:
        raise ValueError(
            f"{path} is truncated, expected a header of {4 + 4 * magic[3]} bytes, found {4 + len(header)}: {AGAIN}"
        )
    shape = tuple(int(length) for length in np.frombuffer(header, ">u4"))
    if 0 in shape:
        raise ValueError(f"{path} is empty, its header says shape {shape}: {AGAIN}")
    dtype = np.dtype(_IDX_TYPES[magic[2]])
    check(dtype, shape)
    expected = math.prod(shape) * dtype.itemsize
    total = sum(len(chunk) for chunk in chunks(counted, expected + 1))
    if total != expected:
        fault = "is truncated" if total < expected else "has trailing bytes"
        found = total if total < expected else "more"
        raise ValueError(f"{path} {fault}, expected {expected} bytes of shape {shape}, found {found}: {AGAIN}")
    kept = stream()
    kept.read(len(magic) + len(header))
    return filled(kept, expected).view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _check_kind(path: Path, ndim: int, what: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if len(shape) != ndim or dtype != np.uint8:
        raise ValueError(
            f"{path} should hold {what} ({ndim} axes of bytes) but holds {dtype} of shape "
            f"{shape}: put the file of {what} there"
        )


def _check_images(path: Path, label_path: Path, labels: int, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    _check_kind(path, 3, "images", dtype, shape)
    if shape[0] != labels:
        raise ValueError(
            f"{label_path} holds {labels} labels but {path.name} {shape[0]} images: download both from one source"
        )


@checked
def holds_cifar10(folder: PathLike) -> bool:
    """Whether a folder holds files of CIFAR-10, in its binary or its Python version."""
    return any(any(Path(paths.checked("folder", folder)).glob(pattern)) for pattern in ("data_batch_*", "*.bin"))


def _cifar_batch(path: Path, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch file's images u8[M, 32, 32, 3] and labels u8[M]."""
    expected = images * _CIFAR_ROW
    try:
        found = path.stat().st_size
        if found != expected:
            raise ValueError(
                f"{path} has the wrong size, expected {expected} bytes for {images} images, found {found}: "
                "download the binary version again"
            )
        rows = np.fromfile(path, np.uint8, expected).reshape(images, _CIFAR_ROW)
    except OSError as error:
        raise unreadable(path, error) from None
    labels = rows[:, 0]
    check_label_bytes(path, labels)
    return rows[:, 1:].reshape(images, *_CIFAR_SHAPE).transpose(0, 2, 3, 1), labels


def _cifar_pickle(path: Path, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a pickled batch file's images u8[M, 32, 32, 3] and labels i64[M]."""
    try:
        rows, labels = cifar_pickles.read(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if len(rows) != images:
        raise ValueError(f"{path} holds {len(rows)} images, expected {images}: {AGAIN}, or set images_per_batch")
    return rows.reshape(images, *_CIFAR_SHAPE).transpose(0, 2, 3, 1), labels


def _task(path: Path, train: Any, test: Any, *, num_validation: int, seed: int, num_classes: int | None = None) -> Task:
    """Take validation samples out of the training samples and build the task; errors name the path."""
    with _naming(path):
        inputs, labels = check_samples("train ", *train)
        num_validation = whole("num_validation", num_validation, low=1, high=len(labels) - 1)
        sizes = (len(labels) - num_validation, num_validation)
        fit, validation = ((inputs[part], labels[part]) for part in stratified_split(labels, sizes, seed=seed))
        return from_splits(fit, validation, test, num_classes=num_classes, name=path.resolve().stem)


def _either(folder: Path, name: str) -> Path:
    """Return the path of a file that is there as it is or with .gz after its name.

    Some archives have a dot before the kind, and each file in a folder of its name.
    """
    dotted = name.replace("-idx", ".idx")
    for place in (folder, folder / name, folder / dotted):
        for path in (place / name, place / f"{name}.gz", place / dotted, place / f"{dotted}.gz"):
            if path.is_file():
                return path
    raise ValueError(f"{folder / name}[.gz] is missing: download all four files of the data set into the folder")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the path before the message of what a constructor raises."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
