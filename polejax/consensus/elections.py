"""Elections: which of the claims that reach a node it takes for the block of a height, and when.

Every rule is a rule of closing: node i begins a height at `start[i]`, first hears a claim at `first[i]` (its own, when
it finishes, like anyone's), and at `close[i] >= first[i]` takes the best claim it has heard and begins the next height.
Rounds stay exact (`polejax.chain`) as long as

    close[i] <= close[k] + D[k, i]    for all nodes k, i,

for then nobody hears of height h + 1 before it has closed h: whoever publishes it, k, began it at close[k], and i hears
of it at close[k] + D[k, i] or later. It holds for all rules here by induction: start, the last height's close, obeys
it, and so does `first`, by the triangle inequality, as first[k] = publish[j] + D[j, k] gives first[i] <=
publish[j] + D[j, i] <= first[k] + D[k, i]; adding a constant and taking the greater of two keep it (ours;
tests/winner_simulator.py is the independent check).
"""

import abc
from typing import NamedTuple

import jax
import jax.numpy as jnp

from polejax._core import checks
from polejax._core.record import Record, convert
from polejax._core.types import Array
from polejax.consensus.claims import Claims
from polejax.consensus.listening import Listening
from polejax.consensus.views import Views
from polejax.network.base import Network

SMALL = 16  # nodes; up to here all pairs at once cost about as much, and take no loop


class Elected(NamedTuple):
    """What every node makes of one height's claims; leading axis N.

    Attributes:
      close: f32[N], s, when the node takes a block and begins the next height.
      source: i32[N], that block's producer.
      published: bool[N], whether the node published; None: exactly where `source` is the node itself.
    """

    close: Array
    source: Array
    published: Array | None


