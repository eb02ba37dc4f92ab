"""The round: nodes race for one height, and its blocks extend their views; the theorem as code.

A round is a min-plus product. Let node i hear of height h - 1 at `start[i]` and need `work[i]` for height h:

    finish[j]  = start[j] + work[j] / power[j]
    arrival[i] = min_j (finish[j] + D[j, i]),   source[i] = the j of that minimum
    node i publishes a block at height h   <=>   source[i] == i
    start'     = arrival,   view'[i] = view[source[i]] extended by block (h, source[i])

These lines hold where the first block heard wins. For other elections, `polejax.consensus.elections` replaces the two
lines in the middle.

A round is exact for delays D >= 0 that obey the triangle inequality. If node j stops because it hears k's block first,
its own block would be first nowhere: finish[k] + D[k, i] <= finish[k] + D[k, j] + D[j, i] <= finish[j] + D[j, i]. So
the minimum over all nodes equals the minimum over those that publish. And no node hears of height h + 1 before height
h, so heights can be simulated one after another even if delays exceed block intervals (ours; tests/event_simulator.py
is the independent check).
"""

from typing import TYPE_CHECKING

import chex
import jax
import jax.numpy as jnp

from polejax._core.record import record
from polejax._core.types import Array, Key, Tree
from polejax.consensus.claims import Claims, Learning, Taken
from polejax.consensus.nodes import Nodes
from polejax.consensus.range_checks import in_range, varies
from polejax.consensus.views import Views
from polejax.crypto import header, sha256

if TYPE_CHECKING:
    from polejax.consensus.scenario import Scenario

_NETWORK = 0  # folded into the key for random delays; heights, which are folded in for races, count from 1
_BRANCH = 0xFFFFFFFF  # folded into the key for branches' random numbers; heights never reach it


@record
class Blocks:
    """The blocks that nodes would publish at one height, leading axis N; which of them exist, `Round` says.

    Attributes:
      interval: f32[N], seconds since the parent was published.
      score: f32[N], of the claims; None: all are 1, or can be looked up by `reference`.
      difficulty: f32[N], that the block met; None: the difficulty rule never changes it.
      commitment: u32[N, 8], what the header commits to; None: the mechanism needs no hashes.
      tip: u32[N, 8], the block's hash; None: the mechanism needs no hashes.
      learning: the claims' models; None: there are none, or they can be looked up by `reference`.
      reference: i32[N], from which the mechanism looks up score and learning; None: they are stored here.
      taken: the tasks that the blocks are for; None: there is no stream of tasks.
    """

    interval: Array
    score: Array | None
    difficulty: Array | None
    commitment: Array | None
    tip: Array | None
    learning: Learning | None
    reference: Array | None = None
    taken: Taken | None = None


@record
class Round:
    """The record of one height.

    Attributes:
      source: i32[N], the node whose block each node took.
      blocks: `Blocks` of all nodes.
      fallback: bool[], whether no node finished before the deadline.
      flawed: bool[], whether a claim at this height or below was flawed, its work NaN or negative, or its score NaN;
        or no node published a block, or one took a block before any was published; or power or difficulty left its
        range (`polejax.consensus.range_checks`).
      useful: f32[], work units of all nodes until they finished or closed the height; None: no work was computed.
      computed: f32[], work units that the program computed for that; None: no work was computed.
      published: bool[N], whether the node published; None: exactly the nodes that took their own block did.
      censored: bool[], whether a node's work was known only up to a time before the node closed the height; None: all
        work is known.
    """

    source: Array
    blocks: Blocks
    fallback: Array
    flawed: Array
    useful: Array | None
    computed: Array | None
    published: Array | None = None
    censored: Array | None = None


def genesis(key: Key, scenario: "Scenario") -> Views:
    """Views of all nodes at genesis, which all nodes know from time 0 on; its tip is a hash of the chain's key."""
    zeros = jnp.zeros_like(scenario.nodes.power)
    controller = scenario.difficulty.start(jnp.broadcast_to(scenario.mechanism.initial_difficulty, zeros.shape))
    difficulty = scenario.difficulty.level(controller)
    tip = None
    if scenario.mechanism.profile.hashes_tips:
        words = jnp.concatenate([jnp.asarray(header.GENESIS), jax.random.key_data(key).reshape(-1)])
        tip = jnp.broadcast_to(sha256.digest_words(words), (*zeros.shape, 8))
    return Views(
        height=jnp.int32(1),
        start=zeros,
        stamp=zeros,
        tip=tip,
        difficulty=difficulty,
        controller=controller,
        flawed=~in_range(scenario, scenario.nodes.at(jnp.int32(1)), difficulty),
        rivals=jnp.int32(0) if scenario.difficulty.counts_uncles else None,
        branch=scenario.mechanism.begin_branch(zeros.size),
    )


