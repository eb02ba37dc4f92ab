"""Replay: Proof of Learning at the price of random numbers, resampled from a bank of recorded learning curves."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from polejax._core import checks, draw
from polejax._core.numerics import rounded
from polejax._core.record import replace, static
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.claims import Claims, Evidence, Learning
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, Profile, Unit
from polejax.consensus.nodes import AnyNodes, Nodes
from polejax.consensus.views import Views
from polejax.mechanisms import censoring
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.claim_rules import ClaimRules
from polejax.mechanisms.passage import Passage


class Replay(Mechanism):
    """Proof of Learning whose nodes do not train but repeat recorded learning curves: `PoLe`'s law, many times as fast.

    For every node and block one curve of the bank is drawn, uniformly and independently, by (key, address); a new tip
    gives a node a new Secure Mapping Layer, so its successive curves are independent, as in `PoLe`. The claim is the
    first evaluation whose validation accuracy reaches the branch's threshold and whose test accuracy verifiers accept.
    Times, claims turned down, deadline and fallback are `PoLe`'s. Two differences: curves repeat, so that every
    statistic carries the bank's own error (`polejax.bank_estimate`); and a node gives up where its curve ends, which is
    the law only if the curves are as long as training (`Bank.whole`). Where they are not, and a curve ends before its
    node has heard of a block, the height is marked (`History.censored`) and `Summary` tells how many are; a scenario
    whose nodes would meet this at more than 1% of its heights is refused, unless `censored`. Many nodes seldom do, as
    one with a claim is enough. One bank serves every threshold, power, network, election and difficulty rule.

    Args:
      bank: `Bank` of learning curves, see `polejax.learning_curves`.
      threshold, accept, margin, deadline, jitter, verification, fallback: what a claim is; see `ClaimRules`.
      censored: whether to accept a bank whose curves end too early, whatever the number of blocks that this decides.

    Attributes:
      bank: `Bank`.
      rules: `ClaimRules`.
      passage: made from the others when a simulation begins (`prepare`); None before.

    Raises:
      ValueError: a number out of range, an unknown fallback, no bank; when a scenario is built: curves too short.

    Source: ours; the protocol is Lan, Liu, Li 2020 (arXiv 2007.15145).
    """

    inlined: ClassVar[tuple[str, ...]] = ("rules",)

    bank: Bank
    rules: ClaimRules
    passage: Passage | None
    censored: bool = static()

    def __init__(
        self,
        bank: Bank,
        threshold: Numeric = 0.9,
        accept: Numeric | None = None,
        margin: Numeric = 0.05,
        deadline: Numeric = float("inf"),
        jitter: Numeric = 0.02,
        verification: Numeric = 0.0,
        fallback: str = "best",
        censored: bool = False,
    ) -> None:
        if not isinstance(bank, Bank):
            raise ValueError(
                f"bank must be a polejax.Bank, got {type(bank).__name__}: make one with polejax.learning_curves"
            )
        rules = ClaimRules(threshold, accept, margin, deadline, jitter, verification, fallback)
        object.__setattr__(self, "bank", bank)
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "passage", None)
        object.__setattr__(self, "censored", checks.flag("censored", censored))

    @property
    def initial_difficulty(self) -> Array:
        """f32[], the accuracy threshold of the first block."""
        return self.rules.threshold

    @property
    def difficulty_unit(self) -> Unit:
        """See `Mechanism.difficulty_unit`."""
        return "accuracy"

    def nameless(self) -> "Replay":
        """See `Mechanism.nameless`; of the steps of training only counts whether the curves have them all."""
        return replace(
            self, bank=replace(self.bank, trained="[]", max_steps=None if self.bank.whole else censoring.LONGER)
        )

    def check(self, nodes: AnyNodes) -> None:
        """See `Mechanism.check`: refuse curves that end too early, unless `censored`."""
        if not self.censored:
            censoring.check(self.bank, self.rules, nodes)

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`."""
        return Profile(heights_per_call=4096, cached_lanes=1024)

    def prepare(self, difficulty_is_fixed: bool) -> "Replay":
        """The same mechanism, knowing where its curves pass the threshold, or any."""
        bank, num = self.bank, self.bank.num_evaluations
        if not difficulty_is_fixed:
            reach = jax.lax.cummax(self._passes(bank.validation, bank.test), axis=1)
            highest = jax.lax.cummax(bank.validation, axis=1)
            return replace(self, passage=Passage(None, None, reach, highest))
        claims = bank.validation >= self.rules.threshold
        valid = claims & self.rules.accepts(bank.test, self.rules.threshold)
        number = jax.lax.broadcasted_iota(jnp.int32, valid.shape, valid.ndim - 1) + 1
        made = jnp.where(valid, number, num).min(axis=-1)
        made = jnp.where(valid.any(axis=-1), made, -num)
        return replace(self, passage=Passage(made, claims.cumsum(axis=-1, dtype=jnp.int32), None, None))

    def _passes(self, validation: Array, test: Array) -> Array:
        """The highest threshold f32[..., K] at which each evaluation is a claim that verifiers accept."""
        if self.rules.accept is not None:
            return jnp.where(self.rules.accepts(test, self.rules.threshold), validation, -jnp.inf)
        # The largest number that `accepts` accepts, to the last bit: next to what it would be without rounding.
        near = test + self.rules.margin
        highest = jnp.nextafter(near, jnp.float32(-jnp.inf))
        for candidate in (near, jnp.nextafter(near, jnp.float32(jnp.inf))):
            highest = jnp.where(self.rules.accepts(test, candidate), candidate, highest)
        return jnp.minimum(validation, highest)

    def _first_claims(self, curve: Array, difficulty: Array) -> tuple[Array, Array]:
        """Evaluations i32[N] that nodes make on curves i32[N], and whether the last of them gives a valid claim."""
        num, passage = self.bank.num_evaluations, self.passage
        if passage is not None and passage.made is not None:
            made = passage.made[curve]
            return jnp.abs(made), made > 0
        if passage is None:
            rows = jax.lax.cummax(self._passes(self.bank.validation[curve], self.bank.test[curve]), axis=1)
            below = (rows < difficulty[:, None]).sum(axis=1, dtype=jnp.int32)
        else:
            assert passage.reach is not None
            below = jnp.zeros_like(curve)
            for step in reversed([2**power for power in range(num.bit_length())]):  # search by halves
                reach = _at(passage.reach, curve, jnp.minimum(below + step, num) - 1)
                below = jnp.where((below + step <= num) & (reach < difficulty), below + step, below)
        return jnp.minimum(below + 1, num), below < num

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of nodes that repeat a drawn curve each, work f32[N] in steps; see `Mechanism.race`."""
        words = draw.two_words(key, nodes.address)
        drawn = self._draw(words, views, nodes)
        # Of most rounds that is all. Others take a loop of one turn: under vmap, a `cond` would do so for every round.
        left = (self.rules.verification > 0.0) | ~drawn.done.any()

        def complete(state: tuple[Array, ...]) -> tuple[Array, ...]:
            # Worked out again: to keep what is seldom needed costs every round more. The barrier makes XLA do so.
            drawn = self._draw(jax.lax.optimization_barrier((words, state[0]))[0], views, nodes)
            some, done, elapsed = self._with_rejections(drawn, self._difficulty(views.difficulty))
            fallback = ~done.any()
            accuracy = _at(self.bank.validation, drawn.curve, some - 1)
            chosen, ends = self.rules.fall_back(views.start, elapsed, accuracy, nodes.address)
            elapsed, valid = jnp.where(fallback, ends, elapsed), jnp.where(fallback, chosen, done)
            return jnp.bool_(False), some, valid, elapsed, fallback

        state: tuple[Array, ...] = (left, drawn.some, drawn.done, drawn.elapsed, jnp.bool_(False))
        _, some, valid, elapsed, fallback = jax.lax.while_loop(lambda state: state[0], complete, state)
        place = drawn.curve * self.bank.num_evaluations + some - 1
        return Claims(
            work=elapsed * nodes.power,
            score=self._score(place, fallback),
            valid=valid,
            fallback=fallback,
            learning=self._learning(place, self._difficulty(views.difficulty)),
            reference=place,
            censored=None if self.bank.whole else self._ends(drawn, some, valid & ~fallback) * nodes.power,
        )

    def _ends(self, drawn: "_Drawn", some: Array, done: Array) -> Array:
        """Seconds f32[N] after which a node's curve ends, though training and the deadline do not; inf: it does not."""
        num = self.bank.num_evaluations
        ends = rounded(num * drawn.chunk)
        early = ~done & (some == num) & (ends + drawn.chunk <= self.rules.deadline)
        return jnp.where(early, ends, jnp.inf)

    def _draw(self, words: Array, views: Views, nodes: Nodes) -> "_Drawn":
        """By words u32[N, 2], each node's curve, and how far it goes on it where claims turned down cost nothing."""
        curve = (words[..., 0] % jnp.uint32(self.bank.num_curves)).astype(jnp.int32)
        slowness = jnp.exp(rounded(self.rules.jitter * draw.signed_normal_of(words[..., 1])))
        chunk = nodes.seconds(rounded(self.bank.evaluate_every * slowness))
        made, finished = self._first_claims(curve, self._difficulty(views.difficulty))
        # A node gives up when its next evaluation, from the second on, would be beyond the deadline.
        most = jnp.clip(jnp.floor(self.rules.deadline / chunk), 1.0, float(self.bank.num_evaluations)).astype(jnp.int32)
        some = jnp.minimum(made, most)
        elapsed = rounded(some.astype(jnp.float32) * chunk)
        return _Drawn(curve, chunk, made, finished, some, finished & (some == made), elapsed)

    def look_up(self, reference: Array, difficulty: Array, fallback: Array) -> Evidence:
        """Score and learning at places i32[...] of the bank, counted through curve after curve."""
        return Evidence(self._score(reference, fallback), self._learning(reference, self._difficulty(difficulty)))

    def _difficulty(self, difficulty: Array) -> Array:
        """What curves must pass: `difficulty` f32[...], or the threshold that they were prepared for."""
        is_fixed = self.passage is not None and self.passage.made is not None
        return jnp.broadcast_to(self.rules.threshold, difficulty.shape) if is_fixed else difficulty

    def _score(self, place: Array, fallback: Array) -> Array:
        score = self.bank.test.reshape(-1)[place]
        return jnp.where(fallback, 0.0, score) if self.rules.fallback == "empty" else score

    def _learning(self, place: Array, difficulty: Array) -> Learning:
        """What is on record of nodes that ended at places i32[...] of the bank, counted through curve after curve."""
        bank, num = self.bank, self.bank.num_evaluations
        curve, last = place // num, place % num
        claimed = bank.validation.reshape(-1)[place]
        if self.passage is not None and self.passage.claims is not None:
            claims = self.passage.claims.reshape(-1)[place]
        else:
            claims = self._claims(curve, last, difficulty)
        accepted = self.rules.accepts(bank.test.reshape(-1)[place], difficulty)
        return Learning(
            claimed,
            claims - ((claimed >= difficulty) & accepted).astype(jnp.int32),
            bank.diverged.reshape(-1)[place],
            jnp.zeros((*place.shape, 0)),
            None if bank.holdout is None else bank.holdout.reshape(-1)[place],
        )

    def _claims(self, curve: Array, last: Array, difficulty: Array) -> Array:
        """How many evaluations i32[...] of curves are at or above thresholds, up to and with the `last`, from 0."""
        validation = self.bank.validation
        if self.passage is None or self.passage.highest is None:
            evaluations = jax.lax.broadcasted_iota(jnp.int32, (*last.shape, validation.shape[1]), last.ndim)
            before = evaluations <= last[..., None]
            return ((validation[curve] >= difficulty[..., None]) & before).sum(axis=-1, dtype=jnp.int32)
        highest = self.passage.highest

        def more(state: tuple[Array, Array]) -> Array:
            place, _ = state
            return ((place >= 0) & (_at(highest, curve, place) >= difficulty)).any()

        def back(state: tuple[Array, Array]) -> tuple[Array, Array]:
            place, count = state
            claims = (place >= 0) & (_at(validation, curve, place) >= difficulty)
            return place - 1, count + claims.astype(jnp.int32)

        # Nearly all claims are accepted, so few steps back lead to where no claim was made before.
        return jax.lax.while_loop(more, back, (last, jnp.zeros_like(last)))[1]

    def _with_rejections(self, drawn: "_Drawn", difficulty: Array) -> tuple[Array, ...]:
        """`some`, `done` and `elapsed` where each claim turned down costs all that still race one verification."""

        def racing_on(state: tuple[Array, ...]) -> Array:
            index, _, _, racing = state
            return (index < self.bank.num_evaluations) & racing.any()

        def evaluate(state: tuple[Array, ...]) -> tuple[Array, ...]:
            index, some, elapsed, racing = state
            elapsed = jnp.where(racing, elapsed + drawn.chunk, elapsed)
            valid = drawn.finished & (drawn.made == index + 1)
            turned_down = racing & (_at(self.bank.validation, drawn.curve, index) >= difficulty) & ~valid
            lost = rounded(self.rules.verification * turned_down.sum().astype(jnp.float32))
            elapsed = jnp.where(racing & ~valid, elapsed + lost, elapsed)
            some = jnp.where(racing, index + 1, some)
            return index + 1, some, elapsed, racing & ~valid & (elapsed + drawn.chunk <= self.rules.deadline)

        costly = self.rules.verification > 0.0
        racing = jnp.broadcast_to(costly, drawn.made.shape)
        state: tuple[Array, ...] = (jnp.int32(0), jnp.zeros_like(drawn.made), jnp.zeros_like(drawn.chunk), racing)
        _, some, elapsed, _ = jax.lax.while_loop(racing_on, evaluate, state)
        found = some, drawn.finished & (some == drawn.made), elapsed
        without = drawn.some, drawn.done, drawn.elapsed
        return tuple(jnp.where(costly, *pair) for pair in zip(found, without, strict=True))


class _Drawn(NamedTuple):
    """What is drawn for one round; leading axis N.

    Attributes:
      curve: i32[N], number of the curve in the bank.
      chunk: f32[N], s between the node's evaluations.
      made: i32[N], evaluations up to and with the first valid claim, or all of the curve's.
      finished: bool[N]: the last of them gives a valid claim.
      some: i32[N], those before the deadline.
      done: bool[N]: the last of these gives one.
      elapsed: f32[N], s that they take.
    """

    curve: Array
    chunk: Array
    made: Array
    finished: Array
    some: Array
    done: Array
    elapsed: Array


def _at(curves: Array, curve: Array, evaluation: Array) -> Array:
    """Entries [...] of curves [B, K]: indices of one axis are read twice as fast as of two."""
    return curves.reshape(-1)[curve * curves.shape[1] + evaluation]
