"""Tasks from samples and labels: what is checked of them, how they are split and standardised."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.checked import checked
from polejax._core.checks import real, shown, whole
from polejax.learning.tasks.task import Task

_ROWS_AT_ONCE = 4_096  # standardising in float64 block by block keeps CIFAR-10 within a laptop's memory


@checked
def from_arrays(
    inputs: Any,
    labels: Any,
    *,
    num_classes: int | None = None,
    fractions: Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    name: str = "arrays",
) -> Task:
    """Return a task from samples and labels, split at random and stratified by class.

    Args:
      inputs: [M, ...] finite numbers of any real type; bytes of pixels need no scaling, standardising does
        it.
      labels: [M] integers in 0..C-1.
      num_classes: C; None: the greatest label plus one.
      fractions: of training, validation and test samples; three positive numbers whose sum is 1.
      seed: chooses the split.
      name: what figures and tables call the task.

    Raises:
      ValueError: lengths differ, a sample is not finite, a label is no integer or outside 0..C-1, a split
        would be empty, or training would lack a class.
    """
    inputs, labels = check_samples("", inputs, labels)
    shares = np.asarray(real("fractions", fractions, above=0, below=1, ndim=1), dtype=np.float64)
    if len(shares) != 3 or abs(shares.sum() - 1) > 1e-5:
        raise ValueError(
            f"fractions must be three numbers whose sum is 1, got {tuple(fractions)}: give train, validation and test"
        )
    num_classes = _check_labels([("labels", labels)], num_classes)
    num_train, num_validation = (round(float(share) * len(labels)) for share in shares[:2])
    sizes = (num_train, num_validation, len(labels) - num_train - num_validation)
    for split, size in zip(("train", "validation", "test"), sizes, strict=True):
        if size < 1:
            raise ValueError(
                f"the {split} split is empty with fractions {tuple(fractions)} of {len(labels)} samples: "
                "give more samples or a larger fraction"
            )
    splits = [(inputs[part], labels[part]) for part in stratified_split(labels, sizes, seed=seed)]
    check_classes(splits[0][1], num_classes, "train labels")
    return standardised(splits, num_classes=num_classes, name=name, shape=inputs.shape[1:])


@checked
def from_splits(
    train: tuple[Any, Any],
    validation: tuple[Any, Any],
    test: tuple[Any, Any],
    *,
    num_classes: int | None = None,
    name: str = "splits",
) -> Task:
    """Return a task from samples that are split already.

    Args:
      train, validation, test: pairs (inputs [M, ...], labels [M]), samples of one shape, as in `from_arrays`.
      num_classes: C; None: the greatest label of all splits plus one.
      name: what figures and tables call the task.

    Raises:
      ValueError: as `from_arrays`, or the splits' samples differ in shape.
    """
    splits = []
    for split, pair in (("train", train), ("validation", validation), ("test", test)):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"{split} must be a pair (inputs, labels), got {type(pair).__name__}: give a tuple of two")
        splits.append(check_samples(f"{split} ", *pair))
        shape, first = splits[-1][0].shape[1:], splits[0][0].shape[1:]
        if shape != first:
            raise ValueError(f"{split} inputs have samples of shape {shape}, train inputs of {first}: give one shape")
    names = ("train labels", "validation labels", "test labels")
    num_classes = _check_labels([(name, y) for name, (_, y) in zip(names, splits, strict=True)], num_classes)
    check_classes(splits[0][1], num_classes, "train labels")
    return standardised(splits, num_classes=num_classes, name=name, shape=splits[0][0].shape[1:])


@checked
def stratified_split(labels: Any, sizes: Sequence[int], *, seed: int = 0) -> list[np.ndarray]:
    """Return disjoint arrays of sample indices, of the sizes asked for, each class near its share in each.

    Each class's samples are shuffled and spread evenly over [0, 1) with jitter; the samples in the order of
    their places are cut into `sizes` and shuffled again (ours).

    Args:
      labels: [M] integers.
      sizes: samples in each part; their sum is at most M.
      seed: of NumPy's PCG64.

    Raises:
      ValueError: the parts together need more samples than there are, or `seed` is no whole number.
    """
    labels = _as_array("labels", labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers of shape [samples], got {labels.dtype} of shape {labels.shape}")
    sizes = [whole("sizes", size) for size in sizes]
    if sum(sizes) > len(labels):
        raise ValueError(f"sizes must add up to at most {len(labels)} samples, got {tuple(sizes)}: ask for fewer")
    rng = np.random.Generator(np.random.PCG64(whole("seed", seed)))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = (rng.permutation(len(members)) + rng.random(len(members))) / len(members)
    cuts = np.cumsum(sizes)
    return [rng.permutation(part) for part in np.split(np.argsort(place, kind="stable"), cuts)[: len(sizes)]]


def _as_array(name: str, value: Any) -> np.ndarray:
    """What NumPy makes of samples or labels, once no mask is lost and no key taken for numbers."""
    if np.ma.is_masked(value) or (isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)):
        raise ValueError(f"{name} must be an array of numbers, got {shown(value)}: masks and keys are none")
    try:
        return np.asarray(value)
    except Exception:  # rows of different lengths, or whatever an object's own `__array__` raises
        raise ValueError(f"{name} must be an array of numbers, got {shown(value)}") from None


def check_samples(prefix: str, inputs: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs [M, ...] and labels [M] as arrays once they are real, finite, whole and equally many.

    Raises:
      ValueError: they are not; `prefix` says whose they are, such as "train ".
    """
    inputs, labels = _as_array(f"{prefix}inputs", inputs), _as_array(f"{prefix}labels", labels)
    if inputs.ndim < 2 or inputs.dtype.kind not in "buif":
        raise ValueError(
            f"{prefix}inputs must be real numbers of shape [samples, ...], got {inputs.dtype} of shape "
            f"{inputs.shape}: {'give a row of features per sample' if inputs.ndim < 2 else 'encode them as numbers'}"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{prefix}labels must be integers of shape [samples], got {labels.dtype} of shape "
            f"{labels.shape}: {_remedy(labels)}"
        )
    if len(inputs) != len(labels):
        raise ValueError(
            f"{prefix}inputs and labels must be equally many, got {len(inputs)} and {len(labels)}: "
            "give each sample one label"
        )
    if inputs.size == 0:
        raise ValueError(f"{prefix}inputs are empty, got shape {inputs.shape}: give at least one sample and feature")
    if inputs.dtype.kind == "f":
        broken = ~np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1)
        if broken.any():
            sample = int(np.argmax(broken))
            value = inputs[sample][~np.isfinite(inputs[sample])].ravel()[0]
            raise ValueError(f"{prefix}inputs must be finite, got {value} in sample {sample}: repair or drop it")
    return inputs, labels


