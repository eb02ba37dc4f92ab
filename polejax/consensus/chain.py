"""The chain: rounds that extend every node's view, and the walk back that finds the canonical blocks.

A round is a min-plus product. Let node i hear of height h - 1 at `start[i]` and need `work[i]` for height h:

    publish[j] = start[j] + work[j] / power[j]
    arrival[i] = min_j (publish[j] + D[j, i]),   source[i] = the j of that minimum
    node i publishes a block at height h   <=>   source[i] == i
    start'     = arrival,   view'[i] = view[source[i]] extended by block (h, source[i])

where the first block heard wins; of other rules, `polejax.election` says what stands for the middle two lines.

It is exact for delays D >= 0 that obey the triangle inequality: a node that stopped at hearing k's block is first
nowhere, as publish[k] + D[k, i] <= publish[k] + D[k, j] + D[j, i] <= publish[j] + D[j, i], so the minimum over all
nodes is the one over publishers; and nobody hears of height h + 1 before height h, so heights follow one another even
when delays exceed block intervals (ours; tests/event_simulator.py is the independent check).
"""

from typing import Any

import jax
import jax.numpy as jnp

from polejax._core.record import record
from polejax._core.types import Array
from polejax.consensus.mechanism import Claims, Learning, Views
from polejax.consensus.power_schedule import at_height
from polejax.consensus.scenario import Scenario
from polejax.crypto import header, sha256


@record
class Blocks:
    """The blocks that nodes would publish at one height, leading axis N; only those that `Round` says exist."""

    interval: Array  # f32[N], s since the parent was published
    score: Array | None  # f32[N]; None of a mechanism that says its claims are all alike: 1
    difficulty: Array | None  # f32[N]; None under a controller that never moves it
    commitment: Array | None  # u32[N, 8], None where the mechanism needs no hashes, like the tip
    tip: Array | None  # u32[N, 8]
    learning: Learning | None
    taken: Any = None  # the tasks that they are for (`polejax.task_stream.Taken`); None of mechanisms without a stream


@record
class Round:
    """What one height leaves behind."""

    source: Array  # i32[N]: whose block each node took for this height
    blocks: Blocks
    fallback: Array  # bool[]: nobody finished before the deadline
    useful: Array | None  # f32[]: work that nodes did before they finished or closed the height, of all nodes
    computed: Array | None  # f32[]: work that the program did for it
    published: Array | None = None  # bool[N]: who published; None: exactly those who took their own block


def genesis(key: Array, scenario: Scenario) -> Views:
    """Views of all nodes at genesis, which everyone knows from time 0 on; its tip hashes the chain's key."""
    zeros = jnp.zeros_like(scenario.nodes.power)
    controller = scenario.difficulty.start(jnp.broadcast_to(scenario.mechanism.initial_difficulty, zeros.shape))
    tip = None
    if scenario.mechanism.hashes_tips:
        words = jnp.concatenate([jnp.asarray(header.GENESIS), jax.random.key_data(key).reshape(-1)])
        tip = jnp.broadcast_to(sha256.digest_words(words), (*zeros.shape, 8))
    rivals = jnp.int32(0) if getattr(scenario.difficulty, "counts_uncles", False) else None
    open_queue = getattr(scenario.mechanism, "open_queue", None)
    queue = None if open_queue is None else open_queue(zeros.size)
    return Views(jnp.int32(1), zeros, zeros, tip, scenario.difficulty.level(controller), controller, rivals, queue)


