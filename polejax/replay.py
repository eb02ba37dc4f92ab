"""Replay: Proof of Learning at the price of random numbers, resampled from a bank of recorded learning curves."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from polejax import draw
from polejax.bank import Bank
from polejax.checks import Array
from polejax.mechanism import Claims, Learning, Views
from polejax.nodes import Nodes
from polejax.pole import PoLe, check_rules, fall_back
from polejax.record import record, replace, static
from polejax.rounding import rounded


@record
class Passage:
    """How far curves get at a threshold; leading axes of the curves, [B] or [N]."""

    made: Array  # i32, evaluations up to and with the first valid claim, or all K where there is none
    finished: Array  # bool, there is one
    accuracy: Array  # f32, fraction: validation accuracy at the last of them
    score: Array  # f32, fraction: test accuracy then
    rejected: Array  # i32, how many of them made claims that verification turned down
    turned_down: Array  # bool[..., K], which


@record
class Replay:
    """Proof of Learning whose nodes do not train but repeat recorded learning curves: `PoLe`'s law, many times as fast.

    For every node and block one curve of the bank is drawn, uniformly and independently, by (key, address); a new tip
    gives a node a new Secure Mapping Layer, so its successive curves are independent, as in `PoLe`. The claim is the
    first evaluation whose validation accuracy reaches the branch's threshold and whose test accuracy verifiers accept.
    Times, claims turned down, deadline and fallback are `PoLe`'s. Two differences: a node gives up where its curve
    ends (after `bank.num_steps`), and curves repeat, so that every statistic carries the bank's own error
    (`polejax.replay.bank_error`). One bank serves every threshold, power, network, election and difficulty rule.

    Args:
      bank: `Bank` of learning curves, see `polejax.learning_curves`.
      threshold, accept, margin, deadline, jitter, verification, fallback: as in `PoLe`.
      passage: ready-made from the others when a simulation begins (`prepare`); leave it out.

    Raises:
      ValueError: a number out of range, an unknown fallback, or a bank that is none.

    Source: ours; the protocol is Lan, Liu, Li 2020 (arXiv 2007.15145).
    """

    bank: Bank
    threshold: Array = 0.9
    accept: Array | None = None
    margin: Array = 0.05
    deadline: Array = float("inf")
    jitter: Array = 0.02
    verification: Array = 0.0
    fallback: str = static(default="best")
    passage: Passage | None = None

    hashes_tips: ClassVar[bool] = False
    segment: ClassVar[int] = 4096
    cached_lanes: ClassVar[int] = 1024
    accepts = PoLe.accepts

    def __post_init__(self) -> None:
        if not isinstance(self.bank, Bank):
            raise ValueError(
                f"bank must be a polejax.Bank, got {type(self.bank).__name__}: make one with polejax.learning_curves"
            )
        check_rules(self)

    @property
    def initial_difficulty(self) -> Array:
        """f32[], the accuracy threshold of the first block."""
        return self.threshold

    def prepare(self, difficulty_is_fixed: bool) -> "Replay":
        """The same mechanism, knowing where each curve passes the threshold if that is the same in all rounds."""
        if not difficulty_is_fixed:
            return replace(self, passage=None)
        return replace(self, passage=self._pass(self.bank.validation, self.bank.test, self.threshold))

    def _pass(self, validation: Array, test: Array, threshold: Array) -> Passage:
        """Where curves f32[..., K] pass thresholds f32[] or f32[..., 1]."""
        num = validation.shape[-1]
        claims = validation >= threshold
        valid = claims & self.accepts(test, threshold)  # type: ignore[misc]
        index = jax.lax.broadcasted_iota(jnp.int32, validation.shape, validation.ndim - 1)
        made = jnp.where(valid, index + 1, num).min(axis=-1)  # as argmax, but XLA vectorises it
        here = index + 1 == made[..., None]
        accuracy, score = (jnp.where(here, curves, 0.0).sum(axis=-1) for curves in (validation, test))
        turned_down = claims & ~valid & (index < made[..., None])
        rejected = turned_down.sum(axis=-1, dtype=jnp.int32)
        return Passage(made, valid.any(axis=-1), accuracy, score, rejected, turned_down)

    def race(self, key: Array, views: Views, nodes: Nodes, network: Any = None) -> Claims:
        """Claims of nodes that repeat a drawn curve each, work f32[N] in steps; see `Mechanism.race`."""
        words = draw.two_words(key, nodes.address)
        curve = (words[..., 0] % jnp.uint32(self.bank.num_curves)).astype(jnp.int32)
        slowness = draw.lognormal_of(words[..., 1], self.jitter)
        chunk = nodes.seconds(rounded(self.bank.evaluate_every * slowness))  # s between a node's evaluations
        if self.passage is None:
            difficulty = views.difficulty[:, None]
            passage = self._pass(self.bank.validation[curve], self.bank.test[curve], difficulty)
            rows = jnp.arange(nodes.count, dtype=jnp.int32)
        else:
            passage, rows = self.passage, curve
        # One of three ways to the same law, by what the fields ask for: the same for all chains unless they are swept.
        way = jnp.where(self.verification > 0.0, 2, jnp.where(jnp.isinf(self.deadline), 0, 1))
        ways = [self._to_the_end, self._to_the_deadline, self._with_rejections]
        run = jax.lax.switch(way, ways, passage, rows, curve, chunk)
        fallback = ~run.finished.any()
        chosen, ends = fall_back(self, views.start, run.elapsed, run.accuracy, nodes.address)
        score = jnp.where(fallback, 0.0, run.score) if self.fallback == "empty" else run.score
        return Claims(
            work=jnp.where(fallback, ends, run.elapsed) * nodes.power,
            score=score,
            valid=jnp.where(fallback, chosen, run.finished),
            fallback=fallback,
            learning=Learning(
                run.accuracy,
                run.rejected,
                self.bank.diverged[curve],
                jnp.zeros((nodes.count, 0)),
                None if self.bank.holdout is None else self.bank.holdout[curve, run.made - 1],
            ),
        )

    def _to_the_end(self, passage: Passage, rows: Array, curve: Array, chunk: Array) -> "_Run":
        """What nodes do that have no deadline and pay nothing for claims turned down."""
        made = passage.made[rows]
        elapsed = rounded(made.astype(jnp.float32) * chunk)
        return _Run(
            passage.finished[rows], elapsed, passage.accuracy[rows], passage.score[rows], passage.rejected[rows], made
        )

    def _to_the_deadline(self, passage: Passage, rows: Array, curve: Array, chunk: Array) -> "_Run":
        """The same where a node gives up when its next evaluation, from the second on, would be beyond the deadline."""
        most = jnp.clip(jnp.floor(self.deadline / chunk), 1.0, float(self.bank.num_evaluations)).astype(jnp.int32)
        made = jnp.minimum(passage.made[rows], most)
        elapsed = rounded(made.astype(jnp.float32) * chunk)
        finished = passage.finished[rows] & (made == passage.made[rows])
        return self._run(passage, rows, curve, made, finished, elapsed)

    def _with_rejections(self, passage: Passage, rows: Array, curve: Array, chunk: Array) -> "_Run":
        """The same where, besides, each claim turned down costs all nodes that still race one verification."""

        def evaluate(index: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
            made, elapsed, racing = state
            elapsed = jnp.where(racing, elapsed + chunk, elapsed)
            valid = passage.finished[rows] & (passage.made[rows] == index + 1)
            turned_down = racing & passage.turned_down[rows, index]
            lost = rounded(self.verification * turned_down.sum().astype(jnp.float32))
            elapsed = jnp.where(racing & ~valid, elapsed + lost, elapsed)
            made = jnp.where(racing, index + 1, made)
            racing = racing & ~valid & (elapsed + chunk <= self.deadline)
            return made, elapsed, racing

        state = (jnp.zeros_like(rows), jnp.zeros_like(chunk), jnp.ones(chunk.shape, bool))
        made, elapsed, _ = jax.lax.fori_loop(0, self.bank.num_evaluations, evaluate, state)
        finished = passage.finished[rows] & (made == passage.made[rows])
        return self._run(passage, rows, curve, made, finished, elapsed)

    def _run(self, passage: Passage, rows: Array, curve: Array, made: Array, finished: Array, elapsed: Array) -> "_Run":
        last = made - 1
        accuracy, score = self.bank.validation[curve, last], self.bank.test[curve, last]
        before = jnp.arange(self.bank.num_evaluations, dtype=jnp.int32)[None] < made[:, None]
        rejected = (passage.turned_down[rows] & before).sum(axis=-1, dtype=jnp.int32)
        return _Run(finished, elapsed, accuracy, score, rejected, made)


@record
class _Run:
    """How the nodes' training went; leading axis N."""

    finished: Array  # bool[N]: holds a valid claim
    elapsed: Array  # f32[N], s since the node's start
    accuracy: Array  # f32[N], validation accuracy at its last evaluation
    score: Array  # f32[N], test accuracy then
    rejected: Array  # i32[N], claims turned down
    made: Array  # i32[N], evaluations
