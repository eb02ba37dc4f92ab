"""Learning tasks: the published data that Proof of Learning's consensus nodes train on and are judged by."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.checks import real, whole
from polejax._core.record import record, static
from polejax._core.types import Array

_ROWS_AT_ONCE = 4_096  # standardising in float64 block by block keeps CIFAR-10 within a laptop's memory


@record
class Task:
    """A classification task, standardised and split; build it with this module's checking constructors.

    The arrays are leaves, so a compiled program serves every task of the same shapes. Inputs are
    standardised, feature by feature, with the mean and standard deviation of the *training* split alone:
    nothing of the validation or the test split leaks into training. A feature that is constant over the
    training split is centred and divided by 1.

    Args:
      train_inputs: f32[M_train, D]; what nodes train on.
      train_labels: i32[M_train], each in 0..C-1.
      validation_inputs: f32[M_validation, D]; what a node measures its own progress on.
      validation_labels: i32[M_validation].
      test_inputs: f32[M_test, D]; what verifiers judge a claim on.
      test_labels: i32[M_test].
      num_classes: C (static).
      name: what figures and tables call the task (static).
      shape: a sample's own shape before it was flattened to D, such as (8, 8) or (28, 28, 1) (static).
    """

    train_inputs: Array
    train_labels: Array
    validation_inputs: Array
    validation_labels: Array
    test_inputs: Array
    test_labels: Array
    num_classes: int = static()
    name: str = static()
    shape: tuple[int, ...] = static()

    @property
    def num_features(self) -> int:
        """D, the number of features of one flattened sample."""
        return int(np.prod(self.shape))


def digits(seed: int = 0) -> Task:
    """Return scikit-learn's handwritten digits: 8 x 8 pixels (D = 64), 10 classes, 1,000 / 397 / 400 samples.

    Args:
      seed: chooses the stratified split into training, validation and test samples.

    Raises:
      ValueError: scikit-learn is missing, or `seed` is not a whole number of at least 0.

    Source: Alpaydin, Kaynak 1998, UCI "Optical Recognition of Handwritten Digits" (its test part, 1,797
    samples).
    """
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    except ImportError:
        raise ValueError("tasks.digits needs scikit-learn, which is missing: pip install scikit-learn") from None
    inputs, labels = load_digits(return_X_y=True)
    parts = stratified_split(labels, (1_000, 397, 400), seed=seed)
    splits = [(inputs[part], labels[part]) for part in parts]
    return _standardised(splits, num_classes=10, name="digits", shape=(8, 8))


def synthetic(
    key_or_seed: Any,
    num_features: int = 64,
    num_classes: int = 10,
    num_train: int = 4_096,
    num_validation: int = 1_024,
    num_test: int = 1_024,
    hidden: int = 16,
    label_noise: float = 0.0,
) -> Task:
    """Return a task whose labels come from a random two-layer teacher network; nothing to download (ours).

    Inputs are standard normal in D dimensions. The teacher answers `argmax_c (tanh(x A) B)_c` with `A` [D,
    hidden] and `B` [hidden, C] of random orthonormal columns (of `A` only unit columns when hidden > D), so
    that the classes' scores are uncorrelated and of equal spread, and the classes roughly balanced. With
    probability `label_noise` a label, of whichever split, is then replaced by a uniform draw from all C
    classes: no learner can expect an accuracy above `1 - label_noise (1 - 1/C)`.

    Args:
      key_or_seed: a typed JAX key (its bits seed NumPy's PCG64) or a whole number.
      num_features: D. num_classes: C.
      num_train, num_validation, num_test: samples in each split.
      hidden: the teacher's hidden units, at least C; more make the task harder to learn.
      label_noise: fraction in [0, 1].

    Raises:
      ValueError: an argument out of range, or so few samples that training lacks a class.
    """
    rng = np.random.Generator(np.random.PCG64(_entropy(key_or_seed)))
    num_features = whole("num_features", num_features, low=1)
    num_classes = whole("num_classes", num_classes, low=2)
    hidden = whole("hidden", hidden, low=num_classes)
    counts = {"num_train": num_train, "num_validation": num_validation, "num_test": num_test}
    sizes = [whole(name, count, low=1) for name, count in counts.items()]
    noise = float(real("label_noise", label_noise, low=0, high=1, ndim=0))

    first = rng.standard_normal((num_features, hidden))
    first = np.linalg.qr(first)[0] if hidden <= num_features else first / np.linalg.norm(first, axis=0)
    second = np.linalg.qr(rng.standard_normal((hidden, num_classes)))[0]
    splits = []
    for size in sizes:
        inputs = rng.standard_normal((size, num_features))
        labels = np.argmax(np.tanh(inputs @ first) @ second, axis=1)
        noisy = rng.random(size) < noise
        splits.append((inputs, np.where(noisy, rng.integers(num_classes, size=size), labels)))
    _check_classes(splits[0][1], num_classes, "num_train")
    return _standardised(splits, num_classes=num_classes, name="synthetic", shape=(num_features,))


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
    _check_classes(splits[0][1], num_classes, "train labels")
    return _standardised(splits, num_classes=num_classes, name=name, shape=inputs.shape[1:])


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
    _check_classes(splits[0][1], num_classes, "train labels")
    return _standardised(splits, num_classes=num_classes, name=name, shape=splits[0][0].shape[1:])


def majority_accuracy(task: Task) -> float:
    """Return the chance level: the accuracy (fraction) of always answering the commonest test label."""
    counts = np.bincount(np.asarray(task.test_labels), minlength=task.num_classes)
    return float(counts.max() / counts.sum())


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
    labels = np.asarray(labels)
    if sum(sizes) > len(labels):
        raise ValueError(f"sizes must add up to at most {len(labels)} samples, got {tuple(sizes)}: ask for fewer")
    rng = np.random.Generator(np.random.PCG64(whole("seed", seed)))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = (rng.permutation(len(members)) + rng.random(len(members))) / len(members)
    cuts = np.cumsum(sizes)
    return [rng.permutation(part) for part in np.split(np.argsort(place, kind="stable"), cuts)[: len(sizes)]]


def check_samples(prefix: str, inputs: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs [M, ...] and labels [M] as arrays once they are real, finite, whole and equally many.

    Raises:
      ValueError: they are not; `prefix` says whose they are, such as "train ".
    """
    inputs, labels = np.asarray(inputs), np.asarray(labels)
    if inputs.ndim < 2 or inputs.dtype.kind not in "buif":
        raise ValueError(
            f"{prefix}inputs must be real numbers of shape [samples, ...], got {inputs.dtype} of shape "
            f"{inputs.shape}: reshape or convert them to float32"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{prefix}labels must be integers of shape [samples], got {labels.dtype} of shape "
            f"{labels.shape}: use labels.astype(int), or argmax(axis=1) if one-hot"
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


def _entropy(key_or_seed: Any) -> int | list[int]:
    """Return what seeds NumPy: a typed key's bits or a whole number."""
    if not isinstance(key_or_seed, jax.Array):
        return whole("key_or_seed", key_or_seed)
    if not jnp.issubdtype(key_or_seed.dtype, jax.dtypes.prng_key) or key_or_seed.shape:
        raise ValueError(
            f"key_or_seed must be one typed key or a whole number, got {key_or_seed.dtype} of shape "
            f"{key_or_seed.shape}: use jax.random.key(0)"
        )
    return [int(bits) for bits in np.asarray(jax.random.key_data(key_or_seed)).ravel()]


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


def _check_classes(labels: np.ndarray, num_classes: int, name: str) -> None:
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


def _standardised(
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
