"""History: the record of a simulated chain."""

import jax.numpy as jnp
import numpy as np

from polejax._core.brief import sizes
from polejax._core.record import record, replace, static
from polejax._core.types import Array
from polejax.consensus.chain import Canonical
from polejax.consensus.claims import Learning, Taken
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.recorded import fewest_curves
from polejax.consensus.round import Blocks, Round
from polejax.consensus.scenario import Scenario


@record
class History:
    """The canonical chain above genesis, and how many blocks were published beside it.

    Every array may have a leading axis of S seeds. Heights that are not `settled` count in no statistic: all from a
    flawed claim on, and those at the end on which nodes still disagree after more heights were played
    (`polejax.consensus.chain`), which happens only where delays are long compared with intervals.

    Attributes:
      interval: f32[H], seconds from the parent's publishing to the block's.
      producer: i32[H], index of the node that produced the block.
      score: f32[H], the claim's score (PoLe: verified test accuracy, a fraction; PoW: 1).
      difficulty: f32[H], the difficulty that the block met (PoW: expected hashes; PoLe: accuracy threshold).
      commitment: u32[H, 8], what the header commits to (a model's parameters, a proof of work); None: no hashes.
      tip: u32[H, 8], the block's SHA-256 hash; None where the mechanism needs no hashes.
      settled: bool[H], whether every node's branch holds the block, and no claim up to it was flawed.
      published: i32[H], blocks published at the height, the canonical one included.
      published_by: i32[N], number of blocks that each node published at settled heights.
      fallback: bool[H], whether no node finished and the deadline's rule made the block.
      useful: f32[H], work units of all nodes until they finished or closed the height; None: no work was computed.
      computed: f32[H], work units that the program computed for that; None: no work was computed.
      learning: the canonical blocks' models, each leaf [H, ...]; None: blocks carry no models.
      taken: the canonical blocks' tasks, each leaf [H]; None: there is no stream of tasks.
      rounds: records [H, N] of every node; None unless asked for.
      flawed: bool[H], whether a claim up to this height had NaN or negative work, or no node published a block, which
        is a fault of the mechanism; or power or difficulty had left its range (`polejax.consensus.range_checks`).
        None: there were no claims, as blocks were drawn as one Poisson process.
      censored: bool[H], whether at this height a recorded learning curve of a `Replay` ended before its node had closed
        the height or given up: training on, the node might have changed the block. None: no recorded curve ends early.
      curves: recorded learning curves that nodes repeated, those of the smallest bank; None: nothing was repeated.
    """

    interval: Array
    producer: Array
    score: Array
    difficulty: Array
    commitment: Array | None
    tip: Array | None
    settled: Array
    published: Array
    published_by: Array
    fallback: Array
    useful: Array | None
    computed: Array | None
    learning: Learning | None
    taken: Taken | None = None
    rounds: Round | None = None
    flawed: Array | None = None
    censored: Array | None = None
    curves: int | None = static(default=None)

    def __repr__(self) -> str:
        """Its size."""
        words = ("seeds", "blocks") if np.ndim(self.interval) > 1 else ("blocks",)
        rounds = "" if self.rounds is None else ", all rounds kept"
        nodes = sizes(np.shape(self.published_by)[-1:], "nodes")
        return f"History({sizes(np.shape(self.interval), *words)}, {nodes}{rounds})"

    @property
    def num_blocks(self) -> int:
        """Number of heights H, unsettled ones included."""
        return self.interval.shape[-1]

    @property
    def num_nodes(self) -> int:
        """Number of nodes N."""
        return self.published_by.shape[-1]


def from_chain(
    scenario: Scenario, published_by: Array, canonical: Canonical, rounds: Round, keep_rounds: bool = False
) -> History:
    """History of one chain's H heights from the walk back along its rounds; `keep_rounds` keeps the [H, N] records."""
    heights = canonical.producer.shape
    constant = jnp.broadcast_to(scenario.mechanism.initial_difficulty, heights)
    blocks = _told(scenario.mechanism, canonical.blocks, constant, rounds.fallback)
    if keep_rounds:
        every = rounds.source.shape
        fallback = jnp.broadcast_to(rounds.fallback[:, None], every)
        told = _told(scenario.mechanism, rounds.blocks, jnp.broadcast_to(constant[:, None], every), fallback)
        rounds = replace(rounds, blocks=told)
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
        flawed=rounds.flawed,
        censored=rounds.censored,
        curves=fewest_curves(scenario),
    )


def _told(mechanism: Mechanism, blocks: Blocks, constant: Array, fallback: Array) -> Blocks:
    """Blocks [...] with score and learning looked up, where rounds stored only the claims' references."""
    if blocks.reference is None:
        return blocks
    difficulty = constant if blocks.difficulty is None else blocks.difficulty
    score, learning = mechanism.look_up(blocks.reference, difficulty, fallback)
    return replace(blocks, score=score, learning=learning, reference=None)
