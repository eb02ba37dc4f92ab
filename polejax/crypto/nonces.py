"""Trying nonces: the double SHA-256 of one header with many nonces, two compressions each, the rest hashed once."""

import functools
import importlib.util
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core.types import Array
from polejax.crypto import sha256

_LANES = 128  # along a kernel's last axis, as wide as a TPU's registers
_ROWS = {"tpu": 8, "gpu": 2}  # one register a word on a TPU; two nonces a thread of four warps
_ROUNDS = 8  # in a row, as in `sha256`


def digests(midstate: Array, tail: Array, first: Array, count: int) -> tuple[jax.Array, ...]:
    """Hash headers with consecutive nonces: an XLA scan over rounds on a CPU, a Pallas kernel on a GPU or TPU.

    NVIDIA's GPUs before Ampere, Colab's T4 among them, take no such kernels: they scan, too, as all GPUs will on a JAX
    without its Triton backend, which it means to drop.

    XLA keeps the words between rounds in memory: in a CPU's cache if `count` and the nodes make 4,096 to 16,384 hashes
    at a time, but in main memory on a GPU. The kernel keeps them in registers, and so loops over groups of eight rounds
    inside. It has passed its tests interpreted on a CPU, and compiles for both (benchmarks/ahead_of_time.py); it has
    not run on a GPU or TPU.

    Args:
      midstate: see `header.midstate`, u32[N, 8].
      tail: the rest of each header before its nonce, u32[N, 3]: `header.pow_words(...)[..., 16:19]`.
      first: the first nonce, u32[], the same for all headers; nonces wrap at 2^32.
      count: nonces a header, static.

    Returns:
      The eight words of the digests, u32[N, count] each: `header.double_digest` of each header.
    """
    if not _takes_kernels():
        return scanned(midstate, tail, first, count)
    return jax.lax.platform_dependent(
        midstate,
        tail,
        first,
        cpu=functools.partial(scanned, count=count),
        tpu=functools.partial(in_kernel, count=count, backend="tpu"),
        default=functools.partial(in_kernel, count=count, backend="gpu"),
    )


def _takes_kernels() -> bool:
    """Whether Pallas compiles for the device: a TPU, or a GPU from NVIDIA's Ampere on, while JAX has Triton."""
    if jax.default_backend() != "gpu":
        return jax.default_backend() == "tpu"
    capability = getattr(jax.local_devices()[0], "compute_capability", "")  # "7.5" of NVIDIA's, "gfx942" of AMD's
    is_old = re.fullmatch(r"[1-7]\.\d", capability) is not None
    return not is_old and importlib.util.find_spec("jax.experimental.pallas.triton") is not None


def scanned(midstate: Array, tail: Array, first: Array, count: int) -> tuple[jax.Array, ...]:
    """`digests` by XLA on any backend, one array a word."""
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
    """`digests` by a Pallas kernel, one program for each header and tile of nonces.

    Args:
      midstate: as `digests`, whose other arguments and result these are too.
      tail: likewise.
      first: likewise.
      count: likewise.
      backend: "gpu" (Triton) or "tpu" (Mosaic).
      interpret: whether to run on any backend, slowly, as a test does.
    """
    from jax.experimental import pallas as pl  # only where it is needed: importing polejax stays light

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
        # A loop's carry that begins alike in all lanes must stay so on a TPU, or the kernel does not compile.
        return nothing | jnp.uint32(word)

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
    nothing = (place >> 31).astype(jnp.uint32)  # 0, which a TPU's compiler does not know: see `full`
    midstate = tuple(full(header[0, 0, word]) for word in range(8))
    tail = tuple(full(header[0, 0, word]) for word in range(8, 11))
    once = compress(midstate, (*tail, nonce, *map(full, _FIRST_PADDING)))
    twice = compress(tuple(map(full, sha256.INITIAL)), (*once, *map(full, _SECOND_PADDING)))
    for word in range(8):
        out[0, word] = twice[word]
