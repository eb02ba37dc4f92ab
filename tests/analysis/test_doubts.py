"""Doubts: every summary of replayed chains says what its intervals leave out."""

import calls_of_results as calls
import numpy as np
import pytest
from handmade import history

import polejax as pj
from polejax.analysis import doubts
from polejax.analysis.service_at_loads import ServiceAtLoads

REPLAYED = history(calls.INTERVALS, producer=np.tile([0, 1, 2], (calls.SEEDS, 4)), curves=96)
TOLD = doubts.replayed(96, 3)


def test_every_summary_tells():
    sizes = {"confirmations": 1, "quantiles": [0.5, 0.95], "warm_up": 1, "cool_down": 1}
    served = pj.analysis.service(calls.SERVICE, REPLAYED, calls.LOAD, **sizes)
    found = [
        pj.summarise(REPLAYED),
        pj.analysis.paired(calls.HISTORY, REPLAYED),
        pj.analysis.fairness(REPLAYED, calls.NODES),
        pj.analysis.rewards(REPLAYED, 1.0),
        pj.analysis.cost(REPLAYED, calls.SCENARIO),
        served,
    ]
    assert [one.replayed for one in found] == [TOLD] * len(found)
    assert pj.summarise(REPLAYED).doubt == TOLD
    assert pj.summarise(calls.HISTORY).doubt is None
    at_loads = ServiceAtLoads({"one": {0.5: served}}, {"one": {0.5: 9}}, {"one": calls.SUMMARY.interval_mean}, 10)
    assert f"one: {TOLD}" in str(at_loads).splitlines()
    for one in found:
        assert TOLD in str(one).splitlines(), type(one)
    assert "\n" not in TOLD


def test_comparisons_name_each_bank_once():
    assert doubts.of_both(TOLD, TOLD) == TOLD
    assert doubts.of_both(None, None) is None
    other = doubts.replayed(4_096, 3)
    assert doubts.of_both(TOLD, other) == f"{TOLD}; {other}"
    assert "few curves" not in other


@pytest.mark.parametrize("pooled", [2, 4])
def test_tallies_keep_it(pooled):
    seeds = pj.analysis.tally(REPLAYED)
    for kept in (pj.analysis.pool(seeds, pooled), pj.analysis.join([seeds, seeds]), seeds.about(1.0)):
        assert kept.curves == 96
