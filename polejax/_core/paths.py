"""Paths: what users give as a file or a folder, checked in one way everywhere."""

import os
from typing import Any

from polejax._core import checks


def checked(name: str, value: Any) -> str:
    """Return a path as a string, with `~` and `~user` at its start replaced by the home folder.

    Args:
      name: of the argument, for the message.
      value: a string or an `os.PathLike` of one.

    Raises:
      ValueError: neither of them, an empty one, one with a character that cannot be printed, or the home of a user who
        has none.
    """
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name} must be a path in a str or a pathlib.Path, got {checks.shown(value)}: give one")
    path = os.fspath(value)
    if not isinstance(path, str):
        raise ValueError(
            f"{name} must be a path in a str or a pathlib.Path, got {checks.shown(path)}: decode it with os.fsdecode"
        )
    if not path:
        raise ValueError(f"{name} must be a path, got an empty one: write . for the folder at hand")
    if not path.isprintable():
        raise ValueError(f"{name} must be a path of printable characters, got {checks.shown(path)}: leave others out")
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise ValueError(
            f"{name} begins with the home folder of an unknown user, got {path!r}: write ./{path} for a name"
        )
    return expanded
