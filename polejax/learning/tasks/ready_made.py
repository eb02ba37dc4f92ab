"""Ready-made tasks that need no download: handwritten digits, and samples that a random network labels."""

from typing import Any

import jax
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.checks import real, whole
from polejax.learning.tasks.arrays import check_classes, standardised, stratified_split
from polejax.learning.tasks.task import Task


@checked
def digits(seed: int = 0) -> Task:
    """Return scikit-learn's handwritten digits: 8 x 8 pixels (D = 64), 10 classes, 1,000 / 397 / 400 samples.

    Args:
      seed: chooses the stratified split into training, validation and test samples.

    Raises:
      ValueError: scikit-learn is missing, or `seed` is not a whole number of at least 0.

    Source: Alpaydin, Kaynak 1998, UCI "Optical Recognition of Handwritten Digits" (its test part, 1,797
    samples).
    """
    seed = whole("seed", seed)
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    except ImportError:
        raise ValueError("tasks.digits needs scikit-learn, which is missing: pip install scikit-learn") from None
    inputs, labels = load_digits(return_X_y=True)
    parts = stratified_split(labels, (1_000, 397, 400), seed=seed)
    splits = [(inputs[part], labels[part]) for part in parts]
    return standardised(splits, num_classes=10, name="digits", shape=(8, 8))


@checked
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
    classes: no model can expect an accuracy above `1 - label_noise (1 - 1/C)`.

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
    check_classes(splits[0][1], num_classes, "num_train")
    return standardised(splits, num_classes=num_classes, name="synthetic", shape=(num_features,))


def _entropy(key_or_seed: Any) -> int | list[int]:
    """Return what seeds NumPy: a typed key's bits or a whole number."""
    if not isinstance(key_or_seed, jax.Array):
        return whole("key_or_seed", key_or_seed)
    key = checks.key("key_or_seed", key_or_seed)
    return [int(bits) for bits in np.asarray(jax.random.key_data(key)).ravel()]
