"""Task streams: data nodes post tasks, one block after another takes one from the queue, and tasks differ."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, draw
from polejax._core.keys import GENERATOR
from polejax._core.record import axes, replace, static
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.claims import Claims, Taken
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, Profile, Unit
from polejax.consensus.nodes import AnyNodes, Nodes
from polejax.consensus.views import Views
from polejax.mechanisms.task_queue import UNCOUNTED, Queue

ORDERS = ("fifo", "reward")


class TaskStream(Mechanism):
    """A mechanism whose blocks work on tasks that data nodes post, in the order of a queue.

    Each branch has its own view of the queue. A block takes its task when its parent is published, from what was posted
    until then: tasks come as a Poisson process in the branch's time, each of kind t at `rates[t]`, and siblings see the
    same postings after their common parent. When nothing waits, the block is made by `idle`. A task's difficulty is
    its own (`threshold`, or mean work); the scenario's difficulty rule moves that of `idle` alone. What blocks took is
    in `History.taken`. A full queue turns away whatever comes, rich tasks, too: rewards order only what fits in it.
    Where `idle` blocks carry no model but tasks do, they are marked as fallbacks, so that statistics of models leave
    them out.

    If branches differ in their task when a height is raced for, so do the works of their nodes: every round costs as
    much as a race for each task (of a single chain that is not vmapped: for each that somebody works on). Should such
    a fork's branches all end with nobody finishing, all nodes take up the first node's task (ours).

    Args:
      tasks: T mechanisms of one kind and shape, such as `Replay` with different banks and thresholds.
      rates: f32[T], postings per second of each. May be swept.
      rewards: f32[T], what a block with that task earns. May be swept.
      idle: mechanism of the blocks when no task waits: a default task's, or Proof of Work.
      order: "fifo", or "reward": highest reward first, the oldest of equal ones; static.
      capacity: tasks Q that can wait; more are dropped as they come, whatever their reward; static.

    Raises:
      ValueError: no tasks or unlike ones, rates or rewards of another number, negative, not finite, an unknown order,
        or no capacity.

    Source: ours; Lan, Liu, Li 2020 (arXiv 2007.15145) have data nodes post tasks for a reward and leave the order open.
    """

    tasks: Mechanism = axes(1)
    rates: Array = axes(1)
    rewards: Array = axes(1)
    idle: Mechanism
    order: str = static(default="fifo")
    capacity: int = static(default=32)

    def __init__(
        self,
        tasks: Sequence[Mechanism],
        rates: Numeric,
        rewards: Numeric,
        idle: Mechanism,
        order: str = "fifo",
        capacity: int = 32,
    ) -> None:
        fields = {
            "tasks": _stacked(tasks),
            "rates": checks.real("rates", rates, low=0.0),
            "rewards": checks.real("rewards", rewards, low=0.0),
            "idle": idle,
            "order": checks.one_of("order", order, ORDERS),
            "capacity": checks.whole("capacity", capacity, low=1),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)
        count = np.shape(self.tasks.initial_difficulty)[0]
        for name in ("rates", "rewards"):
            if np.shape(getattr(self, name))[-1:] != (count,):
                shape = np.shape(getattr(self, name))
                raise ValueError(f"{name} must have one entry per task ({count}), got shape {shape}")
        if not isinstance(self.idle, Mechanism):
            raise ValueError(
                f"idle must be a mechanism, got {checks.shown(self.idle)}: give polejax.PoW or a default task's"
            )
        for name, mechanism in (("tasks", self.tasks), ("idle", self.idle)):
            if jax.eval_shape(lambda mechanism=mechanism: mechanism.begin_branch(1)) is not None:
                kind = type(mechanism).__name__
                raise ValueError(f"{name} must keep nothing of a branch, as the stream's queue does, got {kind}")

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`: what the tasks' or the idle mechanism's rounds ask, as they follow one another."""
        tasks, idle = self.tasks.profile, self.idle.profile
        return Profile(
            hashes_tips=tasks.hashes_tips or idle.hashes_tips,
            scored=tasks.scored or idle.scored,
            heights_per_call=min(tasks.heights_per_call, idle.heights_per_call),
            cached_lanes=min(tasks.cached_lanes, idle.cached_lanes),
            bytes_per_node=max(tasks.bytes_per_node, idle.bytes_per_node),
        )

    @property
    def difficulty_unit(self) -> Unit:
        """See `Mechanism.difficulty_unit`: a rule moves what fills the gaps alone."""
        return self.idle.difficulty_unit

    @property
    def initial_difficulty(self) -> Array:
        """f32[], what the first block of the idle mechanism demands."""
        return self.idle.initial_difficulty

    def check(self, nodes: AnyNodes) -> None:
        """See `Mechanism.check`: what each task's mechanism and the idle one ask of nodes."""
        if not any(checks.is_traced(leaf) for leaf in jax.tree.leaves(self.tasks)):
            for number in range(np.shape(self.rewards)[-1]):
                jax.tree.map(lambda leaf, number=number: leaf[number], self.tasks).check(nodes)
        self.idle.check(nodes)

    def prepare(self, difficulty_is_fixed: bool) -> "TaskStream":
        """The same with its mechanisms prepared: each task's difficulty is fixed in any case."""
        tasks = jax.vmap(lambda task: task.prepare(True))(self.tasks)
        return replace(self, tasks=tasks, idle=self.idle.prepare(difficulty_is_fixed))

    def begin_branch(self, count: int) -> Queue:
        """The queue of all nodes at genesis: empty, and nothing taken; see `Mechanism.begin_branch`."""
        none = jnp.zeros(count, jnp.int32)
        idle = jnp.full(count, self.rewards.shape[0], jnp.int32)
        taken = Taken(idle, jnp.zeros(count), none, none, none, none)
        return Queue(jnp.zeros((count, self.capacity), jnp.int32), taken)

    def taken(self, branch: Queue) -> Taken:
        """See `Mechanism.taken`."""
        return branch.taken

    def extend_branch(self, key: Key, branch: Queue, interval: Array, claims: Claims | None = None) -> Queue:
        """The queue after a block; see `Mechanism.extend_branch`."""
        times, tasks, excess = self.postings(key)
        interval = jnp.where(jnp.isfinite(interval), interval, 0.0)  # of nodes that publish nothing
        count = (times[None] <= interval[:, None]).sum(axis=1, dtype=jnp.int32)
        # All that come after the first Q of an interval are dropped, so that their number may be a normal variate.
        late = jnp.maximum(interval - times[-1], 0.0) * self.rates.sum()
        late = jnp.maximum(jnp.round(late + jnp.sqrt(late) * excess), 0.0)
        count = jnp.where(late < 2.0**30, count + jnp.minimum(late, 2.0**30).astype(jnp.int32), UNCOUNTED)
        return branch.admit(tasks, count).take(self.rewards, self.order)

    def postings(self, key: Array) -> tuple[Array, Array, Array]:
        """What is posted after one block: times f32[Q] in seconds, tasks i32[Q], and a normal variate f32[]."""
        words = draw.two_words(key, jnp.arange(self.capacity, dtype=jnp.uint32))
        rate = jnp.maximum(self.rates.sum(), np.finfo(np.float32).tiny)
        times = jnp.cumsum(-jnp.log1p(-draw.uniform_of(words[:, 0]))) / rate
        edges = jnp.cumsum(self.rates)[:-1] / rate
        tasks = (draw.uniform_of(words[:, 1])[:, None] > edges[None]).sum(axis=1, dtype=jnp.int32)
        return times, tasks, draw.normal(key, jnp.uint32([self.capacity]))[0]

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of nodes, each for its branch's task; see `Mechanism.race`."""
        task, count = views.branch.taken.task, self.rewards.shape[0]
        models = [_race_claims(mechanism, key, views, nodes) for mechanism in (_first(self.tasks), self.idle)]
        # All tasks' races have one key, as a node takes part in one of them. Its words are passed on: under `vmap`,
        # `cond` selects among its arguments, which JAX's check of reused keys takes for another use of a key.
        words = jax.random.key_data(key)

        def claims_of(number: Array, mechanism: Mechanism, difficulty: Array) -> Claims:
            on = task == number
            among = None if listening is None else Among(listening, on)
            racing = replace(views, difficulty=jnp.broadcast_to(difficulty, views.difficulty.shape))

            def race() -> Claims:
                again = jax.random.wrap_key_data(words, impl=GENERATOR)
                return _complete(mechanism.race(again, racing, nodes, among), models)

            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(race))
            claims: Claims = jax.lax.cond(on.any(), race, lambda: nothing)
            return claims

        numbers = jnp.arange(count, dtype=jnp.int32)
        of_tasks = jax.lax.map(
            lambda pair: claims_of(pair[0], pair[1], pair[1].initial_difficulty), (numbers, self.tasks)
        )
        of_idle = claims_of(jnp.int32(count), self.idle, views.difficulty)
        every = jax.tree.map(lambda some, one: jnp.concatenate([some, one[None]]), of_tasks, of_idle)
        some = every.valid[task, jnp.arange(nodes.count)].any()
        chosen = _chosen(every, jnp.where(some, task, task[0]))
        uncounted = views.branch.taken.posted == UNCOUNTED
        return replace(chosen, work=jnp.where(uncounted, jnp.nan, chosen.work), valid=chosen.valid | uncounted)


