"""The base of all mechanisms: a law of work, given each node's view of the chain."""

import abc
from typing import Literal, NamedTuple, Self

from polejax._core.brief import brief
from polejax._core.record import Record, replace
from polejax._core.types import Array, Key, Tree
from polejax.consensus.claims import Claims, Evidence, Taken
from polejax.consensus.listening import Listening
from polejax.consensus.nodes import AnyNodes, Nodes
from polejax.consensus.views import Views

Unit = Literal["work", "accuracy"]


class Profile(NamedTuple):
    """What a mechanism's rounds require of the compiled programs that play them; all static.

    Attributes:
      hashes_tips: whether views carry SHA-256 tips, which cost more than drawing work from a law.
      scored: whether claims differ in score; if not, every score is 1 and is not stored.
      heights_per_call: most heights that one compiled call plays, so that a call takes seconds and not minutes.
      cached_lanes: nodes (chains times N) whose data a CPU core holds in cache while it plays them in lockstep.
      bytes_per_node: bytes that a node holds while it races, beside its view.
      flops_per_unit: floating-point operations per unit of work; None: not known.
    """

    hashes_tips: bool = False
    scored: bool = True
    heights_per_call: int = 512
    cached_lanes: int = 256
    bytes_per_node: int = 0
    flops_per_unit: float | None = None

    def __repr__(self) -> str:
        return brief(self)


class Mechanism(Record, abc.ABC, abstract=True):
    """A law of work; `time = work / power` (seconds).

    A mechanism of your own is a subclass with `initial_difficulty`, `race` and fields for its parameters: `jax.vmap`
    sweeps array fields, `polejax.static()` fields are part of the compiled program. Declare an array field as
    `polejax.axes(0)`, or with as many axes as it has: more are a sweep, refused outside `jax.vmap`. Every other method
    has a default.
    Random numbers by address are in `polejax.mechanisms.draw`; `polejax.testing.check_mechanism` tests the whole.
    """

    @property
    @abc.abstractmethod
    def initial_difficulty(self) -> Array:
        """f32[], the first block's difficulty: expected hashes or other units of work, or an accuracy threshold."""

    @abc.abstractmethod
    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of all nodes for the blocks at `views.height`.

        Args:
          key: of this height; random numbers of a node depend on it and on the node's address (`polejax._core.draw`).
          views: of all nodes, what each builds on.
          nodes: powers f32[N] and addresses u32[N].
          listening: tells a mechanism that really computes when each node closes the height, so that it can stop. None:
            every node works on until it finishes or gives up.
        """

    @property
    def profile(self) -> Profile:
        """What the mechanism's rounds require of the programs that play them."""
        return Profile()

    @property
    def difficulty_unit(self) -> Unit:
        """What the difficulty measures: the work that a block takes, or the accuracy that a claim needs."""
        return "work"

    def check(self, nodes: AnyNodes) -> None:
        """Raise a ValueError that names the argument and the remedy if these nodes cannot work by the mechanism.

        Called when a scenario is built, with its nodes; `jax.vmap` and the like do not call it.
        """

    def prepare(self, difficulty_is_fixed: bool) -> Self:
        """The same mechanism with everything computed that can be computed once, before the first round."""
        return self

    def nameless(self) -> Self:
        """The same mechanism without static names of its data, so that those that differ in names share a program."""
        return self

    def begin_branch(self, count: int) -> Tree:
        """The state of `count` nodes' branches at genesis, each leaf [N, ...]; None: branches have no state."""
        return None

    def extend_branch(self, key: Key, branch: Tree, interval: Array, claims: Claims) -> Tree:
        """The state of each node's branch after the block that the node would publish.

        Args:
          key: of this height, independent of the race's.
          branch: the state before the block, each leaf [N, ...].
          interval: f32[N], seconds from the parent's publishing to the block's.
          claims: of all nodes.
        """
        return branch

    def taken(self, branch: Tree) -> Taken | None:
        """What of the branches' state is recorded with their next blocks; None: nothing."""
        return None

    def look_up(self, reference: Array, difficulty: Array, fallback: Array) -> Evidence:
        """Score and learning of claims of which rounds stored only the reference.

        Args:
          reference: i32[...], as in `Claims.reference`.
          difficulty: f32[...], the difficulty that each block met.
          fallback: bool[...], whether no node finished in that round.
        """
        raise NotImplementedError(f"{type(self).__name__} gives claims a reference, so it must have look_up")


class MechanismWrapper(Mechanism, abstract=True):
    """A mechanism built around another one: every method that a subclass does not define is the inner mechanism's.

    Attributes:
      mechanism: the inner mechanism, a field of every subclass.
    """

    mechanism: Mechanism

    @property
    def initial_difficulty(self) -> Array:
        """See `Mechanism.initial_difficulty`."""
        return self.mechanism.initial_difficulty

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`."""
        return self.mechanism.profile

    @property
    def difficulty_unit(self) -> Unit:
        """See `Mechanism.difficulty_unit`."""
        return self.mechanism.difficulty_unit

    def check(self, nodes: AnyNodes) -> None:
        """See `Mechanism.check`."""
        self.mechanism.check(nodes)

    def prepare(self, difficulty_is_fixed: bool) -> Self:
        """See `Mechanism.prepare`."""
        return replace(self, mechanism=self.mechanism.prepare(difficulty_is_fixed))

    def nameless(self) -> Self:
        """See `Mechanism.nameless`."""
        return replace(self, mechanism=self.mechanism.nameless())

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """See `Mechanism.race`."""
        return self.mechanism.race(key, views, nodes, listening)

    def begin_branch(self, count: int) -> Tree:
        """See `Mechanism.begin_branch`."""
        return self.mechanism.begin_branch(count)

    def extend_branch(self, key: Key, branch: Tree, interval: Array, claims: Claims) -> Tree:
        """See `Mechanism.extend_branch`."""
        return self.mechanism.extend_branch(key, branch, interval, claims)

    def taken(self, branch: Tree) -> Taken | None:
        """See `Mechanism.taken`."""
        return self.mechanism.taken(branch)

    def look_up(self, reference: Array, difficulty: Array, fallback: Array) -> Evidence:
        """See `Mechanism.look_up`."""
        return self.mechanism.look_up(reference, difficulty, fallback)
