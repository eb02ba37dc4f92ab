"""netCDF files: written whole or not at all, read only where every checksum holds."""

import io
import os
from typing import Any

import numpy as np

from polejax._core import unfinished

Variables = dict[str, tuple[tuple[str, ...], np.ndarray]]
"""Arrays by name, each with the names of its dimensions."""


def encode(variables: Variables, attributes: dict[str, str | int | float]) -> bytes:
    """The bytes of a netCDF 4 file, every chunk of it with its checksum."""
    import h5py

    # h5netcdf would write the same file in five times the time, and while a study's last shard is written nothing else
    # is computed.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=True) as file:
        scales: dict[str, Any] = {}
        for name, (dims, array) in variables.items():
            for dim, size in zip(dims, array.shape, strict=True):
                if dim not in scales:
                    scales[dim] = _dimension(file, dim, size, len(scales))
            stored = array.astype(np.int8) if array.dtype == bool else array
            # Intervals are not compressed: their mantissas are random. Integers compress best byte by byte (shuffled),
            # accuracies and other floats with few distinct values number by number.
            packing: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": array.dtype.kind != "f"}
            packing = {} if name == "interval" else packing
            chunks = tuple(max(1, size) for size in array.shape)
            variable = file.create_dataset(
                name, data=stored, chunks=chunks, fletcher32=True, track_order=True, **packing
            )
            for axis, dim in enumerate(dims):
                variable.dims[axis].attach_scale(scales[dim])
            variable.attrs["_Netcdf4Coordinates"] = np.array([list(scales).index(dim) for dim in dims], np.int32)
            if array.dtype == bool:
                variable.attrs["dtype"] = "bool"  # xarray's convention
        for name, value in attributes.items():
            file.attrs[name] = value
    return buffer.getvalue()


def _dimension(file: Any, name: str, size: int, index: int) -> Any:
    """Add a dimension without coordinates as netCDF 4 stores it: an HDF5 dimension scale (Unidata, file format)."""
    scale = file.create_dataset(name, (size,), dtype=">f4", track_order=True)
    scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:10d}")
    scale.attrs["_Netcdf4Dimid"] = np.int32(index)
    return scale


def read(path: str, names: list[str] | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file's arrays (all, or those of `names` that the file has) and its attributes.

    Raises:
      Exception: the file is damaged; h5py raises OSError and other kinds.
    """
    import h5netcdf

    with h5netcdf.File(path, "r") as file:
        arrays = {}
        for name in file.variables if names is None else [name for name in names if name in file.variables]:
            variable = file.variables[name]
            arrays[name] = np.asarray(variable[...])
            if variable.attrs.get("dtype") == "bool":
                arrays[name] = arrays[name].astype(bool)
        return arrays, dict(file.attrs)


def write_whole(path: str, content: bytes, process: int = 0) -> None:
    """Write a file so that it appears under its name only when every byte is on the disk.

    Raises:
      OSError: the disk is full, the folder cannot be written, and so on; nothing is left behind.
    """
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.p{process}.part")
    try:
        with unfinished.noted(temporary):
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
