"""netCDF files: written whole and sealed or not at all, read only where the seal is right and all is in its place."""

import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polejax._core import paths, seal, unfinished

Variables = dict[str, tuple[tuple[str, ...], np.ndarray]]
"""Arrays by name, each with the names of its dimensions."""

ShapeOf = Callable[[str, int], tuple[int, ...]]
"""The shape that an array must have, by its name and its number of axes."""

FaultOf = Callable[[dict[str, Any]], str | None]
"""What is wrong with a file's attributes, in words; None: nothing."""

_FILTERS = (1, 2, 3)  # deflate, shuffle, fletcher32 (HDF5's numbers)
_MOST_PACKED = 1_040  # deflate never packs more bytes than 1,032 into one


def encode(variables: Variables, attributes: dict[str, str | int | float]) -> bytes:
    """The bytes of a netCDF 4 file, every chunk of it with its checksum, and all of it sealed (`_core.seal`)."""
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
    return seal.seal(buffer)


def _dimension(file: Any, name: str, size: int, index: int) -> Any:
    """Add a dimension without coordinates as netCDF 4 stores it: an HDF5 dimension scale (Unidata, file format)."""
    scale = file.create_dataset(name, (size,), dtype=">f4", track_order=True)
    scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:10d}")
    scale.attrs["_Netcdf4Dimid"] = np.int32(index)
    return scale


class Unexpected(Exception):
    """A sound file is another than was expected."""


def read(
    path: str,
    names: list[str] | None = None,
    shape_of: ShapeOf | None = None,
    fault_of: FaultOf | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file's arrays (all, or those of `names` that the file has) and its attributes.

    HDF5 sees the file only after its seal has been found right, and arrays are read only where they lie in the file
    itself, in the form that `encode` gives them. Files could otherwise name other files of this machine as their
    content, or promise more than fits in memory.

    Args:
      path: of a file of `encode`'s.
      names: of the arrays; None: all.
      shape_of: gives the shape that an array must have by its name and its number of axes; None: any.
      fault_of: says of the attributes what is wrong with them, before arrays are looked at.

    Raises:
      Unexpected: `fault_of` found a fault.
      seal.Damaged: the file's bytes are not those that were written, or not in that form.
      OSError: it cannot be read.
    """
    import h5py

    with seal.opened(path) as opened:
        try:
            with h5py.File(opened, "r") as file:
                attributes = {name: _plain(name, file.attrs[name]) for name in file.attrs if name[:1] != "_"}
                fault = fault_of(attributes) if fault_of is not None else None
                if fault is not None:
                    raise Unexpected(fault)
                found = list(_variables(file, names, shape_of))  # every check comes before the first array
                return {name: _array(variable) for name, variable in found}, attributes
        except (seal.Damaged, Unexpected):
            raise
        except Exception as error:  # h5py raises many kinds of exceptions on what it cannot read
            raise seal.Damaged(paths.reason(error)) from None


def _variables(file: Any, names: list[str] | None, shape_of: ShapeOf | None) -> Iterator[tuple[str, Any]]:
    """The file's arrays that are wanted, all that it holds having been found to be in the form of `encode`."""
    import h5py

    for name in file:
        link = file.id.links.get_info(name.encode())
        if link.type != h5py.h5l.TYPE_HARD:
            raise seal.Damaged(f"{name!r} is a link to another place")
        variable = file[name]
        if not isinstance(variable, h5py.Dataset):
            raise seal.Damaged(f"{name!r} is not an array")
        wanted = names is None or name in names
        about = variable.id.get_create_plist()
        if about.get_external_count() or about.get_layout() == h5py.h5d.VIRTUAL:
            raise seal.Damaged(f"{name!r} lies in another file")
        if any(about.get_filter(index)[0] not in _FILTERS for index in range(about.get_nfilters())):
            raise seal.Damaged(f"{name!r} is packed by a filter that polejax does not use")
        if variable.attrs.get("CLASS") == b"DIMENSION_SCALE":
            continue  # a dimension without coordinates: nothing to read
        if variable.dtype.kind not in "biuf":
            raise seal.Damaged(f"{name!r} holds no numbers")
        held = variable.id.get_storage_size()
        if variable.nbytes > _MOST_PACKED * held:
            raise seal.Damaged(f"{name!r} promises {variable.nbytes:,} bytes, and the file holds {held:,} of it")
        if shape_of is not None and variable.shape != shape_of(name, variable.ndim):
            raise seal.Damaged(f"{name!r} has shape {variable.shape}, not {shape_of(name, variable.ndim)}")
        if wanted:
            yield name, variable


def _array(variable: Any) -> np.ndarray:
    array = np.asarray(variable[...])
    return array.astype(bool) if variable.attrs.get("dtype") == "bool" else array


def _plain(name: str, value: Any) -> str | int | float:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, str | int | float):
        raise seal.Damaged(f"attribute {name!r} is neither a word nor a number")
    return value


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
