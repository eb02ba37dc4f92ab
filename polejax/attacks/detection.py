"""Detection: how well verification tells cheats from honest nodes, and what cheating is worth, over seeds."""

import math

import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.record import Record
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.attacks import head_start
from polejax.attacks.detection_tables import honesty_tables, measures_tables, roc_tables
from polejax.attacks.head_start import Run
from polejax.attacks.paired_scores import CONFIDENCE, auc, bounded, mean, ratio, roc, saved
from polejax.attacks.seed_numbers import paired_seeds
from polejax.attacks.theft import Attempt
from polejax.learning.tasks import majority_accuracy
from polejax.mechanisms.pole import PoLe

__all__ = [
    "Honesty",
    "Measures",
    "Roc",
    "advantage",
    "as_played",
    "auc",
    "cheat_steps",
    "cheat_times",
    "claimed_accuracy",
    "excess",
    "honest_steps",
    "honest_times",
    "mean",
    "measure",
    "measure_honesty",
    "measure_roc",
    "ratio",
    "roc",
    "saved",
]


class Measures(Tabled, Record):
    """What an attempt achieves; every field an `Estimate` over seeds.

    Attributes:
      accuracy: fraction, on the test data, of the opening claim: before any training step.
      detected: share of such claims that verifiers turn down.
      kept: its accuracy above chance, as a share of an honest claim's.
      auc: probability that an honest claim scores above such a claim, ties half.
      steps: training steps of the cheat's own to an accepted claim; lower bound where some never make one.
      finished: share that make one within the budget.
      saved: share of the honest node's training steps that are saved; who fails counts with the whole budget.
      net: the same, less the cost of the attack in steps.
      advantage: share of blocks per share of power, of one such cheat among ten equal nodes, see `advantage`.
      excess: test less validation accuracy of accepted claims, see `excess`; None: none accepted.
    """

    accuracy: Estimate[float]
    detected: Estimate[float]
    kept: Estimate[float]
    auc: Estimate[float]
    steps: Estimate[float]
    finished: Estimate[float]
    saved: Estimate[float]
    net: Estimate[float]
    advantage: Estimate[float]
    excess: Estimate[float] | None

    def tables(self) -> list[Table]:
        """All numbers with their intervals."""
        return measures_tables(self, CONFIDENCE)


class Roc(Tabled, Record):
    """Rates at every accept threshold that tells scores apart, with intervals over seeds.

    Attributes:
      threshold: f64[T], fraction, rising: the test accuracy that verifiers would ask for.
      rejected: [T], share of honest claims below it: false rejections.
      detected: [T], share of the cheats' opening claims below it.
      area: under the curve: see `auc`.
    """

    threshold: Array
    rejected: Estimate
    detected: Estimate
    area: Estimate[float]

    def tables(self) -> list[Table]:
        """The area under the curve, and rates at thresholds spread evenly over its points."""
        return roc_tables(self, CONFIDENCE)


class Honesty(Tabled, Record):
    """What honest nodes achieve; every field an `Estimate` over seeds.

    Attributes:
      accuracy: fraction, on the test data, when the budget is spent.
      steps: training steps to an accepted claim; lower bound where some never make one.
      finished: share that make one within the budget.
      rejected: share of first claims at the threshold that verifiers turn down.
    """

    accuracy: Estimate[float]
    steps: Estimate[float]
    finished: Estimate[float]
    rejected: Estimate[float]

    def tables(self) -> list[Table]:
        """All numbers with their intervals."""
        return honesty_tables(self, CONFIDENCE)


