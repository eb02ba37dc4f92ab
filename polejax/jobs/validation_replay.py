"""The cases of `polejax validate` about replaying: recorded learning curves have the law of live training."""

import functools
import math
from collections.abc import Callable

import jax

from polejax import network
from polejax._core.keys import key_of
from polejax._core.types import Array
from polejax._engine.runner import simulate_many
from polejax.analysis.estimate import Estimate
from polejax.analysis.summaries import Summary, summarise
from polejax.consensus import nodes
from polejax.consensus.scenario import Scenario
from polejax.jobs import measures
from polejax.jobs.measures import Case, Measured
from polejax.learning import tasks
from polejax.learning.models import MultilayerPerceptron
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.replay import Replay
from polejax.studies.bank_error import bank_estimate
from polejax.studies.banks import learning_curves

PARTS = 32  # of a bank, for its own error

Statistic = Callable[[Summary], Estimate]


def _mean(summary: Summary) -> Estimate:
    return summary.interval_mean


def _cv(summary: Summary) -> Estimate:
    return summary.interval_cv


@functools.cache
def small(threshold: float) -> PoLe:
    """Logistic regression on three classes, 200 steps at most; two in five curves never pass 0.8."""
    task = tasks.synthetic(0, num_features=8, num_classes=3, num_train=128, num_validation=100, num_test=100, hidden=4)
    model = MultilayerPerceptron(hidden=(), num_classes=3)
    options = {"batch_size": 16, "evaluate_every": 2, "max_steps": 200, "learning_rate": 0.05}
    return PoLe(task, threshold, model=model, **options)  # type: ignore[arg-type]


@functools.cache
def digits(threshold: float) -> PoLe:
    """The default recipe, whose nodes give up after 2,000 steps."""
    return PoLe(tasks.digits(), threshold)


@functools.cache
def _bank(make: Callable[[float], PoLe], num_curves: int) -> Bank:
    """Curves as long as training, trained once for all thresholds."""
    mechanism = make(0.9)
    return learning_curves(key_of(1), mechanism, num_curves, num_steps=mechanism.recipe.max_steps)


def _ratio(
    key: Array, make: Callable[[float], PoLe], threshold: float, statistic: Statistic, curves: int, seeds: int
) -> Measured:
    """A statistic of one node's replayed blocks over that of its live ones, with the bank's own error."""
    live_key, replay_key = jax.random.split(key)
    live = Scenario(nodes.equal(1), network.instant(1), make(threshold))
    replay = Scenario(live.nodes, live.network, Replay(_bank(make, curves), threshold))
    lived = statistic(summarise(simulate_many(jax.random.split(live_key, seeds), live, 24)))
    found = bank_estimate(replay_key, replay, PARTS * 4, 200, lambda summary: statistic(summary).value, parts=PARTS)
    one, other = measures.of_estimate(lived, seeds), measures.of_estimate(found, PARTS)
    ratio = other[0] / one[0]
    return ratio, ratio * math.hypot(one[1] / one[0], other[1] / other[0])


def replays(scale: int) -> list[Case]:
    """Live against replayed training at a low, a middle and a high threshold; many curves never pass the high one."""
    laws = [("small task", small, (0.55, 0.7, 0.8), 1_024 * scale, 64 * scale)]
    if scale > 1:
        laws.append(("digits", digits, (0.8, 0.9, 0.94), 1_024, 64))
    return [
        Case(
            f"replayed / live {name}, {task}, threshold {threshold:g}",
            "live training",
            1.0,
            functools.partial(_ratio, make=make, threshold=threshold, statistic=statistic, curves=curves, seeds=seeds),
        )
        for task, make, thresholds, curves, seeds in laws
        for threshold in thresholds
        for name, statistic in (("mean", _mean), ("CV", _cv))
    ]
