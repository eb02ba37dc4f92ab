"""Service at equal loads: the law of the bulk queue, warm-up by load, doubts beside the numbers, refusals."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import polejax as pj
from polejax.analysis import service_at_loads
from polejax.analysis.service_at_loads import latency_mean, latency_quantile
from polejax.theory import bulk_queue, bulk_wait_quantile, mempool_warm_up
from tests.handmade import history as handmade

SEEDS, HEIGHTS, MEAN, CAPACITY = 48, 640, 60.0, 50
KEY, DEVICES = jax.random.key(4), jax.devices()[:2]


def chains(law: str, seeds: int = SEEDS, heights: int = HEIGHTS) -> pj.History:
    draw = np.random.default_rng(5)
    interval = draw.exponential(MEAN, (seeds, heights)) if law == "exponential" else np.full((seeds, heights), MEAN)
    return handmade(interval)


@pytest.fixture(scope="module")
def found():
    return service_at_loads(
        KEY,
        {"PoW": chains("exponential"), "steady": chains("steady")},
        loads=(0.5, 0.9),
        capacity=CAPACITY,
        devices=DEVICES,
    )


def sigmas(estimate, expected: float) -> float:
    error = float(estimate.high - estimate.low) / 2 / 2.012  # Student's t, 47 degrees of freedom, 95%
    return abs(float(estimate.value) - expected) / error


@pytest.mark.parametrize("load", [0.5, 0.9])
def test_exponential_blocks_serve_as_the_bulk_queue(found, load):
    summary = found.summaries["PoW"][load]
    interval = float(found.intervals["PoW"].value)
    rate = load * CAPACITY / interval
    assert sigmas(latency_mean(summary), bulk_queue(rate, 1 / interval, CAPACITY).wait) < 5
    late = float(bulk_wait_quantile(0.95, rate, 1 / interval, CAPACITY))
    assert sigmas(latency_quantile(summary), late) < 5
    assert abs(float(summary.throughput.value) / rate - 1) < 0.01


def test_steady_blocks_serve_sooner_and_wait_half_an_interval_when_there_is_room(found):
    half = latency_mean(found.summaries["steady"][0.5])
    assert half.value == pytest.approx(MEAN / 2, rel=0.02)
    assert latency_mean(found.summaries["steady"][0.9]).high < latency_mean(found.summaries["PoW"][0.9]).low / 3


def test_the_mempool_forgets_that_it_began_empty_within_the_warm_up():
    """Of chains that begin empty, the mean backlog is near the stationary one after the warm-up, and not before."""
    load, capacity = 0.9, 50
    heights = int(np.ceil(mempool_warm_up(load, 1.0, capacity)))
    draw = np.random.default_rng(6)
    backlog, told = np.zeros(20_000), {}
    for height in range(1, heights + 1):
        backlog = backlog + draw.poisson(load * capacity * draw.exponential(1.0, backlog.size))
        backlog = np.maximum(backlog - capacity, 0)
        told[height] = backlog.mean()
    root = bulk_queue(load * capacity, 1.0, capacity).root
    stationary = root ** (capacity + 1) / (1 - root)  # of those left behind a block: P(n waiting) = (1 - r) r^n
    assert 0.95 < told[heights] / stationary < 1.03
    assert told[heights // 8] / stationary < 0.9


def test_chains_that_are_too_short_are_told_to_be(found):
    few = {"PoW": chains("exponential", 4, 64)}
    short = service_at_loads(KEY, few, loads=(0.5, 0.95), capacity=CAPACITY, devices=DEVICES)
    assert short.summaries["PoW"][0.95] is None
    assert short.summaries["PoW"][0.5] is not None
    assert f"needs {short.needed['PoW'][0.95]:,} blocks a chain" in str(short)
    assert str(found).count("\n") == 8  # a title, a heading, a line, and three lines for each load
    plot = pj.figures.latency_against_load(short)
    assert plot.columns["PoW: load [share of its capacity]"].tolist() == [0.5]
    with pytest.raises(ValueError, match=r"^service must have a load that some chain is long enough for"):
        pj.figures.latency_against_load(replace(short, summaries={"PoW": {0.95: None}}))


@pytest.mark.parametrize(
    ("named", "given"),
    [
        ("loads", {"loads": (0.5, 1.0)}),
        ("loads", {"loads": (0.5, 0.5)}),
        ("loads", {"loads": ()}),
        ("loads", {"loads": (0.0,)}),
        ("capacity", {"capacity": 0}),
        ("histories", {"histories": {}}),
        ("histories", {"histories": {"alone": handmade(np.full(8, 60.0))}}),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(named, given):
    with pytest.raises(ValueError, match=f"^{named} [^\n]*$"):
        service_at_loads(KEY, **({"histories": {"PoW": chains("steady", 2, 16)}} | given))


def test_a_load_is_a_share_of_the_capacity():
    load = pj.Load.at(0.9, 600.0, 100)
    assert float(load.arrivals.mean_rate) == pytest.approx(0.15)
    for wrong in ((1.0, 600.0, 100), (0.0, 600.0, 100), (0.9, 0.0, 100), (0.9, 600.0, float("inf")), (0.9, 600.0, 0)):
        with pytest.raises(ValueError, match=r"load|interval|capacity"):
            pj.Load.at(*wrong)
