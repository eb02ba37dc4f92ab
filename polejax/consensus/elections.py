"""Elections: which of the claims that reach a node it takes as the block of a height, and when.

An election decides when a node closes a height. Node i begins a height at `start[i]` and first hears a claim at
`first[i]`; it hears its own claim when it finishes. At `close[i] >= first[i]` it takes the best claim it has heard, and
begins the next height. Rounds stay exact (`polejax.consensus.round`) as long as

    close[i] <= close[k] + D[k, i]    for all nodes k, i.

Then no node hears of height h + 1 before it has closed height h: a node k that publishes at h + 1 began that height at
close[k], so node i hears of its block at close[k] + D[k, i] or later. The inequality holds for all elections here, by
induction over heights. `start`, the close of the height before, satisfies it. So does `first`, by the triangle
inequality: first[k] = publish[j] + D[j, k] for some j, hence first[i] <= publish[j] + D[j, i] <= first[k] + D[k, i].
Adding a constant and taking the maximum of two preserve it (ours; tests/winner_simulator.py is the independent check).
"""

import abc
from typing import NamedTuple

import jax
import jax.numpy as jnp

from polejax._core import checks
from polejax._core.brief import brief
from polejax._core.record import Record, axes, convert
from polejax._core.types import Array, Numeric
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening
from polejax.consensus.views import Views
from polejax.network.base import Network

__all__ = ["BestAtDeadline", "BestInWindow", "Closing", "Elected", "Election", "FirstSeen"]

SMALL = 16  # nodes, up to which comparing all pairs at once costs about as much as the loop, and compiles faster


class Elected(NamedTuple):
    """Which block every node takes at one height, and when; leading axis N.

    Attributes:
      close: f32[N], seconds, when the node takes a block and begins the next height.
      source: i32[N], the node that produced that block.
      published: bool[N], whether the node published a block; None: exactly where `source` is the node itself.
    """

    close: Array
    source: Array
    published: Array | None

    def __repr__(self) -> str:
        return brief(self)


