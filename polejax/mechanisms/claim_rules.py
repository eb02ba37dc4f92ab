"""Claim rules: when a node claims, what verifiers accept, and what becomes of a round that nobody finishes."""

import jax.numpy as jnp

from polejax._core import checks
from polejax._core.record import Record, axes, convert, static
from polejax._core.types import Array, Numeric

FALLBACKS = ("best", "empty")


class ClaimRules(Record):
    """The rules of Proof of Learning that do not depend on how nodes come by their models: `PoLe`'s and `Replay`'s.

    Attributes:
      threshold: f32[], validation accuracy that a claim needs, in [0, 1]; the difficulty that a controller moves.
      accept: f32[], test accuracy that verifiers ask for; None: the threshold less `margin`.
      margin: f32[], allowance for the difference of two finite samples; 0.05 is two standard errors on the digits.
      deadline: f32[], seconds from a node's start after which it gives up; inf: when its training ends.
      jitter: f32[], sigma of the log-normal factor, drawn per node and round, on the time of a step. Whole steps would
        make equal nodes tie exactly and fake forks (0.02, ours).
      verification: f32[], seconds that verifying one rejected claim costs (an accepted one's are part of the delay).
      fallback: what ends a round that nobody finished. "best": the node with the best validation accuracy publishes
        its model; "empty": the first to give up publishes a block without a model. Both ours: sources differ.

    Raises:
      ValueError: a number out of range, or an unknown fallback.
    """

    threshold: Numeric = axes(0, default=0.9)
    accept: Numeric | None = axes(0, default=None)
    margin: Numeric = axes(0, default=0.05)
    deadline: Numeric = axes(0, default=float("inf"))
    jitter: Numeric = axes(0, default=0.02)
    verification: Numeric = axes(0, default=0.0)
    fallback: str = static(default="best")

    def __post_init__(self) -> None:
        convert(
            self,
            threshold=lambda value: checks.real("threshold", value, low=0.0, high=1.0),
            accept=lambda value: value if value is None else checks.real("accept", value, low=0.0, high=1.0),
            margin=lambda value: checks.real("margin", value, low=0.0, high=1.0),
            deadline=lambda value: checks.real("deadline", value, above=0.0, infinite=True),
            jitter=lambda value: checks.real("jitter", value, low=0.0),
            verification=lambda value: checks.real("verification", value, low=0.0),
            fallback=lambda value: checks.one_of("fallback", value, FALLBACKS),
        )

    def demanded(self, difficulty: Array) -> Array:
        """Test accuracy f32[...] that verifiers ask for on branches whose threshold is `difficulty` f32[...]."""
        return difficulty - self.margin if self.accept is None else self.accept

    def accepts(self, accuracy: Array, difficulty: Array) -> Array:
        """Whether verifiers accept test accuracies f32[...] on branches whose threshold is `difficulty`."""
        return accuracy >= self.demanded(difficulty)

    def passes(self, validation: Array, test: Array) -> Array:
        """Whether honest claims of such accuracies f32[...] are made at the threshold and accepted."""
        return (validation >= self.threshold) & self.accepts(test, self.threshold)

    def fall_back(self, start: Array, elapsed: Array, accuracy: Array, address: Array) -> tuple[Array, Array]:
        """Who makes the block of a round that nobody finished, and when.

        Args:
          start: f32[N], s, when each node began.
          elapsed: f32[N], s that each node spent before it gave up.
          accuracy: f32[N], each node's last validation accuracy.
          address: u32[N]; the lowest wins a tie.

        Returns:
          bool[N], true for one node; f32[N], s from the node's start to its publishing: the deadline, or, where that is
          infinite, when it gave up.
        """
        ends = jnp.where(jnp.isinf(self.deadline), elapsed, self.deadline)
        merit = accuracy if self.fallback == "best" else -(start + ends)
        tied = merit == merit.max()
        chosen = tied & (address == jnp.where(tied, address, jnp.uint32(0xFFFFFFFF)).min())
        return chosen, ends