def play_round(key: Array, scenario: Scenario, views: Views) -> tuple[Views, Round]:
    """Race for one height and spread its blocks.

    Args:
      key: of the whole chain; the height is folded in here.
      scenario: with arrays of N nodes.
      views: of all nodes, before.

    Returns:
      The views after, their times moved to the new origin, and the `Round`.
    """
    nodes = at_height(scenario.nodes, views.height)
    # Heights count from 1, so that 0 sets the network's random numbers apart from the race's.
    network = scenario.network.sample(jax.random.fold_in(jax.random.fold_in(key, 0), views.height))
    listening = scenario.election.listening(network, views)
    claims = scenario.mechanism.race(jax.random.fold_in(key, views.height), views, nodes, listening)
    publish = jnp.where(claims.valid, views.start + nodes.seconds(claims.work), jnp.inf)
    close, source, published = scenario.election.elect(publish, claims, network, views)
    origin = publish.min()  # which is the first arrival too
    blocks, controller = _blocks(scenario, views, claims, publish - views.stamp)
    queue = views.queue
    if queue is not None:
        # Heights never reach this number, so that postings are apart from the race's and the network's numbers.
        posting = jax.random.fold_in(jax.random.fold_in(key, jnp.uint32(0xFFFFFFFF)), views.height)
        queue = scenario.mechanism.extend_queue(posting, queue, blocks.interval, claims)
    extended = (blocks.tip, controller if scenario.difficulty.per_branch else None, queue)
    tip, followed, queue = jax.tree.map(lambda leaf: leaf[source], extended)
    controller = followed if scenario.difficulty.per_branch else views.controller
    rivals = views.rivals
    if rivals is not None:
        own = source == jnp.arange(nodes.count) if published is None else published
        rivals = own.sum(dtype=jnp.int32) - 1
    after = Views(
        views.height + 1,
        close - origin,
        publish[source] - origin,
        tip,
        scenario.difficulty.level(controller),
        controller,
        rivals,
        queue,
    )
    useful = computed = None
    if claims.computed is not None:
        done = jnp.minimum(claims.work, (close - views.start) * nodes.power)
        useful, computed = done.sum(), claims.computed.sum()
    fallback = jnp.bool_(False) if claims.fallback is None else claims.fallback
    return after, Round(source, blocks, fallback, useful, computed, published)


def _blocks(scenario: Scenario, views: Views, claims: Claims, interval: Array) -> tuple[Blocks, Any]:
    """The block every node would publish, and the difficulty controller's state behind it."""
    tip = None
    if scenario.mechanism.hashes_tips:
        tip = header.tip(views.height, views.tip, scenario.nodes.address, claims.commitment, interval)
    uncles = jnp.int32(0) if views.rivals is None else views.rivals
    controller = scenario.difficulty.extend(views.controller, interval, views.height, uncles)
    commitment = None if tip is None else claims.commitment
    # What never changes is not written down at every height: it would cost as much as the race itself.
    score = claims.score if getattr(scenario.mechanism, "scored", True) else None
    difficulty = views.difficulty if scenario.difficulty.per_branch else None
    taken = getattr(views.queue, "taken", None)
    return Blocks(interval, score, difficulty, commitment, tip, claims.learning, taken), controller


def advance(key: Array, scenario: Scenario, views: Views, num_blocks: int) -> tuple[Views, Round]:
    """Play `num_blocks` rounds on from `views`: the views after, and the rounds with a leading axis of heights."""
    return jax.lax.scan(lambda views, _: play_round(key, scenario, views), views, length=num_blocks)


@record
class Canonical:
    """What the walk back finds at each height; leading axis of heights."""

    producer: Array  # i32[H]: who produced the canonical block
    blocks: Blocks  # of the canonical blocks, each leaf [H, ...]
    settled: Array  # bool[H]: every node's branch has this block, so that no later block can change it
    published: Array  # i32[H]: how many blocks were published at the height


def settle(rounds: Round, holders: Array) -> tuple[Array, Array, Canonical]:
    """Walk back from the nodes' tips along parents.

    Args:
      rounds: H rounds, leading axis of heights.
      holders: i32[N], for each node's branch the node whose *view* after the last of these rounds it descends from;
        `arange(N)` at the end of a chain.

    Returns:
      The same map before the first of these rounds, i32[N]; the blocks that each node published at settled heights,
      i32[N]; and `Canonical`: canonical[h - 1] = source[h - 1, canonical[h]]. The canonical branch is that of node 0's
      tip; where `settled`, it is everyone's.
    """
    nodes = jnp.arange(rounds.source.shape[-1], dtype=rounds.source.dtype)

    def back(carry: tuple[Array, Array], height: Round) -> tuple[tuple[Array, Array], Canonical]:
        holders, published_by = carry
        holders = height.source[holders]
        producer = holders[0]
        settled = (holders == producer).all()
        published = height.source == nodes if height.published is None else height.published
        blocks = jax.tree.map(lambda leaf: leaf[producer], height.blocks)
        carry = holders, published_by + (published & settled).astype(jnp.int32)
        return carry, Canonical(producer, blocks, settled, published.sum(dtype=jnp.int32))

    nothing = jnp.zeros_like(nodes)
    (holders, published_by), canonical = jax.lax.scan(back, (holders, nothing), rounds, reverse=True)
    return holders, published_by, canonical
