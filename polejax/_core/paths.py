"""Paths: what users give as a file or a folder, checked and opened in one way everywhere."""

import os
import stat
from typing import Any, BinaryIO

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


def open_regular(path: str) -> BinaryIO:
    """Open a file for reading, unless it is a pipe, a device or a folder, which could make the reader wait for ever.

    Raises:
      OSError: there is no such file, it may not be read, or it is not a regular file.
    """
    file = open(path, "rb", opener=without_waiting)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("it is a pipe or a device, not a file")
    return file


def without_waiting(path: str, flags: int) -> int:
    """Open a file as `open` does, but do not wait for the other end of a pipe; for the argument `opener` of `open`."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)


def exists(path: str) -> bool:
    """Whether there is a file or folder; unlike `os.path.exists`, not False where that cannot be told.

    Raises:
      OSError: a folder on the way may not be entered, and the like.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def reason(error: Exception) -> str:
    """What an error says, in one line of 200 characters at most."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return " ".join(text.split())[:200]
