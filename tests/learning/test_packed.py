"""Packed task files: 64 MB in 64 KB are refused in little memory and little time."""

import gzip
import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from polejax.learning import tasks

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

ZEROS = bytes(1 << 26)


def npy(shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + ZEROS


def idx(*shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)


def refused(function, path, words):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=words) as error:
            function(path)
        assert tracemalloc.get_traced_memory()[1] < 8e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value)


def test_bombs(tmp_path):
    packed = gzip.compress(idx(1 << 15, 64, 64) + ZEROS, 1)
    (tmp_path / "false.gz").write_bytes(packed)
    refused(tasks.idx, tmp_path / "false.gz", "is truncated, expected 134217728 bytes .* found 67108864")
    for name, count in (("train-labels-idx1-ubyte", 60), ("t10k-labels-idx1-ubyte", 20)):
        (tmp_path / name).write_bytes(idx(count) + bytes(count))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(1 << 14, 64, 64) + ZEROS, 1))
    refused(tasks.mnist, tmp_path, "holds 60 labels but train-images-idx3-ubyte.gz 16384 images")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(1 << 26) + ZEROS, 1))
    refused(tasks.mnist, tmp_path, "should hold images")
    labels = io.BytesIO()
    np.save(labels, np.arange(10))
    for shape, words in (("(10, 4)", "expected 40 bytes .* found 67108864"), ("(65536, 1024)", "65536 and 10")):
        with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("inputs.npy", npy(shape))
            archive.writestr("labels.npy", labels.getvalue())
        refused(tasks.npz, tmp_path / "bomb.npz", words)
    with zipfile.ZipFile(tmp_path / "lzma.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("inputs.npy", npy("(1, 67108864)")[: 128 + 67108864])
        archive.writestr("labels.npy", labels.getvalue())
    refused(tasks.npz, tmp_path / "lzma.npz", "packs 'inputs' in an unusual way")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for read in (tasks.idx, tasks.npz):
        with pytest.raises(ValueError, match=r"cannot be read \(it is a pipe or a device"):
            read(tmp_path / "pipe")