@checked
@single("mechanism")
@steady
def measure(mechanism: PoLe, twins: Run, tried: Attempt) -> Measures:
    """Measure an attempt against the cheats' honest twins, runs of the same seeds."""
    honest, _ = honest_steps(mechanism, twins)
    steps, finished = cheat_steps(mechanism, tried)
    claimed = claimed_accuracy(mechanism, twins)
    rejected = ~np.asarray(mechanism.rules.accepts(tried.test[:, 0], mechanism.rules.threshold))
    chance = majority_accuracy(mechanism.recipe.task)
    return Measures(
        accuracy=mean(tried.test[:, 0]),
        detected=estimate.share(rejected, np.ones_like(rejected, int), CONFIDENCE),
        kept=ratio(tried.test[:, 0] - chance, claimed - chance),
        auc=auc(claimed, tried.test[:, 0]),
        steps=_mean_steps(steps),
        finished=estimate.share(finished, np.ones_like(finished, int), CONFIDENCE),
        saved=saved(honest, steps),
        net=saved(honest, steps + float(tried.cost)),
        advantage=advantage(honest_times(mechanism, twins), cheat_times(mechanism, tried)),
        excess=excess(mechanism, tried),
    )


@checked
@single("mechanism")
@steady
def measure_honesty(mechanism: PoLe, run: Run) -> Honesty:
    """Measure honest runs."""
    steps, finished = honest_steps(mechanism, run)
    claims = np.asarray(run.validation >= mechanism.rules.threshold)
    first = claims.argmax(axis=1)
    scores = np.take_along_axis(np.asarray(run.test), first[:, None], axis=1)[:, 0]
    rejected = claims.any(axis=1) & ~np.asarray(mechanism.rules.accepts(scores, mechanism.rules.threshold))
    return Honesty(
        accuracy=mean(run.test[:, -1]),
        steps=_mean_steps(steps),
        finished=estimate.share(finished, np.ones_like(finished, int), CONFIDENCE),
        rejected=estimate.share(rejected, claims.any(axis=1).astype(int), CONFIDENCE),
    )


def _mean_steps(steps: Array) -> Estimate:
    """Mean of steps f64[S], which are not negative."""
    found = mean(steps)
    return Estimate(found.value, np.maximum(found.low, 0.0), found.high)


@checked
@single("mechanism")
@steady
def honest_times(mechanism: PoLe, run: Run) -> Array:
    """Steps f64[S] to a valid claim; inf where there is none."""
    steps, found = honest_steps(mechanism, run)
    return np.where(found, steps, np.inf)


@checked
@single("mechanism")
def as_played(mechanism: PoLe, tried: Attempt) -> tuple[Array, Array]:
    """What a round sees of a cheat: claimed validation and true test accuracy f32[S, K] at the ends of K periods.

    The attack's cost delays everything by whole evaluation periods; who lies claims to be perfect.
    """
    length = tried.test.shape[1] - 1
    late = min(
        math.ceil(float(tried.cost) / mechanism.recipe.evaluate_every), length + 1
    )  # then there is no time left at all
    claimed = tried.validation if tried.truthful else np.ones_like(tried.test)
    validation, test = (np.pad(np.asarray(curve), ((0, 0), (late, 0))) for curve in (claimed, tried.test))
    return validation[:, 1 : length + 1], test[:, 1 : length + 1]


@checked
@single("mechanism")
@steady
def cheat_times(mechanism: PoLe, tried: Attempt) -> Array:
    """Steps f64[S] to a cheat's accepted claim, its attack's cost included; inf where there is none in a run's time."""
    steps, found = head_start.steps(mechanism.recipe, mechanism.rules.passes(*as_played(mechanism, tried)))
    return np.where(found, steps + mechanism.recipe.evaluate_every, np.inf)


