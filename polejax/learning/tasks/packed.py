"""Packed arrays: read from compressed files in no more memory than they take, whatever a header promises.

A file of 2 MB can unpack to 2 GB. So headers are read and compared first, what follows is counted before it is kept,
and it is unpacked into its place.
"""

import gzip
import io
import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from polejax.learning.tasks.faults import AGAIN

_CHUNK = 1 << 20
_MOST_AXES = 32  # of an array in every NumPy version
_MOST_PACKED = 1_040  # deflate never packs more than 1,032 bytes into one
_HEADER = 1 << 16  # bytes that hold any header of an array; NumPy refuses those of 10,000 and more


def chunks(stream: IO[bytes], limit: int) -> Iterator[bytes]:
    """Pieces of a stream's next bytes, up to `limit` in all.

    Raises:
      gzip.BadGzipFile: a gzip stream is damaged, or ends before the checksum that vouches for `limit` - 1 bytes.
    """
    total = 0
    while total < limit:
        try:
            chunk = stream.read1(min(_CHUNK, limit - total))  # type: ignore[attr-defined]
        except EOFError:  # a gzip stream cut short; `read1`, unlike `read`, loses nothing before the cut
            if total == limit - 1:
                raise gzip.BadGzipFile("its last bytes are missing") from None
            return
        if not chunk:
            return
        total += len(chunk)
        yield chunk


def filled(stream: IO[bytes], count: int) -> np.ndarray:
    """Bytes u8[count] of a stream; raises EOFError where it holds fewer."""
    array = np.empty(count, np.uint8)
    at = 0
    for chunk in chunks(stream, count):
        array[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        at += len(chunk)
    if at != count:
        raise EOFError(f"{count - at:,} bytes are missing")
    return array


def npz_arrays(path: Path, archive: zipfile.ZipFile, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays of an archive by name, in pairs of samples and their labels; headers are read first, nothing unpickled.

    Raises:
      ValueError: an array is damaged, holds objects, or has another number of samples than its pair has labels.
      zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError: the archive is not sound.
    """
    members = [_Member(path, archive, name) for name in names]
    for inputs, labels in zip(members[::2], members[1::2], strict=True):
        if inputs.shape[:1] != labels.shape[:1]:
            whose = "train " if inputs.name == "x_train" else "test " if inputs.name == "x_test" else ""
            raise ValueError(
                f"{path}: {whose}inputs and labels must be equally many, got {inputs.shape[0] if inputs.shape else 1} "
                f"and {labels.shape[0] if labels.shape else 1}: give each sample one label"
            )
    return [member.read() for member in members]


class _Member:
    """One array of an archive, its header believed no further than the archive's directory and the file's size."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, name: str) -> None:
        self.name = name
        self._archive = archive
        self._info = archive.getinfo(f"{name}.npy")
        # Other ways of packing than NumPy's would unpack all of an array for its first byte.
        if self._info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{path} packs {name!r} in an unusual way: save it with numpy.savez_compressed")
        with archive.open(self._info) as stream:
            self._head = b"".join(chunks(stream, _HEADER))
        begin = io.BytesIO(self._head)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        try:
            self.shape, self._fortran_order, self._dtype = readers[np.lib.format.read_magic(begin)](begin)
        except (ValueError, KeyError):
            raise ValueError(f"{path} has a damaged array {name!r}: {AGAIN}, or save it anew") from None
        if self._dtype.hasobject:
            raise ValueError(f"{path} has pickled objects in {name!r}: save it as an array of numbers")
        self._begin = begin.tell()
        self._size = math.prod(self.shape) * self._dtype.itemsize
        found = self._info.file_size - self._begin
        wrong = self._size != found or not self._size or min(self.shape, default=1) < 0 or len(self.shape) > _MOST_AXES
        if wrong:
            raise ValueError(
                f"{path} has a damaged array {name!r}, expected {self._size} bytes of shape {self.shape}, "
                f"found {found}: save it anew"
            )
        packed = min(self._info.compress_size, path.stat().st_size)
        if self._info.file_size > _MOST_PACKED * packed:
            raise ValueError(
                f"{path} has a damaged array {name!r}, which promises {self._info.file_size:,} bytes and has "
                f"{packed:,} packed ones: {AGAIN}, or save it anew"
            )

    def read(self) -> np.ndarray:
        """The array."""
        if len(self._head) >= self._info.file_size:  # all of it, and its checksum, has been read
            content = np.frombuffer(self._head, np.uint8)[self._begin :]
        else:
            with self._archive.open(self._info) as stream:
                stream.read(self._begin)
                content = filled(stream, self._size)
        return content.view(self._dtype).reshape(self.shape, order="F" if self._fortran_order else "C")
