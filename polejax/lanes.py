"""Lanes: independent computations in lockstep, split over devices and, on each, into blocks that stay in cache."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, PartitionSpec


def wide(devices: tuple[Any, ...]) -> dict[str, Any] | None:
    """Options of the compiler for vectors of 512 bits, where CPUs have them: XLA's choice is 256, a fifth slower here.

    Of elementwise loops alone: how a sum is split up depends on the width.
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