def _remedy(labels: np.ndarray) -> str:
    """How to make integers [samples] of labels that are none, without giving any sample another class."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return "use labels[:, 0]" + ("" if labels.dtype.kind in "iu" else f", then {_remedy(labels[:, 0])}")
    if labels.ndim == 2 and labels.dtype.kind in "buif" and _one_hot(labels):
        return "use labels.argmax(axis=1)"
    if labels.ndim != 1:
        return "give one label per sample"
    if labels.dtype.kind == "b" or (labels.dtype.kind == "f" and (labels == np.round(labels)).all()):
        return "use labels.astype(int)"
    return "number the classes, as numpy.unique(labels, return_inverse=True)[1] does"


def _one_hot(labels: np.ndarray) -> bool:
    """Whether every row of labels [M, C] is 1 at one class and 0 at all others."""
    return bool(((labels == 0) | (labels == 1)).all() and (labels != 0).sum(axis=1).tolist() == [1] * len(labels))


def _check_labels(named: list[tuple[str, np.ndarray]], num_classes: int | None) -> int:
    """Return the number of classes C once every label is within 0..C-1."""
    if num_classes is None:
        num_classes = max(2, 1 + max(int(labels.max()) for _, labels in named))
    num_classes = whole("num_classes", num_classes, low=2)
    for name, labels in named:
        outside = (labels < 0) | (labels >= num_classes)
        if outside.any():
            sample = int(np.argmax(outside))
            raise ValueError(
                f"{name} must be within 0..{num_classes - 1}, got {labels[sample]} at sample {sample}: "
                "number the classes from 0"
            )
    return num_classes


def check_classes(labels: np.ndarray, num_classes: int, name: str) -> None:
    """Raise unless training shows every class: what no node can learn would silently cap every accuracy."""
    # Sets, not bincount: one stray label of two thousand million must not allocate as many counters.
    seen = set(np.unique(labels).tolist())
    if len(seen) < num_classes:
        missing = next(c for c in range(num_classes) if c not in seen)
        raise ValueError(
            f"{name} must show all {num_classes} classes, got none of class {missing}: give more "
            "training samples, or renumber the labels without gaps"
        )


def _blocks(length: int) -> Iterator[slice]:
    return (slice(begin, begin + _ROWS_AT_ONCE) for begin in range(0, length, _ROWS_AT_ONCE))


def standardised(
    splits: Sequence[tuple[np.ndarray, np.ndarray]], *, num_classes: int, name: str, shape: tuple[int, ...]
) -> Task:
    """Flatten the splits' inputs and standardise them with the training split's moments, in float64."""
    flat = [inputs.reshape(len(inputs), -1) for inputs, _ in splits]
    fit, parts = flat[0], []
    with np.errstate(over="ignore", invalid="ignore"):  # overflow is told below, as an error
        mean = fit.mean(axis=0, dtype=np.float64)
        variance = sum(np.square(fit[rows] - mean).sum(axis=0) for rows in _blocks(len(fit))) / len(fit)
        # Compared by value: the rounded mean of a constant feature leaves a variance of 1e-34 rather than 0.
        divisor = np.where(fit.min(axis=0) == fit.max(axis=0), 1.0, np.sqrt(variance))
        for inputs, (_, labels) in zip(flat, splits, strict=True):
            scaled = np.empty(inputs.shape, np.float32)
            for rows in _blocks(len(inputs)):
                scaled[rows] = (inputs[rows] - mean) / divisor
            if not (np.isfinite(scaled).all() and np.isfinite(divisor).all()):
                raise ValueError(
                    f"inputs of task {name!r} are too large, or vary too little in training, to "
                    "standardise in float32: rescale them"
                )
            parts.append((scaled, labels.astype(np.int32)))
    train, validation, test = parts
    return Task(*train, *validation, *test, num_classes, name, shape)
