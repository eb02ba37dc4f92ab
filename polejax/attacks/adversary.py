"""Adversaries that live in the round: withheld blocks and leaked tasks.

An adversary turns the scenario that everybody else believes in into the one that is played (`enter`), by wrapping the
network that carries its blocks or the mechanism that it works by. Attacks on a chain's history, which need no round,
are `polejax.attacks.selfish` and `polejax.attacks.double_spend`.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import axes, convert, replace, static
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.adversary import Adversary
from polejax.consensus.claims import Claims
from polejax.consensus.elections import FirstSeen
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, MechanismWrapper
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario, check_count
from polejax.consensus.views import Views
from polejax.network.base import Network, NetworkWrapper
from polejax.network.min_plus import Arrivals


class Withholding(Adversary):
    """Timed withholding: a node keeps each block back for a while and meanwhile races on from it, alone.

    A withholder that finishes at `finish` publishes at `finish + hold`, or as soon as it hears of a rival block of the
    same height, yet begins on the next height at `finish`. The block bears the time at which it was finished, since
    its maker could not build on a header still open; intervals are differences of such times.

    Exact, for any number of withholders. "As soon as it hears of a rival" makes no difference: what a node w publishes
    on hearing k reaches nobody first, as publish[k] + D[k, i] <= publish[k] + D[k, w] + D[w, i]; only w builds on it,
    as it did before. It makes a fork, which counts as published. (The rest of the round's theorem holds for publishing
    times; `tests/withholding_simulator.py` is the independent check.)

    Args:
      hold: f32[N], seconds, finite; 0 for an honest node. May be swept.

    Raises:
      ValueError: a negative or infinite hold; on use, another number of nodes, or an election that is not `FirstSeen`.

    Source: ours; a timed form of selfish mining (Eyal and Sirer 2014, arXiv 1311.0243), whose pool never wins a tie.
    """

    hold: Numeric = axes(1)

    def __post_init__(self) -> None:
        convert(self, hold=lambda hold: checks.real("hold", hold, low=0.0))

    def check(self, scenario: Scenario) -> None:
        """See `Adversary.check`."""
        check_count("hold", self.hold, scenario)
        if not isinstance(scenario.election, FirstSeen):
            name = type(scenario.election).__name__
            raise ValueError(f"election must be FirstSeen for withholding, got {name}: leave the election out")

    def enter(self, scenario: Scenario) -> Scenario:
        """The scenario with these nodes' blocks withheld; see `Adversary.enter`."""
        return replace(scenario, network=Withheld(scenario.network, self.hold), adversary=None)


class Withheld(NetworkWrapper):
    """A network on which some nodes publish late: what `arrivals` is told are finishing times. See `Withholding`.

    Attributes:
      network: that carries the blocks.
      hold: f32[N], seconds.
    """

    network: Network
    hold: Array = axes(1)

    def arrivals(self, publish: Array) -> Arrivals:
        """Arrival f32[N], seconds (of a withholder's own block: its finishing), and source i32[N]."""
        arrival, source = self.network.arrivals(publish + self.hold)
        own = publish < arrival  # never for a node that holds nothing back
        nodes = jnp.arange(self.count, dtype=source.dtype)
        return jnp.where(own, publish, arrival), jnp.where(own, nodes, source)

    def delays_from(self, publisher: Array) -> Array:
        """Delays f32[N] in seconds from node j's finishing; 0 at j itself."""
        nodes = jnp.arange(self.count, dtype=jnp.int32)
        late = self.hold[publisher] + self.network.delays_from(publisher)
        return jnp.where(nodes == publisher, 0.0, late)

    def between(self, publisher: Array, node: Array) -> Array:
        """See `Network.between`."""
        late = self.hold[publisher] + self.network.between(publisher, node)
        return jnp.where(publisher == node, 0.0, late)

    @property
    def max_delay(self) -> Array:
        """f32[], seconds: no delay is longer."""
        return self.network.max_delay + self.hold.max(axis=-1)

    @property
    def equidistant(self) -> bool:
        """See `Network.equidistant`."""
        return False


class Leak(Adversary):
    """A data node shows each task early to its friends, who do part of the work before they know the parent block.

    What can be done early depends on the mechanism, and this reading is ours. Under PoLe a network trains behind a
    Secure Mapping Layer drawn from the parent's hash, so early training is worth something only as far as it can be
    carried over to the layer drawn later: not at all if the layer does its duty (a head start of 0), fully if there is
    no layer or if it can be undone (an invertible layer before a dense one: re-base the first weights). Read
    `head_start` as the training time that survives the change of layer. Nothing is published before the parent is
    known: a friend who needs less than its head start claims as soon as it has heard of its tip.

    Args:
      head_start: f32[N], seconds of work done before the node has heard of its tip; 0 for an honest node. May be swept.

    Raises:
      ValueError: a negative or infinite head start; on use, another number of nodes.
    """

    head_start: Numeric = axes(1)

    def __post_init__(self) -> None:
        convert(self, head_start=lambda seconds: checks.real("head_start", seconds, low=0.0))

    def check(self, scenario: Scenario) -> None:
        """See `Adversary.check`."""
        check_count("head_start", self.head_start, scenario)

    def enter(self, scenario: Scenario) -> Scenario:
        """The scenario with these nodes ahead; see `Adversary.enter`."""
        return replace(scenario, mechanism=Leaked(scenario.mechanism, self.head_start), adversary=None)