class Among(Listening):
    """What the nodes of one task listen to: others work on another task, and publish nothing for this one.

    Attributes:
      listening: to what the nodes listen.
      on: bool[N], which nodes work on the task.
    """

    listening: Listening
    on: Array = axes(1)

    def closes(self, publish: Array) -> Array:
        """See `Listening.closes`."""
        return self.listening.closes(jnp.where(self.on, publish, jnp.inf))


def _stacked(tasks: Sequence[Mechanism]) -> Mechanism:
    """Mechanisms of one kind as one whose leaves have a leading axis T."""
    if not isinstance(tasks, Sequence) or not tasks:
        raise ValueError(f"tasks must be a list of mechanisms, got {checks.shown(tasks)}: give at least one")
    for task in tasks:
        if not isinstance(task, Mechanism):
            raise ValueError(f"tasks must be mechanisms, got {type(task).__name__}: give polejax.Replay or the like")
    alike = [task.nameless() for task in tasks]
    first: Any = jax.tree.structure(alike[0])
    for number, task in enumerate(alike):
        shapes = [[np.shape(leaf) for leaf in jax.tree.leaves(one)] for one in (alike[0], task)]
        if jax.tree.structure(task) != first or shapes[0] != shapes[1]:
            raise ValueError(
                f"tasks must be of one kind and shape, but task {number} is unlike task 0: cut or pad them"
            )
    stacked: Mechanism = jax.tree.map(lambda *leaves: np.stack(leaves), *alike)
    return stacked


