"""History: what is kept of a chain."""

from typing import Any

import jax.numpy as jnp

from polejax._core.record import record, replace
from polejax._core.types import Array
from polejax.consensus.chain import Canonical, Round
from polejax.consensus.mechanism import Learning


@record
class History:
    """The canonical chain above genesis, and what was published beside it. `S` seeds may lead every axis.

    Heights that are not `settled` (the last few: some node may still follow another branch) count in no statistic.
    """

    interval: Array  # f32[H], s from the parent's publishing to the block's
    producer: Array  # i32[H], index of the node that produced the block
    score: Array  # f32[H], of the block's claim (PoLe: verified test accuracy; PoW: 1)
    difficulty: Array  # f32[H], that the block met (PoW: expected hashes; PoLe: accuracy threshold)
    commitment: Array | None  # u32[H, 8], what the header commits to: the model's parameters, the proof of work
    tip: Array | None  # u32[H, 8], the block's SHA-256 hash; None where the mechanism needs no hashes
    settled: Array  # bool[H], every node's branch holds the block
    published: Array  # i32[H], blocks published at the height, the canonical one included
    published_by: Array  # i32[N], blocks each node published at settled heights
    fallback: Array  # bool[H], nobody finished: the deadline's rule made the block
    useful: Array | None  # f32[H], work of all nodes until they finished or heard; only of mechanisms that compute it
    computed: Array | None  # f32[H], work the program did for that
    learning: Learning | None  # of the canonical blocks that carry a model, each leaf [H, ...]
    taken: Any = None  # tasks of the canonical blocks (`polejax.task_stream.Taken`), each leaf [H]; None: no stream
    rounds: Round | None = None  # [H, N] records of every node, only when asked for

    @property
    def num_blocks(self) -> int:
        """Number of heights H, unsettled ones included."""
        return self.interval.shape[-1]

    @property
    def num_nodes(self) -> int:
        """Number of nodes N."""
        return self.published_by.shape[-1]


def from_chain(
    scenario: Any, published_by: Array, canonical: Canonical, rounds: Round, keep_rounds: bool = False
) -> History:
    """History of one chain's H heights from the walk back along its rounds; `keep_rounds` keeps the [H, N] records."""
    blocks, heights = canonical.blocks, canonical.producer.shape
    constant = jnp.broadcast_to(scenario.mechanism.initial_difficulty, heights)
    recall = getattr(scenario.mechanism, "recall", None)
    if recall is not None:
        blocks = recall(blocks, constant if blocks.difficulty is None else blocks.difficulty, rounds.fallback)
        rounds = _recalled(recall, rounds, constant) if keep_rounds else rounds
    return History(
        interval=blocks.interval,
        producer=canonical.producer,
        score=jnp.ones(heights) if blocks.score is None else blocks.score,
        difficulty=constant if blocks.difficulty is None else blocks.difficulty,
        commitment=blocks.commitment,
        tip=blocks.tip,
        settled=canonical.settled,
        published=canonical.published,
        published_by=published_by,
        fallback=rounds.fallback,
        useful=rounds.useful,
        computed=rounds.computed,
        learning=blocks.learning,
        taken=blocks.taken,
        rounds=rounds if keep_rounds else None,
    )


def _recalled(recall: Any, rounds: Round, constant: Array) -> Round:
    """Rounds [H, N] of a mechanism that has kept its claims brief, with what they stand for."""
    shape = rounds.source.shape
    difficulty = rounds.blocks.difficulty
    difficulty = jnp.broadcast_to(constant[:, None], shape) if difficulty is None else difficulty
    return replace(rounds, blocks=recall(rounds.blocks, difficulty, jnp.broadcast_to(rounds.fallback[:, None], shape)))
