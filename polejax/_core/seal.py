"""Seals: a SHA-256 over all bytes of a file, at the file's end, checked before anything else reads the file.

The seal is part of the file and not of a manifest, so that both appear on the disk in one step: a kill leaves no file
without its checksum and no checksum without its file. HDF5 and netCDF ignore what follows the end they have recorded.
A seal tells damage and foreign files. Who forges a file can seal it, too: `netcdf.read` then follows no link out of it.
"""

import contextlib
import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from polejax._core import paths

_HEAD = b"\npolejax sha256 "
_LENGTH = len(_HEAD) + 64 + 1
_CHUNK = 1 << 20


class Damaged(Exception):
    """A file's bytes are not those that were written."""


def seal(buffer: io.BytesIO) -> bytes:
    """Return what a buffer holds, and the seal of it behind."""
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    buffer.seek(0, io.SEEK_END)
    buffer.write(_HEAD + digest.encode() + b"\n")
    return buffer.getvalue()


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a sealed file at its start, after its seal has been found right.

    Raises:
      Damaged: the file has no seal, or another than its bytes have.
      OSError: it cannot be read.
    """
    with paths.open_regular(path) as file:
        left = file.seek(0, io.SEEK_END) - _LENGTH
        file.seek(max(left, 0))
        found = file.read()
        if left < 0 or not found.startswith(_HEAD) or not found.endswith(b"\n"):
            raise Damaged("it has no checksum at its end: cut short, or not written by polejax")
        file.seek(0)
        digest = hashlib.sha256()
        while left > 0:
            chunk = file.read(min(_CHUNK, left))
            if not chunk:
                break
            digest.update(chunk)
            left -= len(chunk)
        if found[len(_HEAD) : -1] != digest.hexdigest().encode():
            raise Damaged("its checksum does not hold")
        file.seek(0)
        yield file
