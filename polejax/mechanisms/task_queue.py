"""Queue: the tasks that wait on a branch, in the order in which they are served."""

import jax.numpy as jnp

from polejax._core.record import record, replace
from polejax._core.types import Array
from polejax.consensus.claims import Taken

UNCOUNTED = 2**31 - 1  # postings that int32 cannot count: the branch's claims are flawed from then on


@record
class Queue:
    """A branch's queue, oldest task first; leading axis N.

    Attributes:
      line: i32[N, Q], numbers of the tasks that wait.
      taken: what the branch has done with its tasks, each leaf [N].
    """

    line: Array
    taken: Taken

    def admit(self, tasks: Array, count: Array) -> "Queue":
        """The queue after the first `count` i32[N] of `tasks` i32[Q] have come; those beyond its end are dropped."""
        place = jnp.arange(self.line.shape[1], dtype=jnp.int32)[None]
        taken, waiting = self.taken, self.taken.waiting
        admitted = jnp.minimum(count, self.line.shape[1] - waiting)
        behind = place - waiting[:, None]
        new = (behind >= 0) & (behind < admitted[:, None])
        line = jnp.where(new, tasks[jnp.clip(behind, 0)], self.line)
        posted = jnp.where(count > UNCOUNTED - taken.posted, UNCOUNTED, taken.posted + count)
        dropped = jnp.where(posted == UNCOUNTED, UNCOUNTED, taken.dropped + count - admitted)
        return Queue(line, replace(taken, waiting=waiting + admitted, posted=posted, dropped=dropped))

    def take(self, rewards: Array, order: str) -> "Queue":
        """The queue after its next task has been taken: the oldest, or the oldest of those with the highest reward."""
        taken, (count, length) = self.taken, self.line.shape
        place = jnp.arange(length, dtype=jnp.int32)[None]
        next_ = jnp.zeros(count, jnp.int32)
        if order == "reward":
            next_ = jnp.where(place < taken.waiting[:, None], rewards[self.line], -jnp.inf).argmax(axis=1)
        some = taken.waiting > 0
        number = jnp.take_along_axis(self.line, next_[:, None], axis=1)[:, 0]
        line = jnp.where(place < next_[:, None], self.line, jnp.roll(self.line, -1, axis=1))
        one = some.astype(jnp.int32)
        return Queue(
            line,
            Taken(
                jnp.where(some, number, rewards.shape[0]),
                jnp.where(some, rewards[number], 0.0),
                taken.waiting - one,
                taken.posted,
                taken.served + one,
                taken.dropped,
            ),
        )