def play_round(key: Key, scenario: "Scenario", views: Views) -> tuple[Views, Round]:
    """Race for one height and spread its blocks.

    Args:
      key: of the whole chain; this function folds the height in.
      scenario: of N nodes, as returned by `polejax.consensus.scenario.ready`.
      views: of all nodes, before the round.

    Returns:
      The views after the round, their times relative to the new origin, and the `Round`.
    """
    nodes = scenario.nodes.at(views.height)
    network = scenario.network.sample(jax.random.fold_in(jax.random.fold_in(key, _NETWORK), views.height))
    listening = scenario.election.listening(network, views)
    claims = scenario.mechanism.race(jax.random.fold_in(key, views.height), views, nodes, listening)
    chex.assert_shape([claims.work, claims.score, claims.valid], (nodes.count,))
    sound = _sound(scenario, claims)

    finish = jnp.where(sound & claims.valid, views.start + nodes.seconds(claims.work), jnp.inf)
    close, source, published = scenario.election.elect(finish, claims, network, views)
    chex.assert_shape([close, source], (nodes.count,))
    start, stamp = next_times(finish, close, source)

    blocks, extended = _extend(key, scenario, views, claims, finish - views.stamp)
    stopped = ~(finish.min() < jnp.inf)  # where no node publishes, or a time is NaN, no block is made from then on
    early = ~(close >= finish.min()).all()  # by a negative delay, window or hold that no check could see within `jit`
    flawed = views.flawed | (claims.valid & ~sound).any() | stopped | early
    if varies(scenario):
        flawed = flawed | ~in_range(scenario, nodes, views.difficulty)
    own = source == jnp.arange(nodes.count) if published is None else published
    rivals = None if views.rivals is None else own.sum(dtype=jnp.int32) - 1
    after = _follow(scenario, views, extended, source, start, stamp, rivals, flawed)
    useful, computed = _effort(nodes, views, claims, close)
    fallback = jnp.bool_(False) if claims.fallback is None else claims.fallback
    censored = _censored(nodes, views, claims, close, fallback)
    return after, Round(source, blocks, fallback, flawed, useful, computed, published, censored)


def next_times(finish: Array, close: Array, source: Array) -> tuple[Array, Array]:
    """The times of the next height, f32[N] in seconds: when nodes begin it, and when their new tips were published.

    Args:
      finish: f32[N], seconds, when each node would publish; inf for a node that does not.
      close: f32[N], seconds, when each node takes a block.
      source: i32[N], the node whose block it takes.
    """
    origin = finish.min()  # also the time of the first arrival
    return close - origin, finish[source] - origin


def advance(key: Key, scenario: "Scenario", views: Views, num_blocks: int) -> tuple[Views, Round]:
    """Play `num_blocks` rounds on from `views`: the views after, and the rounds with a leading axis of heights."""
    return jax.lax.scan(lambda views, _: play_round(key, scenario, views), views, length=num_blocks)


def _sound(scenario: "Scenario", claims: Claims) -> Array:
    """bool[N]: the claim's work is neither NaN nor negative, and its score is not NaN."""
    sound = claims.work >= 0.0
    return sound & (claims.score == claims.score) if scenario.mechanism.profile.scored else sound


def _extend(
    key: Key, scenario: "Scenario", views: Views, claims: Claims, interval: Array
) -> tuple[Blocks, tuple[Array | None, Tree, Tree | None]]:
    """The block that each node would publish; and tip, difficulty state and branch state after that block."""
    mechanism, rule = scenario.mechanism, scenario.difficulty
    tip = None
    if mechanism.profile.hashes_tips:
        tip = header.tip(views.height, views.tip, scenario.nodes.address, claims.commitment, interval)
    uncles = jnp.int32(0) if views.rivals is None else views.rivals
    controller = rule.extend(views.controller, interval, views.height, uncles)
    branch = None
    if views.branch is not None:
        posting = jax.random.fold_in(jax.random.fold_in(key, jnp.uint32(_BRANCH)), views.height)
        branch = mechanism.extend_branch(posting, views.branch, interval, claims)
    # What never changes, or can be looked up, is not stored at every height: storing it would cost as much as the race.
    kept = claims.reference is None
    blocks = Blocks(
        interval=interval,
        score=claims.score if kept and mechanism.profile.scored else None,
        difficulty=views.difficulty if rule.per_branch else None,
        commitment=None if tip is None else claims.commitment,
        tip=tip,
        learning=claims.learning if kept else None,
        reference=claims.reference,
        taken=None if views.branch is None else mechanism.taken(views.branch),
    )
    return blocks, (tip, controller, branch)


def _follow(
    scenario: "Scenario",
    views: Views,
    extended: tuple[Array | None, Tree, Tree | None],
    source: Array,
    start: Array,
    stamp: Array,
    rivals: Array | None,
    flawed: Array,
) -> Views:
    """Every node's view after it has taken the block of its source."""
    tip, controller, branch = extended
    own = controller if scenario.difficulty.per_branch else None
    tip, followed, branch = jax.tree.map(lambda leaf: leaf[source], (tip, own, branch))
    controller = followed if scenario.difficulty.per_branch else views.controller
    level = scenario.difficulty.level(controller)
    return Views(views.height + 1, start, stamp, tip, level, controller, flawed, rivals, branch)


def _censored(nodes: Nodes, views: Views, claims: Claims, close: Array, fallback: Array) -> Array | None:
    """bool[]: a node that would have worked on might have published before it closed the height, or at a fallback."""
    if claims.censored is None:
        return None
    known = views.start + nodes.seconds(claims.censored)
    return (known < close).any() | (fallback & (claims.censored < jnp.inf).any())


def _effort(nodes: Nodes, views: Views, claims: Claims, close: Array) -> tuple[Array | None, Array | None]:
    """Work f32[] of all nodes until they finished or closed the height, and work f32[] that the program computed."""
    if claims.computed is None:
        return None, None
    done = jnp.minimum(claims.work, (close - views.start) * nodes.power)
    return done.sum(), claims.computed.sum()
