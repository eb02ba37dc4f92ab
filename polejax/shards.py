"""Shards: the pieces of a study that are simulated, written and, after a kill, repeated whole."""

import io
import os
import time
from typing import Any

import jax
import numpy as np

from polejax import timing
from polejax.describe import as_text
from polejax.history import History
from polejax.record import record, static
from polejax.segments import simulate_many

Arrays = dict[str, np.ndarray]

DIMENSIONS = {"published_by": ("seed", "node"), None: ("seed", "height")}
"""Dimensions of the variables of a shard; None: of all others."""


@record
class Shard:
    """Consecutive seeds of one scenario."""

    scenario: int = static()  # index into the study's scenarios
    first: int = static()  # seed
    count: int = static()

    @property
    def name(self) -> str:
        """File name."""
        return f"scenario-{self.scenario:04d}-seed-{self.first:08d}.nc"


@record
class Study:
    """What a study computes, and nothing of where or how: picklable, so that executors can pass it on."""

    scenarios: tuple[Any, ...]
    num_seeds: int = static()
    num_blocks: int = static()
    seed: int = static()
    sizes: tuple[int, ...] = static()  # seeds that are simulated together, by scenario


def run_shard(study: Study, shard: Shard) -> tuple[Arrays, dict[str, float]]:
    """Simulate one shard on this process's devices; a pure function of its arguments.

    Args:
      study: the whole study.
      shard: one of its shards.

    Returns:
      Arrays by name, leading axis the shard's seeds (`variables`), and {"compile_seconds", "run_seconds"}. Seed s of
      every scenario runs under the same key, `fold_in(key(study.seed), s)`: common random numbers.
    """
    # The last shard is simulated at full size and cut, as its own size would be another program to compile.
    keys = seed_keys(study.seed, shard.first, study.sizes[shard.scenario])
    with timing.compilation() as compiling:
        begin = time.perf_counter()
        history = simulate_many(keys, study.scenarios[shard.scenario], study.num_blocks)
        seconds = time.perf_counter() - begin
    times = {"compile_seconds": compiling.seconds, "run_seconds": max(seconds - compiling.seconds, 0.0)}
    return {name: array[: shard.count] for name, array in variables(history).items()}, times


def seed_keys(seed: int, first: int, count: int) -> jax.Array:
    """Typed keys [count] of a study's chains `first`, `first + 1`, ..."""
    numbers = np.arange(first, first + count, dtype=np.uint32)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(seed), numbers)


def variables(history: History) -> Arrays:
    """The arrays of a history [S, H] that a study keeps, in dtypes as narrow as their range; hashes are left out."""
    index = np.int16 if history.num_nodes < 2**15 else np.int32
    arrays = {
        "interval": history.interval,
        "producer": history.producer.astype(index),
        "score": history.score,
        "difficulty": history.difficulty,
        "settled": history.settled,
        "published": history.published.astype(index),
        "published_by": history.published_by.astype(np.int64),
        "fallback": history.fallback,
    }
    for name in ("useful", "computed"):
        if getattr(history, name) is not None:
            arrays[name] = getattr(history, name)
    if history.learning is not None:
        arrays |= {
            "claimed": history.learning.claimed,
            "rejected": history.learning.rejected,
            "diverged": history.learning.diverged,
        }
    return arrays


def write(path: str, arrays: Arrays, attributes: dict[str, Any], process: int = 0) -> None:
    """Write arrays as netCDF 4, whole or not at all: a reader never sees a part of the file.

    Raises:
      OSError: the disk is full, the folder cannot be written, and so on; nothing is left behind.
    """
    write_whole(path, encode(arrays, attributes), process)


def encode(arrays: Arrays, attributes: dict[str, Any]) -> bytes:
    """The bytes of a netCDF 4 file, every chunk with its checksum."""
    import h5netcdf

    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        for name, array in arrays.items():
            dims = DIMENSIONS.get(name, DIMENSIONS[None])
            for dim, size in zip(dims, array.shape, strict=True):
                if dim not in file.dimensions:
                    file.dimensions[dim] = size
            # Random mantissas do not compress; whatever else there is compresses well and fast.
            packing = {} if name == "interval" else {"compression": "gzip", "compression_opts": 1, "shuffle": True}
            stored = array.astype(np.int8) if array.dtype == bool else array
            chunks = tuple(max(1, size) for size in array.shape)
            variable = file.create_variable(
                name, dims, stored.dtype, data=stored, chunks=chunks, fletcher32=True, **packing
            )
            if array.dtype == bool:
                variable.attrs["dtype"] = "bool"  # xarray's convention
        for name, value in attributes.items():
            file.attrs[name] = value if isinstance(value, str | int | float) else as_text(value)
    return buffer.getvalue()


def write_whole(path: str, content: bytes, process: int = 0) -> None:
    """Write a file so that it appears under its name only when every byte is on the disk."""
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.p{process}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def read(path: str, names: list[str] | None = None) -> tuple[Arrays, dict[str, Any]]:
    """Arrays (all, or those named that the file has) and attributes of a netCDF file.

    Raises:
      OSError: the file is damaged.
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
