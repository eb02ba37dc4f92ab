"""CIFAR-10's Python version: pickles, of which arrays of bytes, lists, numbers and words are read and nothing else.

A pickle is a program. What these call, by NumPy's names, are the functions below, which keep what they are given.
"""

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

_AGAIN = "download CIFAR-10's Python version again, or its binary one"


class _Array:
    """In place of `numpy.ndarray`."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def value(self) -> np.ndarray:
        """The array of bytes u8[...] that the state tells."""
        _, shape, kind, fortran_order, content = self.state
        if not isinstance(kind, _Kind) or not isinstance(content, bytes) or fortran_order:
            raise TypeError("an array that is not of bytes, row by row")
        if not all(isinstance(length, int) and length >= 0 for length in shape) or math.prod(shape) != len(content):
            raise ValueError(f"{len(content)} bytes for an array of shape {shape}")
        return np.frombuffer(content, np.uint8).reshape(shape)


class _Kind:
    """In place of `numpy.dtype`; of bytes only."""

    def __setstate__(self, state: Any) -> None:
        pass


def _array(*_: Any) -> _Array:
    return _Array()


def _kind(name: Any, *_: Any) -> _Kind:
    if name not in (b"u1", "u1"):
        raise TypeError(f"an array of type {name!r}")
    return _Kind()


def _encoded(text: Any, coding: Any) -> bytes:
    """Bytes, as Python 3 writes them for Python 2."""
    if coding not in (b"latin1", "latin1") or not isinstance(text, str):
        raise TypeError(f"text in {coding!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    **{(f"{package}.multiarray", "_reconstruct"): _array for package in ("numpy.core", "numpy._core")},
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _kind,
    ("_codecs", "encode"): _encoded,
}


# The one written in Python: its memo is a dict, where that written in C makes room for any number that a file names.
class _Reader(pickle._Unpickler):  # type: ignore[misc,name-defined]
    """Reads plain arrays, words and numbers, and refuses whatever else a pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the file, if it is one of those that plain arrays need."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, identity: Any) -> Any:
        """Nothing: a batch file holds all that it needs."""
        raise pickle.UnpicklingError("it names what lies elsewhere")


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows u8[M, 3072] and labels i64[M] of a batch file.

    Raises:
      ValueError: it holds anything else.
      OSError: it cannot be read.
    """
    content = path.read_bytes()
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        held = {name.decode() if isinstance(name, bytes) else name: part for name, part in found.items()}
        rows, labels = held["data"].value(), held["labels"]
        if not all(type(label) is int and 0 <= label <= 9 for label in labels):
            raise ValueError("a label that is not in 0..9")
        if rows.shape != (len(labels), 3_072) or not labels:
            raise ValueError(f"{len(labels)} labels for data of shape {rows.shape}")
    except KeyError as error:
        raise ValueError(f"{path} is no batch of CIFAR-10 (no {error}): {_AGAIN}") from None
    except Exception as error:  # a damaged program fails in many ways
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ValueError(f"{path} is no batch of CIFAR-10's Python version ({reason}): {_AGAIN}") from None
    return rows, np.asarray(labels)
