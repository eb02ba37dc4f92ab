"""Numbers of seeds: what detection is measured from, checked to be finite, and paired."""

from typing import Any

import numpy as np

from polejax._core import checks
from polejax._core.types import Array


def along_seeds(name: str, value: Any, infinite: bool = False) -> Array:
    """Numbers f64[S], one per seed."""
    checks.real(name, value, ndim=1, infinite=infinite)
    return np.asarray(value, np.float64)


def paired_seeds(infinite: bool = False, **numbers: Any) -> list[Array]:
    """Numbers f64[S] that are paired by seed."""
    found = {name: along_seeds(name, value, infinite) for name, value in numbers.items()}
    (first, one), (second, other) = found.items()
    if one.shape != other.shape:
        raise ValueError(f"{first} and {second} must be paired by seed, got {one.size} and {other.size} of them")
    return [one, other]
