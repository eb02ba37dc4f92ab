"""Trying nonces: the double SHA-256 of one header with many nonces, two compressions each, the rest hashed once."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import lanes
from polejax._core.types import Array
from polejax.crypto import sha256

_LANES = 128  # nonces along a kernel's last axis: the width of a TPU's registers
_ROWS = {"tpu": 8, "gpu": 2}  # a word fills one register of a TPU; on a GPU each thread of four warps has two nonces
_ROUNDS = 8  # rounds unrolled in the kernel's loop, as in `sha256`


def digests(midstate: Array, tail: Array, first: Array, count: int) -> tuple[jax.Array, ...]:
    """Hash headers with consecutive nonces: an XLA scan over rounds on a CPU, a Pallas kernel on a GPU or TPU.

    Pallas does not compile for NVIDIA's GPUs before Ampere (Colab's T4, for one), nor for any GPU on a JAX without the
    Triton backend, which JAX is about to drop: these GPUs run the scan, too.

    XLA keeps the words between rounds in memory: in a CPU's cache if nodes times `count` is 4,096 to 16,384 hashes, but
    in main memory on a GPU. The kernel keeps them in registers and loops over groups of eight rounds itself. It passes
    its tests interpreted on a CPU, and compiles for GPUs and TPUs (experiments/benchmarks/ahead_of_time.py); it has not
    run on either.

    Args:
      midstate: see `header.midstate`, u32[N, 8].
      tail: the rest of each header before its nonce, u32[N, 3]: `header.pow_words(...)[..., 16:19]`.
      first: the first nonce, u32[], the same for all headers; nonces wrap at 2^32.
      count: nonces a header, static.

    Returns:
      The eight words of the digests, u32[N, count] each: `header.double_digest` of each header.
    """
    kernels = {backend: functools.partial(in_kernel, count=count, backend=backend) for backend in _ROWS}
    found: tuple[jax.Array, ...] = lanes.with_kernels(
        functools.partial(scanned, count=count), kernels, midstate, tail, first
    )
    return found


def scanned(midstate: Array, tail: Array, first: Array, count: int) -> tuple[jax.Array, ...]:
    """The digests that `digests` returns, in plain JAX on any backend: one array per word."""
    shape = (midstate.shape[0], count)

    def spread(words: Any) -> tuple[jax.Array, ...]:
        return tuple(jnp.broadcast_to(word[..., None], shape) for word in words)

    nonce = sha256.swap_bytes(first + jnp.arange(count, dtype=jnp.uint32))
    padded = [*spread(tail.T), jnp.broadcast_to(nonce, shape), *spread(_FIRST_PADDING)]
    once = sha256.compress_words(spread(midstate.T), tuple(padded))
    return sha256.compress_words(spread(sha256.INITIAL), (*once, *spread(_SECOND_PADDING)))


def in_kernel(
    midstate: Array, tail: Array, first: Array, count: int, backend: str, interpret: bool = False
) -> tuple[jax.Array, ...]:
    """The digests that `digests` returns, by a Pallas kernel: one program for each header and tile of nonces.

    Args:
      midstate: as in `digests`, u32[N, 8].
      tail: as in `digests`, u32[N, 3].
      first: as in `digests`, u32[].
      count: as in `digests`.
      backend: "gpu" (Triton) or "tpu" (Mosaic).
      interpret: run the kernel interpreted, slowly, on any backend; for tests.
    """
    from jax.experimental import pallas as pl  # imported here so that importing polejax stays fast

    headers, rows = midstate.shape[0], _ROWS[backend]
    tiles = -(-count // (rows * _LANES))
    fixed = [midstate, tail, jnp.broadcast_to(first, (headers, 1)), jnp.zeros((headers, 4), jnp.uint32)]
    options: dict[str, Any] = {}
    scalars: dict[str, Any] = {}
    if backend == "tpu":
        from jax.experimental.pallas import tpu

        scalars["memory_space"] = tpu.SMEM
    elif not interpret:
        from jax.experimental.pallas import triton

        options["compiler_params"] = triton.CompilerParams(num_warps=4, num_stages=1)
    words = pl.pallas_call(
        _kernel,
        jax.ShapeDtypeStruct((headers, 8, tiles * rows, _LANES), jnp.uint32),
        grid=(headers, tiles),
        in_specs=[
            pl.BlockSpec((1, 1, 16), lambda header, tile: (header, 0, 0), **scalars),
            pl.BlockSpec((64,), lambda header, tile: (0,), **scalars),
        ],
        out_specs=pl.BlockSpec((1, 8, rows, _LANES), lambda header, tile: (header, 0, tile, 0)),
        interpret=interpret,
        **options,
    )(jnp.concatenate(fixed, axis=1)[:, None], jnp.asarray(sha256.ROUND_CONSTANTS))
    return tuple(words.reshape(headers, 8, -1)[:, word, :count] for word in range(8))


_FIRST_PADDING = np.array([0x80000000, *[0] * 10, 640], np.uint32)  # after the header's last 16 bytes
_SECOND_PADDING = np.array([0x80000000, *[0] * 6, 256], np.uint32)  # after the first digest


def _kernel(header: Any, constants: Any, out: Any) -> None:
    """Hash a tile of nonces of one header: from scalars u32[1, 1, 16] and u32[64] to digests u32[1, 8, rows, lanes].

    `header` holds the midstate's 8 words, the tail's 3 and the first nonce.
    """
    from jax.experimental import pallas as pl

    shape = out.shape[2:]

    def full(word: Any) -> jax.Array:
        # For a TPU, a loop's carry that is known to be equal in all lanes must stay so, or the kernel does not compile:
        # `nothing` hides that these words are.
        hidden: jax.Array = nothing | jnp.uint32(word)
        return hidden

    def compress(state: tuple[jax.Array, ...], block: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        def rounds(group: jax.Array, carry: Any) -> Any:
            for number in range(_ROUNDS):
                state, schedule = carry
                carry = sha256.advance(state, schedule, constants[group * _ROUNDS + number])
            return carry

        mixed, _ = jax.lax.fori_loop(0, 64 // _ROUNDS, rounds, (state, block))
        return tuple(after + before for after, before in zip(mixed, state, strict=True))

    place = pl.program_id(1) * (shape[0] * shape[1])
    place += jax.lax.broadcasted_iota(jnp.int32, shape, 0) * shape[1] + jax.lax.broadcasted_iota(jnp.int32, shape, 1)
    nonce = sha256.swap_bytes(header[0, 0, 11] + place.astype(jnp.uint32))
    nothing = (place >> 31).astype(jnp.uint32)  # always 0, but the compiler cannot tell: see `full`
    midstate = tuple(full(header[0, 0, word]) for word in range(8))
    tail = tuple(full(header[0, 0, word]) for word in range(8, 11))
    once = compress(midstate, (*tail, nonce, *map(full, _FIRST_PADDING)))
    twice = compress(tuple(map(full, sha256.INITIAL)), (*once, *map(full, _SECOND_PADDING)))
    for word in range(8):
        out[0, word] = twice[word]
