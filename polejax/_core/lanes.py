"""Lanes: independent computations in lockstep, split over devices and, on each, into blocks that stay in cache."""

import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax.sharding import AxisType, PartitionSpec

REGISTER = 128  # lanes of a TPU's register; its compiler takes three times as long for widths that are no multiple
_MOST = 2**15  # lanes that fill a GPU or TPU several times over; with more, a TPU's compiler takes minutes
CACHE = 3 * 2**20  # bytes of the cache of a CPU's core that lanes may fill
_UNTOLD = 2**33  # bytes of memory assumed of a device that does not report it: half of the smallest GPUs and TPUs used


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
    if devices[0].platform == "cpu":
        return max(1, min(needed, most, cached))
    most = min(most, _MOST)
    return max(1, min(needed, most // REGISTER * REGISTER if most > REGISTER else most))


def in_cache(held: int) -> int:
    """How many lanes of `held` bytes each stay in the cache of a CPU's core, at least 1; on a GPU or TPU any number."""
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
    return {"xla_cpu_prefer_vector_width": 512} if devices[0].platform == "cpu" else None


def sharded(
    block: Callable[..., Any],
    lanes: int,
    devices: tuple[Any, ...],
    replicated: tuple[int, ...],
    num: int,
    options: dict[str, Any] | None = None,
) -> Callable[..., Any]:
    """Run a function of `lanes` lanes over any number of them, on all devices at once.

    Devices never talk to each other, so a lane's result depends neither on their number nor on its place.

    Args:
      block: from `num` arguments to results whose leading axis, like that of every argument that is not replicated, has
        length `lanes`.
      lanes: lanes that advance in lockstep on a device; further ones follow in a `lax.map` (on a CPU, a block whose
        data stay in cache through all of its steps is what makes training twice as fast).
      devices: to split the leading axis over.
      replicated: positions of the arguments that all lanes share.
      num: number of arguments.
      options: of the compiler.

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

    def single(*arguments: Any) -> Any:  # without vmap, `cond` and `while_loop` stop computing, not only selecting
        merged = [
            part if index in replicated else jax.tree.map(lambda leaf: leaf[0], part)
            for index, part in enumerate(arguments)
        ]
        return jax.tree.map(lambda leaf: leaf[None], function(*merged))

    return single


def on_cpu() -> bool:
    """Whether programs run on a CPU unless told otherwise."""
    return jax.default_backend() == "cpu"


def takes_kernels() -> bool:
    """Whether Pallas compiles for the device: a TPU, or a GPU from NVIDIA's Ampere on, while JAX has Triton."""
    if jax.default_backend() != "gpu":
        return jax.default_backend() == "tpu"
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
