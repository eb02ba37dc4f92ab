"""Proof of Work, really hashed: double SHA-256 of Bitcoin's headers against a target. A demonstration, not a miner."""

import jax
import jax.numpy as jnp

from polejax._core import checks, draw, lanes
from polejax._core.record import axes, convert, static
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening, closes
from polejax.consensus.mechanism import Mechanism, Profile
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views
from polejax.crypto import header, nonces, sha256, target

_HARDEST = 2.0**32  # difficulty to which rules may raise it: what lies beyond would take days, and is flagged
_LONGEST = 2.0**28  # expected hashes: a demonstration that would take hours is a mistake


class HashedPoW(Mechanism):
    """Proof of Work by hashing: the work to a block is the number of hashes tried until one meets the target.

    Every node searches nonces under its own header: version, its view's tip, a Merkle root that commits to its address
    and to its random number of the round (as a coinbase transaction does), the times the nonces ran out, the target's
    bits, the nonce. The search stops when every node has heard of a block or can no longer be first.

    Args:
      work: f32[], expected hashes per block at the start, 1 to 2^28. Bitcoin's compact encoding of the target rounds it
        up by less than 1 in 2^15.
      chunk: nonces per node and step of the search, a power of two from 4 to 2^20; None: as many as make 4,096 hashes
        with all nodes on a CPU, which its cache holds, and 65,536 on a GPU or TPU, which fill it.

    Raises:
      ValueError: work out of range, or a chunk that is no power of two.

    Source: Nakamoto 2008, section 4; Bitcoin Core's `CheckProofOfWork` and `arith_uint256::SetCompact`.
    """

    work: Numeric = axes(0)
    chunk: int | None = static(default=None)

    def __post_init__(self) -> None:
        convert(
            self,
            work=lambda work: checks.real("work", work, low=1.0, high=_LONGEST),
            chunk=lambda chunk: chunk if chunk is None else checks.whole("chunk", chunk, low=4, high=2**20),
        )
        if self.chunk is not None and self.chunk & (self.chunk - 1):
            raise ValueError(f"chunk must be a power of two, got {self.chunk}: nonces then wrap between two chunks")

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`; a node holds digests of nonces tried at a time, of all nodes' without `chunk`."""
        held = 64 * (self.chunk or _at_once())
        return Profile(hashes_tips=True, scored=False, heights_per_call=256, cached_lanes=16, bytes_per_node=held)

    @property
    def initial_difficulty(self) -> Array:
        """f32[], expected hashes for the first block."""
        return self.work

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of nodes that really hashed, work f32[N] in hashes tried; see `Mechanism.race`."""
        count = nodes.address.shape[0]
        chunk = self.chunk or max(16, 2 ** ((_at_once() // count).bit_length() - 1))
        bits = target.bits_from_difficulty(views.difficulty)
        goal = target.from_bits(bits)
        coinbase = jnp.stack([nodes.address, draw.bits(key, nodes.address)], axis=-1)
        words = header.pow_words(
            jnp.uint32(2), views.tip, header.double_digest(coinbase), jnp.uint32(0), bits, jnp.uint32(0)
        )
        midstate, tail = header.midstate(words[:, :16]), words[:, 16:19]

        too_hard = ~(views.difficulty <= _HARDEST).all()

        def undecided(search: tuple[Array, ...]) -> Array:
            chunks, found, tries, _ = search
            publish = jnp.where(found, views.start + nodes.seconds(tries), jnp.inf)
            close = closes(listening, publish)
            now = views.start + nodes.seconds(chunks.astype(jnp.float32) * chunk)
            return (~found & (now < close)).any() & ~too_hard

        def step(search: tuple[Array, ...]) -> tuple[Array, ...]:
            chunks, found, tries, proof = search
            rolled = (chunks // (2**32 // chunk)).astype(jnp.uint32)
            timed = tail.at[:, 1].set(sha256.reverse_bytes(rolled[None])[0])
            digests = nonces.digests(midstate, timed, chunks.astype(jnp.uint32) * jnp.uint32(chunk), chunk)
            hits = target.meets_words(digests, [limb[:, None] for limb in goal.T])
            first = jnp.where(hits, jnp.arange(chunk), chunk).min(axis=1)
            new = ~found & (first < chunk)
            used = (chunks.astype(jnp.float32) * chunk) + (first + 1).astype(jnp.float32)
            place = jnp.minimum(first, chunk - 1)[:, None]
            best = jnp.concatenate([jnp.take_along_axis(word, place, axis=1) for word in digests], axis=1)
            return chunks + 1, found | new, jnp.where(new, used, tries), jnp.where(new[:, None], best, proof)

        nothing: tuple[Array, ...] = (
            jnp.int32(0),
            jnp.zeros(count, bool),
            jnp.zeros(count),
            jnp.zeros((count, 8), jnp.uint32),
        )
        chunks, found, tries, proof = jax.lax.while_loop(undecided, step, nothing)
        found, tries = found | too_hard, jnp.where(too_hard, jnp.nan, tries)  # NaN, so that the round is flawed
        computed = jnp.full(count, chunk, jnp.float32) * chunks.astype(jnp.float32)
        return Claims(tries, jnp.ones(count), found, commitment=proof, computed=computed)


def _at_once() -> int:
    """Nonces of all nodes that one step tries: what a CPU's cache holds, or what fills a GPU or TPU."""
    return 2**12 if lanes.on_cpu() else 2**16
