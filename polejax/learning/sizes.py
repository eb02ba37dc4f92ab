"""Sizes: tuples of whole numbers, such as an image's shape or the units of layers."""

from typing import Any

from polejax._core import checks


def sizes(name: str, given: Any) -> tuple[int, ...]:
    """Sizes as a tuple: a list, as files hold, cannot be part of a compiled program's name.

    Raises:
      ValueError: no tuple or list of whole numbers from 1 on.
    """
    if not isinstance(given, tuple | list):
        shown = checks.shown(given)
        raise ValueError(f"{name} must be a tuple of sizes, got {shown}: write ({shown},)")
    return tuple(checks.whole(name, size, low=1) for size in given)