def _first(stacked: Mechanism) -> Mechanism:
    first: Mechanism = jax.tree.map(lambda leaf: leaf[0], stacked)
    return first


def _race_claims(mechanism: Mechanism, key: Array, views: Views, nodes: Nodes) -> Claims:
    """Shapes of a mechanism's claims."""
    shapes: Claims = jax.eval_shape(lambda: mechanism.race(key, views, nodes, None))
    return shapes


def _complete(claims: Claims, models: list[Claims]) -> Claims:
    """Claims with all that claims of any of the models have."""

    def missing(name: str) -> Any:
        found = [getattr(model, name) for model in models if getattr(model, name) is not None]
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), found[0]) if found else None

    fallback = jnp.bool_(False) if claims.fallback is None else claims.fallback
    changes: dict[str, Any] = {"fallback": fallback, "reference": None}  # numbers of different banks
    if claims.commitment is None:
        changes["commitment"] = missing("commitment")
    if claims.learning is None and (learning := missing("learning")) is not None:
        changes |= {"learning": learning, "fallback": jnp.bool_(True)}
    if claims.computed is None and missing("computed") is not None:
        changes["computed"] = claims.work
    if claims.censored is None and any(model.censored is not None for model in models):
        changes["censored"] = jnp.full(claims.work.shape, jnp.inf)
    return replace(claims, **changes)


def _chosen(every: Claims, task: Array) -> Claims:
    """Of claims [T + 1, N, ...] each node's for its task i32[N]; a fallback is one when it is for all nodes."""
    nodes = jnp.arange(task.shape[0], dtype=jnp.int32)
    fallback = every.fallback[task].all()  # type: ignore[index]
    chosen: Claims = jax.tree.map(lambda leaf: leaf[task, nodes], replace(every, fallback=None))
    return replace(chosen, fallback=fallback)
