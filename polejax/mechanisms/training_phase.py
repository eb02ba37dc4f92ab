"""Training phase: all nodes train for the same time, then show their models; the clock, not the work, makes blocks."""

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, draw
from polejax._core.numerics import rounded
from polejax._core.record import axes, convert, replace, static
from polejax._core.types import Array, Key, Numeric
from polejax.consensus.claims import Claims, Learning
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, Profile
from polejax.consensus.nodes import AnyNodes, Nodes
from polejax.consensus.views import Views
from polejax.mechanisms.bank import Bank

TIE_BREAK = 1e-4  # less than one test sample's part of the accuracy, so that it decides between equals alone
SUBMITTED = ("best", "last")
TIES = ("hash", "heard")

_PAUSE, _TIE = 1, 2  # folded into the race's key


class TrainingPhase(Mechanism):
    """Proof of deep learning by the clock: a node trains until the phase ends, and claims with the model it then has.

    For every node and block one curve of the bank is drawn, by (key, address), as in `Replay`; a faster node gets
    further on its curve. The claim is made when the test data appear, `pause` seconds after the phase; its score is the
    test accuracy, so that an election of the best claim (`polejax.elections.BestInWindow`) is what chooses. The
    difficulty is the phase's length, which a difficulty rule for work may move. A node that has not evaluated once when
    the phase ends claims nothing, unless nobody has: then all claim with their first evaluation, as a fallback (ours).
    A bank whose curves end before training would, and before the fastest node's phase, is refused.

    Attributes:
      bank: `Bank` of learning curves.
      seconds: f32[], s, length of the training phase, positive.
      pause: f32[], s, mean time from the phase's end until the test data appear, in which nobody trains.
      pause_cv: f32[], ratio, of that time, log-normal and the same for all nodes at a height; 0: always the mean.
      jitter: f32[], sigma of the log-normal factor, drawn per node and round, on the time of a step.
      submit: which model a node claims with: "best" by its own validation accuracy, the earliest of equal ones, or
        "last".
      ties: what decides between models of equal test accuracy: "hash", a number drawn by node and height (it raises the
        score by less than 1e-4); "heard", which one is heard first, which is a node's own where all claim at once.
      latest: made from the others when a simulation begins (`prepare`); None before.

    Raises:
      ValueError: a bank that is none, a number out of range, or an unknown word; when a scenario is built: a bank too
        short.

    Source: ours; what it stands for, the presets in `polejax.protocols` say.
    """

    bank: Bank
    seconds: Numeric = axes(0)
    pause: Numeric = axes(0, default=0.0)
    pause_cv: Numeric = axes(0, default=0.0)
    jitter: Numeric = axes(0, default=0.02)
    submit: str = static(default="best")
    ties: str = static(default="hash")
    latest: Array | None = axes(2, default=None)

    def __post_init__(self) -> None:
        if not isinstance(self.bank, Bank):
            raise ValueError(
                f"bank must be a polejax.Bank, got {type(self.bank).__name__}: see polejax.learning_curves"
            )
        convert(
            self,
            seconds=lambda value: checks.real("seconds", value, above=0.0),
            pause=lambda value: checks.real("pause", value, low=0.0),
            pause_cv=lambda value: checks.real("pause_cv", value, low=0.0),
            jitter=lambda value: checks.real("jitter", value, low=0.0),
            submit=lambda value: checks.one_of("submit", value, SUBMITTED),
            ties=lambda value: checks.one_of("ties", value, TIES),
        )

    @property
    def initial_difficulty(self) -> Array:
        """f32[], s, length of the first block's training phase."""
        return self.seconds

    @property
    def profile(self) -> Profile:
        """See `Mechanism.profile`."""
        return Profile(heights_per_call=4096, cached_lanes=1024)

    def nameless(self) -> "TrainingPhase":
        """See `Mechanism.nameless`."""
        return replace(self, bank=replace(self.bank, trained="[]", max_steps=None))

    def check(self, nodes: AnyNodes) -> None:
        """See `Mechanism.check`: refuse curves that end before the fastest node's phase; nobody knows what follows."""
        known = (self.seconds, nodes.power, self.bank.validation)
        if self.bank.whole or any(checks.is_traced(value) for value in known):
            return
        steps = float(np.max(self.seconds)) * float(np.max(nodes.power))
        if steps > self.bank.num_steps:
            raise ValueError(
                f"bank must hold the {steps:.0f} steps that the fastest node takes in {float(np.max(self.seconds)):g} "
                f"s of training, got {self.bank.num_steps}: record longer curves, or train for a shorter time"
            )

    def prepare(self, difficulty_is_fixed: bool) -> "TrainingPhase":
        """The same mechanism, knowing which model of each curve a node has after each evaluation."""
        return replace(self, latest=self._latest())

    def _latest(self) -> Array:
        """Evaluation i32[B, K], from 0, whose model a node claims with after each evaluation."""
        validation = self.bank.validation
        number = jax.lax.broadcasted_iota(jnp.int32, validation.shape, validation.ndim - 1)
        if self.submit == "last":
            return number
        best = jax.lax.cummax(validation, axis=validation.ndim - 1)
        before = jnp.concatenate([jnp.full_like(best[..., :1], -jnp.inf), best[..., :-1]], axis=-1)
        return jax.lax.cummax(jnp.where(validation > before, number, 0), axis=validation.ndim - 1)

    def race(self, key: Key, views: Views, nodes: Nodes, listening: Listening | None = None) -> Claims:
        """Claims of nodes that all end at once, work f32[N] in what they could have done by then; see the base."""
        bank, num = self.bank, self.bank.num_evaluations
        words = draw.two_words(key, nodes.address)
        curve = (words[..., 0] % jnp.uint32(bank.num_curves)).astype(jnp.int32)
        slowness = jnp.exp(rounded(self.jitter * draw.signed_normal_of(words[..., 1])))
        chunk = nodes.seconds(rounded(bank.evaluate_every * slowness))
        made = jnp.clip(jnp.floor(views.difficulty / chunk), 0.0, float(num)).astype(jnp.int32)
        some = made > 0
        fallback = ~some.any()
        latest = self._latest() if self.latest is None else self.latest
        place = curve * num + latest.reshape(-1)[curve * num + jnp.maximum(made, 1) - 1]
        test = bank.test.reshape(-1)[place]
        score = test
        if self.ties == "hash":
            score = test + TIE_BREAK * draw.uniform(jax.random.fold_in(key, _TIE), nodes.address)
        none = jnp.zeros(nodes.count, jnp.int32)
        holdout = None if bank.holdout is None else bank.holdout.reshape(-1)[place]
        claimed = bank.validation.reshape(-1)[place]
        return Claims(
            work=rounded((views.difficulty + self._pause(key)) * nodes.power),
            score=score,
            valid=some | fallback,
            fallback=fallback,
            learning=Learning(claimed, none, bank.diverged.reshape(-1)[place], jnp.zeros((nodes.count, 0)), holdout),
        )

    def _pause(self, key: Key) -> Array:
        """Seconds f32[] from the phase's end until the test data appear, one number for all nodes."""
        variance = jnp.log1p(self.pause_cv**2)
        normal = draw.normal(jax.random.fold_in(key, _PAUSE), jnp.zeros(1, jnp.uint32))[0]
        return rounded(self.pause * jnp.exp(jnp.sqrt(variance) * normal - variance / 2))