@checked
def advantage(honest: Array, cheats: Array, nodes: int = 10, confidence: float = CONFIDENCE) -> Estimate:
    """Share of blocks over share of power of one cheat among equal nodes that hear of blocks at once.

    Times are drawn from those given; ties, and rounds that nobody finishes, go to each with equal chance. With p and q
    the shares of honest times above and equal to the cheat's, it wins with chance ((p + q)^n - p^n) / (n q), or
    p^(n - 1) where q = 0 (ours); `polejax.attacks.Cheating` is the same in the simulator, for any network.

    Args:
      honest, cheats: steps [S], paired by seed.
      nodes: n, the cheat included.
      confidence: of the interval.
    """
    confidence = checks.confidence(confidence)
    honest, cheats = paired_seeds(honest=honest, cheats=cheats, infinite=True)
    nodes = checks.whole("nodes", nodes, low=2)

    def ratio_of(honest: Array, cheats: Array) -> float:
        above = (honest[None] > cheats[:, None]).mean(axis=1)
        equal = (honest[None] == cheats[:, None]).mean(axis=1)
        shared = ((above + equal) ** nodes - above**nodes) / (nodes * np.where(equal > 0, equal, 1.0))
        return float(nodes * np.where(equal > 0, shared, above ** (nodes - 1)).mean())

    others = [ratio_of(np.delete(honest, seed), np.delete(cheats, seed)) for seed in range(len(honest))]
    found = estimate.real(ratio_of(honest, cheats), np.array(others), confidence)
    return bounded(found, len(honest), confidence, high=nodes)


@checked
@single("mechanism")
def excess(mechanism: PoLe, tried: Attempt) -> Estimate | None:
    """Test accuracy less validation accuracy, over accepted claims; None: none accepted.

    The validation data play no part in an untruthful claim: an overfitter's excess is what it has not learnt, and a
    liar's has the winner's curse. Truthful cheats, as honest nodes, choose by them when to claim.
    """
    steps, finished = cheat_steps(mechanism, tried)
    index = np.asarray(steps / mechanism.recipe.evaluate_every).astype(int)[:, None]
    test, validation = (np.take_along_axis(np.asarray(a), index, axis=1)[:, 0] for a in (tried.test, tried.validation))
    return estimate.mean((test - validation) * finished, finished.astype(int), CONFIDENCE)


@checked
@single("mechanism")
def honest_steps(mechanism: PoLe, run: Run) -> tuple[Array, Array]:
    """Steps f64[S] to a valid claim, and whether there is one; see `head_start.steps`."""
    return head_start.steps(mechanism.recipe, mechanism.rules.passes(run.validation, run.test))


@checked
@single("mechanism")
def cheat_steps(mechanism: PoLe, tried: Attempt) -> tuple[Array, Array]:
    """Steps f64[S] of a cheat's own to an accepted claim, and whether it makes one."""
    accepted = np.asarray(mechanism.rules.accepts(tried.test, mechanism.rules.threshold))
    claims = np.asarray(tried.validation >= mechanism.rules.threshold) | (not tried.truthful)
    return head_start.steps(mechanism.recipe, accepted & claims)


@checked
@single("mechanism")
def claimed_accuracy(mechanism: PoLe, run: Run) -> Array:
    """Test accuracy f32[S] of honest first claims, whether accepted or not; of the last model where none is made."""
    made = np.asarray(run.validation >= mechanism.rules.threshold)
    index = np.where(made.any(axis=1), made.argmax(axis=1), made.shape[1] - 1)
    return np.take_along_axis(np.asarray(run.test), index[:, None], axis=1)[:, 0]


@checked
@single("mechanism")
def measure_roc(mechanism: PoLe, twins: Run, tried: Attempt) -> Roc:
    """The ROC of an attempt's opening claims against honest claims of the same seeds, with intervals."""
    honest, cheats = claimed_accuracy(mechanism, twins), np.asarray(tried.test)[:, 0]
    thresholds, *_ = roc(honest, cheats)
    below = (scores[:, None] < thresholds[None] for scores in (honest, cheats))
    rejected, detected = (estimate.share(hits, np.ones_like(hits, int), CONFIDENCE) for hits in below)
    return Roc(thresholds, rejected, detected, auc(honest, cheats))


def __dir__() -> list[str]:
    return __all__