class Election(Record, abc.ABC, abstract=True):
    """The rule by which every node chooses among the claims it hears; it is a rule of closing."""

    @abc.abstractmethod
    def closing(self, first: Array, start: Array) -> Array:
        """When nodes close a height.

        Args:
          first: f32[N], seconds at which each node hears its first claim, its own included.
          start: f32[N], seconds at which it began the height.

        Returns:
          f32[N], seconds, at least `first`.
        """

    @abc.abstractmethod
    def elect(self, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
        """When each node settles on a block, and whose.

        Args:
          publish: f32[N], seconds at which each node would publish its claim; inf if never.
          claims: of all nodes.
          network: of this round.
          views: of all nodes, before the race.
        """

    def listening(self, network: Network, views: Views) -> Listening:
        """What a mechanism listens to that really computes: the closes of this rule on this network."""
        return Closing(network, self, views.start)


class Closing(Listening):
    """The closes of an election on a network: a node's claim matters until it closes the height."""

    network: Network
    election: Election
    start: Array  # f32[N], s

    def closes(self, publish: Array) -> Array:
        """See `Listening.closes`."""
        return self.election.closing(self.network.arrivals(publish)[0], self.start)


class FirstSeen(Election):
    """The first valid block to arrive wins: longest-chain consensus as in Bitcoin (design theorem; exact)."""

    def closing(self, first: Array, start: Array) -> Array:
        """At the first claim; see `Election.closing`."""
        return first

    def elect(self, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
        """The first block heard, at once; see `Election.elect`."""
        arrival, source = network.arrivals(publish)
        return Elected(arrival, source, None)


class BestInWindow(Election):
    """Every node takes the best claim that it hears within so many seconds of the first one.

    The window of node i opens when it hears of the height's first claim, or has finished one itself, and closes
    `seconds` later; until then it listens, and races on if it has no claim yet, which it publishes if it finishes in
    time. Best is the greatest `Claims.score`: verified test accuracy. Of equal ones the first heard wins, as in
    `FirstSeen`, and of those the lowest index; so where claims are all alike, as under Proof of Work, the first heard
    wins but everybody waits. A claim that arrives exactly at the close is late, unless it is the first: a window of 0
    seconds is `FirstSeen` to the last bit. Nodes fork where their windows hold different claims; a window that is long
    against the delays makes that rare: only claims near its end are heard here and not there.

    A node claims once, with the first model that meets the threshold: it does not train on to a better one (ours).
    A round takes O(N) for each claim that may be somebody's best (`best_first`), usually a few; all pairs of nodes are
    looked at of up to 16 nodes, and where delays are drawn anew for every block.

    Args:
      seconds: f32[], finite, at least 0. May be swept.

    Raises:
      ValueError: negative or infinite seconds.

    Source: ours; sources leave the winner rule of Proof of Learning open (Lan, Liu, Li 2020, arXiv 2007.15145).
    """

    seconds: Array

    def __post_init__(self) -> None:
        convert(self, seconds=lambda seconds: checks.real("seconds", seconds, low=0.0))

    def closing(self, first: Array, start: Array) -> Array:
        """See `Election.closing`."""
        return first + self.seconds

    def elect(self, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
        """The best block of each window; see `Election.elect`."""
        return _best(self, publish, claims, network, views)


class BestAtDeadline(Election):
    """Every node takes the best claim that it has heard so many seconds after it began, or else the next one it hears.

    Node i closes the height at max(start + seconds, first claim heard): blocks come at a steady pace as long as
    somebody finishes in time. Ties, and claims that arrive exactly at the close, are as in `BestInWindow`, as are
    forks, a node's single claim and the price of a round.

    Args:
      seconds: f32[], finite, at least 0. May be swept. A deadline of 0 is `FirstSeen`.

    Raises:
      ValueError: negative or infinite seconds.

    Source: ours; a reading of Proof of Learning's task deadline (Lan, Liu, Li 2020, arXiv 2007.15145, leave it open).
    """

    seconds: Array

    def __post_init__(self) -> None:
        convert(self, seconds=lambda seconds: checks.real("seconds", seconds, low=0.0))

    def closing(self, first: Array, start: Array) -> Array:
        """See `Election.closing`."""
        return jnp.maximum(start + self.seconds, first)

    def elect(self, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
        """The best block at each node's deadline; see `Election.elect`."""
        return _best(self, publish, claims, network, views)


def _best(election: Election, publish: Array, claims: Claims, network: Network, views: Views) -> Elected:
    """The best claim that each node hears before it closes."""
    first, finder = network.arrivals(publish)
    close = election.closing(first, views.start)
    # Whoever publishes late has heard a claim before, so the first heard of all is the first heard of those published.
    published = (publish < close) | (finder == jnp.arange(publish.shape[0], dtype=finder.dtype))
    heard = _Heard(publish, claims.score, first, finder, close, published)
    # Only where delays obey the triangle inequality is what a node hears first surely what arrives there first.
    few = publish.shape[0] <= SMALL or not network.fixed
    return Elected(close, all_pairs(heard, network) if few else best_first(heard, network), published)


class _Heard(NamedTuple):
    """What an election goes by; leading axis N."""

    publish: Array  # f32[N], s
    score: Array  # f32[N]
    first: Array  # f32[N], s: when the node hears its first claim
    finder: Array  # i32[N]: whose that is
    close: Array  # f32[N], s
    published: Array  # bool[N]


def all_pairs(heard: _Heard, network: Network) -> Array:
    """Source i32[N] of the best claim that each node hears in time, over all pairs of nodes."""
    publish, score, first, finder, close, published = heard
    nodes = jnp.arange(publish.shape[0], dtype=finder.dtype)
    arrival = publish[:, None] + jax.vmap(network.delays_from)(nodes)
    # `hear` may add up a delay in another order than `row`: nothing is heard before the first, nor from the stopped,
    # whose claims come too late for everybody anyway, but for rounding and where random delays break the triangle.
    in_time = jnp.maximum(arrival, first[None]) < close[None]
    candidate = (in_time & published[:, None]) | (nodes[:, None] == finder[None])
    best = candidate & (score[:, None] == jnp.where(candidate, score[:, None], -jnp.inf).max(axis=0)[None])
    return jnp.where(best, arrival, jnp.inf).argmin(axis=0).astype(finder.dtype)


def best_first(heard: _Heard, network: Network) -> Array:
    """The same, claim by claim from the best one down, until no claim that is left can be anybody's best.

    Every node starts from what it heard first, which no equal claim beats, or from its own claim where that is better.
    Then only claims count that are better than what some node has; of equal ones the earliest come first, and those
    published after all such nodes heard theirs are out. A claim costs O(N). Usually few are looked at, as one of the
    best, published early enough, reaches everybody in time; never more than were published (ours).
    """
    publish, score, first, finder, close, published = heard
    nodes = jnp.arange(publish.shape[0], dtype=finder.dtype)
    own = published & (jnp.maximum(publish, first) < close) & (score > score[finder])
    # Of the best claim that each node knows of: its score, when it was heard, and whose it is.
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

    (_, _, source), _ = jax.lax.while_loop(undecided, spread, (known, published))
    return source