class Leaked(MechanismWrapper):
    """A mechanism some of whose nodes begin early; the work it reports is what is left when they hear of their tip.

    Attributes:
      mechanism: that all nodes work by.
      head_start: f32[N], seconds; below 0 for a node that begins so much later.
    """

    mechanism: Mechanism
    head_start: Array = axes(1)

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of nodes that began `head_start` before `views.start`; see `Mechanism.race`."""
        early = replace(views, start=views.start - self.head_start)
        patient = None if listening is None else NotBefore(listening, views.start)
        claims = self.mechanism.race(key, early, nodes, patient)
        ahead = self.head_start * nodes.power
        left = None if claims.censored is None else jnp.maximum(claims.censored - ahead, 0.0)
        return replace(claims, work=jnp.maximum(claims.work - ahead, 0.0), censored=left)


class NotBefore(Listening):
    """What nodes listen to where nobody publishes before `start` f32[N], seconds: a block needs to know its parent."""

    listening: Listening
    start: Array = axes(1)

    def closes(self, publish: Array) -> Array:
        """See `Listening.closes`."""
        return self.listening.closes(jnp.maximum(publish, self.start))


class EarlyKey(Adversary):
    """A colluding data node serves its friends first: they hold the key of their layer, and samples, before others do.

    Nodes can train once their samples are at hand behind their own layers. The data node gives an honest node what that
    takes (the samples; or, where those are published encrypted, the function key that opens their images) `release`
    seconds after it has heard of its tip, and a friend `lead` seconds sooner. The friend trains behind its right layer,
    so its model is an honest node's and no layer tells the two apart. A layer drawn from the parent's hash is known to
    nobody, the data node included, before the parent: the lead is then worth `release` at most, and nothing where
    everything is out with the tip. Blocks are not published before the parent is known, as in `Leak`.

    Args:
      lead: f32[N], seconds; 0 for an honest node. May be swept.
      release: f32[], seconds that others wait after they have heard of their tip. May be swept. Waiting counts as work
        in `History.useful`.
      bound: whether layers are drawn from the parent's hash; otherwise (one fixed by the task, or by the address alone)
        a lead may reach as far back as the data node likes.

    Raises:
      ValueError: negative or infinite seconds; on use, another number of nodes.

    Source: ours; Lan, Liu, Li 2020 (arXiv 2007.15145) leave open who issues keys, and when.
    """

    lead: Numeric = axes(1)
    release: Numeric = axes(0, default=0.0)
    bound: bool = static(default=True)

    def __post_init__(self) -> None:
        convert(
            self,
            lead=lambda seconds: checks.real("lead", seconds, low=0.0),
            release=lambda seconds: checks.real("release", seconds, low=0.0),
            bound=lambda bound: checks.flag("bound", bound),
        )

    def check(self, scenario: Scenario) -> None:
        """See `Adversary.check`."""
        check_count("lead", self.lead, scenario)

    def enter(self, scenario: Scenario) -> Scenario:
        """The scenario with these nodes ahead, all others waiting; see `Adversary.enter`."""
        ahead = self.lead - jnp.asarray(self.release)[..., None]
        if self.bound:
            ahead = jnp.minimum(ahead, 0.0)
        return replace(scenario, mechanism=Leaked(scenario.mechanism, ahead), adversary=None)


@checked
def withholding(nodes: Nodes, seconds: float | Sequence[float], addresses: Sequence[int]) -> Withholding:
    """The nodes of the given addresses hold each of their blocks back.

    Args:
      nodes: `Nodes` of the scenario.
      seconds: how long, one number or one per address; at least 0.
      addresses: of the withholders.

    Raises:
      ValueError: an address that no node has, or negative seconds.
    """
    return Withholding(_by_node(nodes, seconds, addresses))


@checked
def leak(nodes: Nodes, seconds: float | Sequence[float], addresses: Sequence[int]) -> Leak:
    """The nodes of the given addresses see each task early.

    Args:
      nodes: `Nodes` of the scenario.
      seconds: of head start, one number or one per address; at least 0.
      addresses: of the data node's friends.

    Raises:
      ValueError: an address that no node has, or negative seconds.
    """
    return Leak(_by_node(nodes, seconds, addresses))


@checked
def early_key(
    nodes: Nodes, seconds: float | Sequence[float], addresses: Sequence[int], release: float = 0.0, bound: bool = True
) -> EarlyKey:
    """The nodes of the given addresses get the key of their layer early.

    Args:
      nodes: `Nodes` of the scenario.
      seconds: how much earlier than all others, one number or one per address; at least 0.
      addresses: of the data node's friends.
      release, bound: as in `EarlyKey`.

    Raises:
      ValueError: an address that no node has, or negative seconds.
    """
    return EarlyKey(_by_node(nodes, seconds, addresses), release, bound)


def _by_node(nodes: Nodes, seconds: float | Sequence[float], addresses: Sequence[int]) -> Array:
    """Seconds f32[N] for some addresses, 0 for all others."""
    chosen = [checks.whole("addresses", address, high=2**32 - 1) for address in addresses]
    given = checks.real("seconds", seconds, low=0.0)
    if np.shape(given) not in ((), (len(chosen),)):
        raise ValueError(f"seconds must be one number or one per address ({len(chosen)}), got shape {np.shape(given)}")
    values = np.zeros(nodes.count, np.float32)
    for address, value in zip(chosen, np.broadcast_to(given, (len(chosen),)), strict=True):
        index = np.flatnonzero(np.asarray(nodes.address) == address)
        if index.size == 0:
            raise ValueError(f"addresses must be those of nodes, got {address}: nodes.address lists them")
        values[index[0]] = value
    return values