class Election(Record, abc.ABC, abstract=True):
    """The rule by which every node chooses among the claims that it hears: when it closes a height, and with which."""

    @abc.abstractmethod
    def closing(self, first: Array, start: Array) -> Array:
        """When each node closes a height.

        Args:
          first: f32[N], seconds, when each node hears its first claim, its own included.
          start: f32[N], seconds, when it began the height.

        Returns:
          f32[N], seconds, at least `first`.
        """

    @abc.abstractmethod
    def elect(self, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
        """Which block each node takes, and when.

        Args:
          publish: f32[N], seconds, when each node would publish its claim; inf if never.
          claims: of all nodes.
          network: of this round.
          views: of all nodes, before the race.
        """

    def listening(self, network: Network, views: Views) -> Listening:
        """What tells a mechanism that really computes when to stop: the closes under this rule on this network."""
        return Closing(network, self, views.start)


class Closing(Listening):
    """When nodes close the height, under an election on a network; a node's own claim matters until then.

    Attributes:
      network: of this round.
      election: the rule.
      start: f32[N], seconds, when each node began the height.
    """

    network: Network
    election: Election
    start: Array = axes(1)

    def closes(self, publish: Array) -> Array:
        """See `Listening.closes`."""
        return self.election.closing(self.network.arrivals(publish)[0], self.start)


class FirstSeen(Election):
    """The first valid block to arrive wins: longest-chain consensus as in Bitcoin; exact, see `consensus.round`."""

    def closing(self, first: Array, start: Array) -> Array:
        """At the first claim; see `Election.closing`."""
        return first

    def elect(self, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
        """The first block heard, at once; see `Election.elect`."""
        arrival, source = network.arrivals(publish)
        return Elected(arrival, source, None)


class BestInWindow(Election):
    """Every node takes the best claim that it hears within `seconds` after the first one.

    The window of node i opens when it hears the height's first claim, or finishes its own, and closes `seconds` later.
    Until then the node listens, and a node without a claim races on and publishes if it finishes in time. Best is the
    greatest `Claims.score` (verified test accuracy). Among equal scores the claim heard first wins, as in `FirstSeen`,
    and among those heard at once the lowest index; so where all scores are equal, as under Proof of Work, the first
    claim wins but every node waits. A claim that arrives exactly at the close is late, unless it is the first: a window
    of 0 seconds gives the same bits as `FirstSeen`. Nodes fork where their windows hold different claims. That is rare
    if the window is long against the delays, as only claims near its end reach some nodes in time and others too late.

    A node claims once, with the first model that meets the threshold: it does not train on to a better one (ours).
    A round takes O(N) for each claim that may be some node's best (`best_first`), usually a few. With up to 16 nodes,
    and where every block draws its own delays, all pairs of nodes are compared instead.

    Attributes:
      seconds: f32[], finite, at least 0. May be swept.

    Raises:
      ValueError: negative or infinite seconds.

    Source: ours; sources leave the winner rule of Proof of Learning open (Lan, Liu, Li 2020, arXiv 2007.15145).
    """

    seconds: Numeric = axes(0)

    def __post_init__(self) -> None:
        convert(self, seconds=lambda seconds: checks.real("seconds", seconds, low=0.0))

    def closing(self, first: Array, start: Array) -> Array:
        """See `Election.closing`."""
        return first + self.seconds

    def elect(self, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
        """The best block of each window; see `Election.elect`."""
        return _best(self, publish, claims, network, views)


class BestAtDeadline(Election):
    """Every node takes the best claim it has heard `seconds` after it began; if none, the first that it hears.

    Node i closes the height at max(start + seconds, first claim heard), so blocks come at a steady pace as long as some
    node finishes in time. Ties, claims that arrive exactly at the close, forks, a node's single claim and the cost of a
    round are as in `BestInWindow`.

    Attributes:
      seconds: f32[], finite, at least 0. May be swept. A deadline of 0 is `FirstSeen`.

    Raises:
      ValueError: negative or infinite seconds.

    Source: ours; a reading of Proof of Learning's task deadline (Lan, Liu, Li 2020, arXiv 2007.15145, leave it open).
    """

    seconds: Numeric = axes(0)

    def __post_init__(self) -> None:
        convert(self, seconds=lambda seconds: checks.real("seconds", seconds, low=0.0))

    def closing(self, first: Array, start: Array) -> Array:
        """See `Election.closing`."""
        return jnp.maximum(start + self.seconds, first)

    def elect(self, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
        """The best block at each node's deadline; see `Election.elect`."""
        return _best(self, publish, claims, network, views)


def _best(election: Election, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
    """What nodes take under an election that picks the best claim heard before the close."""
    first, finder = network.arrivals(publish)
    close = election.closing(first, views.start)
    # A node that would publish after its close has heard a claim before, so leaving it out changes no first arrival.
    published = (publish < close) | (finder == jnp.arange(publish.shape[0], dtype=finder.dtype))
    heard = _Heard(publish, claims.score, first, finder, close, published)
    # `best_first` takes the first claim heard for the first to arrive, which needs the triangle inequality.
    few = publish.shape[0] <= SMALL or not network.fixed
    return Elected(close, all_pairs(heard, network) if few else best_first(heard, network), published)


class _Heard(NamedTuple):
    """What an election of the best claim needs to know; leading axis N.

    Attributes:
      publish: f32[N], seconds, when the node would publish; inf if never.
      score: f32[N], of its claim.
      first: f32[N], seconds, when the node hears its first claim.
      finder: i32[N], the node whose claim that is.
      close: f32[N], seconds, when the node closes the height.
      published: bool[N], whether the node publishes.
    """

    publish: Array
    score: Array
    first: Array
    finder: Array
    close: Array
    published: Array


def all_pairs(heard: _Heard, network: Network) -> Array:
    """Source i32[N] of the best claim that each node hears in time, comparing all pairs of nodes."""
    publish, score, first, finder, close, published = heard
    nodes = jnp.arange(publish.shape[0], dtype=finder.dtype)
    arrival = publish[:, None] + jax.vmap(network.delays_from)(nodes)
    # `arrivals` may sum a delay in another order than `delays_from`, so an arrival is never taken to be before `first`.
    # Nodes that did not publish are left out: their claims would be late for every node, except by rounding, or where
    # random delays break the triangle inequality.
    in_time = jnp.maximum(arrival, first[None]) < close[None]
    candidate = (in_time & published[:, None]) | (nodes[:, None] == finder[None])
    best = candidate & (score[:, None] == jnp.where(candidate, score[:, None], -jnp.inf).max(axis=0)[None])
    return jnp.where(best, arrival, jnp.inf).argmin(axis=0).astype(finder.dtype)


def best_first(heard: _Heard, network: Network) -> Array:
    """The same, spreading claims from the best down, until no claim that is left can be the best of any node.

    Every node starts with the claim it heard first, which no claim of equal score beats, or with its own if that is
    better. After that only claims count that are better than what some node holds. Claims of equal score are spread in
    the order of publishing, and dropped once they are published after all nodes heard a claim as good. A claim costs
    O(N). Usually a few are spread, since one of the best, published early enough, reaches all nodes in time; never more
    than were published (ours).
    """
    publish, score, first, finder, close, published = heard
    nodes = jnp.arange(publish.shape[0], dtype=finder.dtype)
    own = published & (jnp.maximum(publish, first) < close) & (score > score[finder])
    # Of the best claim that each node knows: its score, when the node heard it, and whose it is.
    known = (
        jnp.where(own, score, score[finder]),
        jnp.where(own, publish, -jnp.inf),
        jnp.where(own, nodes, finder),
    )

    def best_left(left: Array) -> tuple[Array, Array]:
        top = jnp.where(left, score, -jnp.inf).max()
        return top, jnp.where(left & (score == top), publish, jnp.inf).min()

    def undecided(state: tuple[tuple[Array, ...], Array]) -> Array:
        (value, since, _), left = state
        top, earliest = best_left(left)
        return ((value < top) | ((value == top) & (earliest <= since))).any()

    def spread(state: tuple[tuple[Array, ...], Array]) -> tuple[tuple[Array, ...], Array]:
        (value, since, source), left = state
        top, earliest = best_left(left)
        claimant = jnp.where(left & (score == top) & (publish == earliest), nodes, nodes.size - 1).min()
        arrival = earliest + network.delays_from(claimant)
        sooner = (arrival < since) | ((arrival == since) & (claimant < source))
        better = (jnp.maximum(arrival, first) < close) & ((top > value) | ((top == value) & sooner))
        changed = (
            jnp.where(better, top, value),
            jnp.where(better, arrival, since),
            jnp.where(better, claimant, source),
        )
        return changed, left & (nodes != claimant)

    state: tuple[tuple[Array, ...], Array] = (known, published)
    (_, _, source), _ = jax.lax.while_loop(undecided, spread, state)
    return source


def __dir__() -> list[str]:
    return __all__
