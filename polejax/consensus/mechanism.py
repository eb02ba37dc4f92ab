"""What a consensus mechanism is: a law of work, given each node's view of the chain."""

import abc
from typing import Literal, NamedTuple, Self

from polejax._core.record import Record, replace
from polejax._core.types import Array, Key, Tree
from polejax.consensus.claims import Claims, Evidence, Taken
from polejax.consensus.listening import Listening
from polejax.consensus.nodes import Nodes
from polejax.consensus.views import Views

Unit = Literal["work", "accuracy"]


class Profile(NamedTuple):
    """What a mechanism's rounds ask of the programs that play them; all static.

    Attributes:
      hashes_tips: whether views carry SHA-256 tips, which cost more than drawing a law does.
      scored: whether claims differ in score; if not, every score is 1 and none is kept.
      heights_per_call: heights that one compiled call plays at most, so that a call takes seconds and not minutes.
      cached_lanes: nodes of chains that a CPU core plays in lockstep, their data in its cache.
      bytes_per_node: bytes that a node holds while it races, beside its view.
      flops_per_unit: floating-point operations of one unit of work; None: not known.
    """

    hashes_tips: bool = False
    scored: bool = True
    heights_per_call: int = 512
    cached_lanes: int = 256
    bytes_per_node: int = 0
    flops_per_unit: float | None = None


class Mechanism(Record, abc.ABC, abstract=True):
    """A law of work; `time = work / power` (seconds).

    A mechanism of your own is a subclass with `initial_difficulty` and `race`, and fields for its parameters: array
    fields are swept by `jax.vmap`, `static()` ones are part of the compiled program. Every other method has a default.
    `polejax.testing.check_mechanism` tries it.
    """

    @property
    @abc.abstractmethod
    def initial_difficulty(self) -> Array:
        """f32[], what the first block demands: expected hashes or other units of work, or an accuracy."""

    @abc.abstractmethod
    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of all nodes for the blocks at `views.height`.

        Args:
          key: of this height; every node folds in its own address (`polejax.draw`).
          views: what each node builds on.
          nodes: powers f32[N] and addresses u32[N].
          listening: tells a mechanism that really computes when the round is decided, so that it can stop. None: every
            node works on until it finishes or gives up.
        """

    @property
    def profile(self) -> Profile:
        """What its rounds ask of the programs that play them."""
        return Profile()

    @property
    def difficulty_unit(self) -> Unit:
        """What a difficulty rule moves: the work that a block takes, or the accuracy that a claim needs."""
        return "work"

    def prepare(self, difficulty_is_fixed: bool) -> Self:
        """The same mechanism with what it can work out once, before the first round."""
        return self

    def nameless(self) -> Self:
        """The same mechanism without static words that only name its data, so that alike ones share a program."""
        return self

    def begin_branch(self, count: int) -> Tree:
        """What `count` nodes keep of their branches at genesis, each leaf [N, ...]; None: nothing, ever."""
        return None

    def extend_branch(self, key: Key, branch: Tree, interval: Array, claims: Claims) -> Tree:
        """What nodes keep of their branches behind the blocks that they would publish.

        Args:
          key: of this height, apart from the race's.
          branch: before the blocks, each leaf [N, ...].
          interval: f32[N], seconds after the parents.
          claims: of all nodes.
        """
        return branch

    def taken(self, branch: Tree) -> Taken | None:
        """What of the branches goes on record with their next blocks; None: nothing."""
        return None

    def look_up(self, reference: Array, difficulty: Array, fallback: Array) -> Evidence:
        """Score and learning of claims that were kept by their reference.

        Args:
          reference: i32[...], as in `Claims.reference`.
          difficulty: f32[...], what each block met.
          fallback: bool[...], whether nobody finished.
        """
        raise NotImplementedError(f"{type(self).__name__} gives claims a reference, so it must have look_up")


class MechanismWrapper(Mechanism, abstract=True):
    """A mechanism around another one: every method asks the inner one unless the wrapper has its own.

    A subclass has a field `mechanism`, the inner one.
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
