"""Lanes: independent computations in lockstep, split over devices and, on each, into blocks that stay in cache.

Chains, learning curves, mempools and attacks all run in the same way: `lay_out` decides how lanes are spread over
devices, `sharded` makes the program, `Layout.pad` its arguments, and `Layout.cut` keeps the results asked for.
"""

import contextlib
import contextvars
import dataclasses
import importlib.util
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, PartitionSpec

from polejax._core import checks
from polejax._core.types import Array

REGISTER = 128  # lanes of a TPU's register; its compiler takes three times as long for widths that are no multiple
_MOST = 2**15  # lanes that fill a GPU or TPU several times over; with more, a TPU's compiler takes minutes
CACHE = 3 * 2**20  # bytes of a CPU core's cache that lanes may fill
_UNTOLD = 2**33  # bytes of memory assumed of a device that does not report it: half of the smallest GPUs and TPUs used

_Nest = TypeVar("_Nest")


@dataclasses.dataclass(frozen=True)
class Layout:
    """How lanes are spread over devices.

    Attributes:
      count: number of lanes asked for.
      lanes: number of lanes that advance in lockstep on each device.
      devices: over which the lanes are split.
    """

    count: int
    lanes: int
    devices: tuple[Any, ...]

    @property
    def width(self) -> int:
        """Number of lanes that advance in lockstep on all devices together."""
        return self.lanes * len(self.devices)

    @property
    def turns(self) -> int:
        """Number of blocks of lanes that follow one another on each device."""
        return -(-self.count // self.width)

    @property
    def filled(self) -> int:
        """Number of lanes computed: those asked for, and repetitions of the last one to fill the last blocks."""
        return self.turns * self.width

    @property
    def numbers(self) -> np.ndarray:
        """For every lane that is computed, the number of the lane asked for that it repeats: int[filled]."""
        return np.minimum(np.arange(self.filled), self.count - 1)

    def pad(self, tree: _Nest) -> _Nest:
        """Arrays with leading axis `count`, their last rows repeated to a leading axis `filled`."""
        if self.filled == self.count:  # indexing keys takes a millisecond
            return tree
        padded: _Nest = rows_of(tree, self.numbers)
        return padded

    def cut(self, tree: _Nest) -> _Nest:
        """NumPy arrays of the lanes asked for, from results with leading axis `filled`."""
        cut: _Nest = jax.tree.map(lambda leaf: np.asarray(leaf)[: self.count], tree)
        return cut


def lay_out(
    count: int,
    devices: Sequence[Any] | None,
    *,
    cached: int,
    held: int,
    lanes: int | None = None,
    even: bool = True,
    together: int = 1,
) -> Layout:
    """Spread lanes over devices.

    Args:
      count: number of lanes asked for.
      devices: over which to split them; None: all local ones.
      cached: number of lanes whose data stay in the cache of a CPU core.
      held: bytes that a lane holds.
      lanes: most lanes in lockstep on each device, as a user asks (`chains`); None: see `in_lockstep`.
      even: whether all blocks of lanes have one size, so that few lanes are computed only to fill the last block; if
        not, all blocks but the last are as large as possible.
      together: number of which a block of lanes must be a multiple.

    Raises:
      ValueError: `lanes` below 1.
    """
    on = tuple(devices) if devices else chosen(devices)  # callers check what users pass
    share = -(-count // len(on))
    most = in_lockstep(share, cached, held, on) if lanes is None else checks.whole("chains", lanes, low=1)
    if not even:
        return Layout(count, min(share, most), on)
    if lanes is None and not on_cpu(on) and most > 8 * REGISTER:  # rounding up costs little here
        together = math.lcm(together, REGISTER)
    turns = -(-share // max(together, most))
    alike = -(-share // turns)
    return Layout(count, -(-alike // together) * together, on)


def chosen(devices: Sequence[Any] | None) -> tuple[Any, ...]:
    """The devices that a user asks for; None: all local ones.

    Raises:
      ValueError: an empty list, or what is no list of JAX devices.
    """
    if devices is None:
        return tuple(jax.local_devices())
    if not isinstance(devices, list | tuple) or not devices or not all(isinstance(one, jax.Device) for one in devices):
        raise ValueError(f"devices must be a list of JAX devices, got {checks.shown(devices)}: see jax.local_devices()")
    return tuple(devices)


def rows_of(tree: _Nest, rows: Array) -> _Nest:
    """Rows of arrays, indexed on the host, so that nothing is compiled, except for keys, which NumPy cannot hold."""

    def look_up(leaf: Any) -> Any:
        return leaf[rows] if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)[rows]

    found: _Nest = jax.tree.map(look_up, tree)
    return found


def in_lockstep(needed: int, cached: int, held: int, devices: Sequence[Any]) -> int:
    """How many lanes advance in lockstep on each device, at least 1.

    On a CPU at most as many as stay in cache; on a GPU or TPU as many as still add speed. They must fit into a quarter
    of the device's memory.

    Args:
      needed: lanes that the device is to advance.
      cached: lanes whose data fit into the cache of a CPU core.
      held: bytes that a lane holds.
      devices: of one kind.
    """
    most = memory(devices[0]) // 4 // max(held, 1)
    if on_cpu(devices):
        return max(1, min(needed, most, cached))
    most = min(most, _MOST)
    return max(1, min(needed, most // REGISTER * REGISTER if most > REGISTER else most))


def in_cache(held: int) -> int:
    """How many lanes of `held` bytes each stay in the cache of a CPU core, at least 1; on a GPU or TPU any number."""
    if not on_cpu():
        return sys.maxsize
    return max(1, CACHE // held)


def memory(device: Any) -> int:
    """Bytes of memory that JAX may use of a device."""
    try:
        told = device.memory_stats() or {}
    except RuntimeError:  # the device is not attached: programs are only compiled for it
        told = {}
    return int(told.get("bytes_limit", _UNTOLD))


def wide(devices: tuple[Any, ...]) -> dict[str, Any] | None:
    """Compiler options for 512-bit vectors on CPUs: XLA's default of 256 bits is a fifth slower for these programs.

    Only for programs of elementwise loops: the width also decides how a sum is split, and so its bits.
    """
    return {"xla_cpu_prefer_vector_width": 512} if on_cpu(devices) else None


def sharded(
    block: Callable[..., Any],
    lanes: int,
    devices: tuple[Any, ...],
    replicated: tuple[int, ...],
    num: int,
    options: dict[str, Any] | None = None,
) -> Callable[..., Any]:
    """Run a function of `lanes` lanes over any number of lanes, on all devices at once.

    Devices do not communicate, so a lane's result depends neither on the devices nor on the lane's place.

    Args:
      block: function of `num` arguments; the leading axis of its results, and of all arguments that are not replicated,
        has length `lanes`.
      lanes: number of lanes that advance in lockstep on each device; further blocks of lanes follow in a `lax.map`. On
        a CPU, a block whose data stay in cache through all of its steps makes training twice as fast.
      devices: over which to split the leading axis.
      replicated: positions of the arguments that all lanes share.
      num: number of arguments.
      options: for the compiler.

    Returns:
      The compiled function of the same arguments, whose leading axis is a multiple of `lanes * len(devices)`.
    """
    mesh = jax.make_mesh((len(devices),), ("lane",), axis_types=(AxisType.Auto,), devices=devices)
    split = [index for index in range(num) if index not in replicated]

    def on_device(*arguments: Any) -> Any:
        def apply(parts: Any) -> Any:
            merged = list(arguments)
            for index, part in zip(split, parts, strict=True):
                merged[index] = part
            return block(*merged)

        varying = [arguments[index] for index in split]
        count = jax.tree.leaves(varying)[0].shape[0]
        if count == lanes:
            return apply(varying)
        blocks = jax.tree.map(lambda leaf: leaf.reshape(count // lanes, lanes, *leaf.shape[1:]), varying)
        results = jax.lax.map(apply, blocks)
        return jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]), results)

    specs = tuple(PartitionSpec() if index in replicated else PartitionSpec("lane") for index in range(num))
    return jax.jit(
        jax.shard_map(on_device, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("lane"), check_vma=False),
        compiler_options=options,
    )


def each(function: Callable[..., Any], lanes: int, replicated: tuple[int, ...], num: int) -> Callable[..., Any]:
    """Make a function of one lane the `block` of `lanes` lanes that `sharded` asks for."""
    if lanes > 1:
        return jax.vmap(function, in_axes=tuple(None if index in replicated else 0 for index in range(num)))

    def single(*arguments: Any) -> Any:  # without vmap, `cond` and `while_loop` really skip work
        merged = [
            part if index in replicated else jax.tree.map(lambda leaf: leaf[0], part)
            for index, part in enumerate(arguments)
        ]
        return jax.tree.map(lambda leaf: leaf[None], function(*merged))

    return single


_assumed: contextvars.ContextVar[str | None] = contextvars.ContextVar("_assumed", default=None)


@contextlib.contextmanager
def assumed_on_cpu() -> Iterator[None]:
    """Trace programs in their form for CPUs inside the `with` block, whatever the devices are."""
    token = _assumed.set("cpu")
    try:
        yield
    finally:
        _assumed.reset(token)


def _backend() -> str:
    return _assumed.get() or jax.default_backend()


def on_cpu(devices: Sequence[Any] | None = None) -> bool:
    """Whether devices, all of one kind, are CPU cores; None: those that programs run on by default."""
    return bool((_backend() if devices is None else devices[0].platform) == "cpu")


def takes_kernels() -> bool:
    """Whether Pallas compiles for the device: a TPU, or a GPU from NVIDIA's Ampere on, while JAX has Triton."""
    if _backend() != "gpu":
        return _backend() == "tpu"
    capability = getattr(jax.local_devices()[0], "compute_capability", "")  # "7.5" of NVIDIA's, "gfx942" of AMD's
    is_old = re.fullmatch(r"[1-7]\.\d", capability) is not None
    return not is_old and importlib.util.find_spec("jax.experimental.pallas.triton") is not None


def with_kernels(plain: Callable[..., Any], kernels: Mapping[str, Callable[..., Any]], *arguments: Any) -> Any:
    """Apply the form of a function that suits the device: on a GPU or TPU that takes Pallas kernels, its kernel.

    Args:
      plain: the function in plain JAX, for every other device.
      kernels: the same function as a Pallas kernel, by platform: "gpu" and "tpu".
      arguments: of the function.
    """
    if not takes_kernels():
        return plain(*arguments)
    return jax.lax.platform_dependent(*arguments, cpu=plain, tpu=kernels["tpu"], default=kernels["gpu"])
