"""Checks of the arguments of closed forms: a ValueError names the argument, its value and its bounds."""

from typing import Any

import numpy as np

from polejax._core import checks
from polejax._core.types import Array


def scalar(name: str, value: Any, **bounds: Any) -> float:
    """One number, float64, within `bounds` of `checks.real`."""
    checks.real(name, value, ndim=0, **bounds)  # checked in float32; the formula computes in float64
    return float(value)


def vector(name: str, value: Any, **bounds: Any) -> Array:
    """Numbers along one axis, float64, within `bounds` of `checks.real`."""
    checks.real(name, value, ndim=1, **bounds)
    return np.asarray(value, dtype=np.float64)


def times(name: str, value: Any) -> Array:
    """Seconds or work of any shape, float64, not negative; also beyond the range of float32."""
    values = checks.numbers(name, value).astype(np.float64)  # not `checks.real`, as quadrature exceeds float32
    if not (values >= 0.0).all():
        raise ValueError(f"{name} must be at least 0, got {values.min():g}: measure it from the start")
    return values


def shares(name: str, value: Any) -> Array:
    """Shares along one axis, float64, not negative, scaled to sum to 1."""
    values = vector(name, value, low=0.0)
    if not values.sum() > 0.0:
        raise ValueError(f"{name} must have a positive sum, got {values.sum():g}: give some node power")
    return values / values.sum()
