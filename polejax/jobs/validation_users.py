"""The cases of `polejax validate` about users: how long their transactions wait."""

import functools
import math
from collections.abc import Callable

import jax
import numpy as np

from polejax import theory
from polejax._core.types import Array
from polejax._engine.runner import simulate_many
from polejax.analysis.estimate import Estimate
from polejax.analysis.mempool import serve
from polejax.analysis.service import ServiceSummary, service
from polejax.analysis.transactions import Load, Poisson
from polejax.consensus.scenario import Scenario
from polejax.jobs import measures
from polejax.jobs.measures import Case, Measured
from polejax.mechanisms import parametric
from polejax.mechanisms.pow import PoW

Quantity = Callable[[ServiceSummary], Estimate]


def _mean_wait(summary: ServiceSummary) -> Estimate:
    return _entry(summary.latency_mean, 0)


def _class_wait(kind: int, summary: ServiceSummary) -> Estimate:
    return _entry(summary.latency_mean_by_class, kind)


def _quantile(index: int, summary: ServiceSummary) -> Estimate:
    return _entry(summary.latency_quantile, (0, index))


def _full_share(summary: ServiceSummary) -> Estimate:
    assert summary.full_share is not None
    return summary.full_share


def _entry(found: Estimate, index: int | tuple[int, ...]) -> Estimate:
    return Estimate(found.value[index], found.low[index], found.high[index])


def _served(
    key: Array, scenario: Scenario, load: Load, seeds: int, blocks: int, quantity: Quantity = _mean_wait
) -> Measured:
    """A quantity of the service that a scenario's users get."""
    chain_key, user_key = jax.random.split(key)
    history = simulate_many(jax.random.split(chain_key, seeds), scenario, blocks)
    served = serve(jax.random.split(user_key, seeds), history, load)
    summary = service(served, history, load, confirmations=1, quantiles=(0.5, 0.9))
    return measures.of_estimate(quantity(summary), seeds)


def users(scale: int) -> list[Case]:
    """How long users wait, and how full blocks are."""
    unlimited = Load(Poisson(0.05), math.inf)
    power = np.array(measures.SHARES) / 100
    steady = theory.weibull_interval_mean(power, 4.0, 600.0), theory.weibull_interval_cv(4.0)
    wait = functools.partial(_served, load=unlimited, seeds=64 * scale, blocks=512)
    work = measures.undelayed(PoW(600.0))
    paradox, queue = "Kleinrock 1975, s. 5.2", "ours from Kleinrock 1975, s. 4.6"
    rate, blocks, places = 0.15, 1 / 600.0, 100  # load 0.9
    classes = np.array([0.3, 0.4, 0.3]) * rate

    def busy(quantity: Quantity, **load: object) -> Callable[[Array], Measured]:
        offered = Load(Poisson(rate), places, **load)  # type: ignore[arg-type]
        sizes = {"seeds": 64 * scale, "blocks": 2_048}
        return functools.partial(_served, scenario=work, load=offered, quantity=quantity, **sizes)

    by_fee = {"fees": [5.0, 2.0, 1.0], "shares": classes}
    quantiles = theory.bulk_wait_quantile([0.5, 0.9], rate, blocks, places)
    waits = theory.priority_waits(classes, blocks, places)
    return [
        Case(
            "first confirmation, PoW (s)",
            paradox,
            theory.first_confirmation_wait(600.0, 1.0),
            functools.partial(wait, scenario=work),
        ),
        Case(
            "first confirmation, Weibull(4) (s)",
            paradox,
            theory.first_confirmation_wait(*steady),
            functools.partial(wait, scenario=measures.undelayed(parametric.weibull(600.0, 4.0))),
        ),
        Case(
            "wait at load 0.9, 100 a block (s)",
            "Kleinrock 1975, s. 4.6",
            theory.bulk_queue(rate, blocks, places).wait,
            busy(_mean_wait),
        ),
        Case("wait at load 0.9, median (s)", queue, float(quantiles[0]), busy(functools.partial(_quantile, 0))),
        Case("wait at load 0.9, 90% quantile (s)", queue, float(quantiles[1]), busy(functools.partial(_quantile, 1))),
        Case("full blocks at load 0.9", queue, theory.full_block_share(rate, blocks, places), busy(_full_share)),
    ] + [
        Case(
            f"wait of fee class {kind + 1} of 3, load 0.9 (s)",
            queue,
            float(waits[kind]),
            busy(functools.partial(_class_wait, kind), **by_fee),
        )
        for kind in range(3)
    ]
