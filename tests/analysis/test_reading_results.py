"""Results that read: estimates as numbers, and every summary as a table, in a notebook, and in a narrow terminal."""

import dataclasses

import calls_of_results
import calls_of_scenarios
import jax
import numpy as np
import pytest
from handmade import history
from matplotlib.figure import Figure

import polejax as pj
from polejax._core.tables import Tabled

SEEDS = calls_of_results.SEEDS
HISTORY, SUMMARY = calls_of_results.HISTORY, calls_of_results.SUMMARY


def test_an_estimate_is_a_number_and_unpacks():
    one = SUMMARY.interval_mean
    assert float(one) == one.value
    assert isinstance(one.value, float)
    value, low, high = one
    assert low < value < high
    assert f"{float(one):.1f}" == f"{one.value:.1f}"
    assert np.asarray([float(one)]).dtype == np.float64
    with pytest.raises(ValueError, match=r"float\(\) takes an estimate of one number, got shape \(3,\): use .value"):
        float(SUMMARY.win_share)
    assert [np.shape(part) for part in SUMMARY.win_share] == [(3,), (3,), (3,)]
    assert repr(one) == f"Estimate({one})"
    assert repr(SUMMARY.win_share).startswith("Estimate([3], ")
    assert jax.tree.leaves(one) == [value, low, high]
    with pytest.raises(ValueError, match="mean must be a number"):
        pj.theory.exponential_survival(1.0, one)


def test_yerr_is_what_errorbar_takes():
    axes = Figure().subplots()
    for estimate in (SUMMARY.interval_mean, SUMMARY.win_share):
        value, low, high = (np.atleast_1d(part) for part in estimate)
        assert estimate.yerr.shape == (2, value.size)
        _, _, (bars,) = axes.errorbar(range(value.size), value, yerr=estimate.yerr)
        for (ends, *_), at, bottom, top in zip(bars.get_segments(), value, low, high, strict=True):
            assert ends[1] == pytest.approx(bottom)
            assert bottom <= at <= top
    alone = pj.summarise(history(np.ones(5)))
    assert np.isnan(alone.interval_mean.yerr).all()  # nothing is known: no bar
    axes.errorbar([0], alone.interval_mean.value, yerr=alone.interval_mean.yerr)
    assert pj.Estimate(1.0, 1.0 + 1e-16, np.inf).yerr[0] == 0


SUMMARIES = {
    "summary": lambda: SUMMARY,
    "service": lambda: calls_of_results.SERVED,
    "service at loads": lambda: calls_of_results.AT_LOADS,
    "fairness": lambda: pj.analysis.fairness(HISTORY, calls_of_scenarios.NODES),
    "cost": lambda: pj.analysis.cost(HISTORY, calls_of_scenarios.SCENARIO, joules_per_unit=2.0, flops_per_unit=3.0),
    "rewards": lambda: pj.analysis.rewards(HISTORY, 1.0, np.ones((SEEDS, 12))),
    "winners' curse": lambda: pj.analysis.winners_curse(calls_of_results.CURSED),
    "comparison": lambda: pj.analysis.paired(HISTORY, HISTORY),
    "revenue": lambda: pj.attacks.selfish.Revenue(*np.full((3, SEEDS), 1_000)),
    "pools": lambda: pj.attacks.selfish_pools.PoolsRevenue(np.full((SEEDS, 2), 7), *np.full((2, SEEDS), 1_000)),
    "measures": lambda: pj.attacks.detection.Measures(*[SUMMARY.interval_mean] * 9, None),
    "honesty": lambda: pj.attacks.detection.Honesty(*[SUMMARY.interval_mean] * 4),
    "roc": lambda: pj.attacks.detection.Roc(
        np.arange(50.0), *[pj.Estimate(*np.full((3, 50), 0.5))] * 2, SUMMARY.interval_mean
    ),
    "scenario": lambda: calls_of_scenarios.SCENARIO,
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_summary_prints_as_a_table_no_wider_than_the_terminal(name, monkeypatch):
    found = SUMMARIES[name]()
    assert isinstance(found, Tabled)
    for columns in (60, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = str(found).splitlines()
        assert 3 <= len(lines)
        assert 20 < max(map(len, lines)) <= columns
    assert found._repr_html_().count("<table>") == len(found.tables())
    for estimate in vars(found).values():
        if isinstance(estimate, pj.Estimate) and np.ndim(estimate.value) == 0:
            assert str(estimate) in str(found)


def test_every_record_of_estimates_is_one_of_these():
    """A new summary has to print as the others do."""
    with_estimates = {
        kind
        for space in (pj, pj.analysis, pj.attacks.detection, pj.attacks.selfish, pj.attacks.selfish_pools)
        for kind in vars(space).values()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
        if any("Estimate" in str(field.type) for field in dataclasses.fields(kind))
    }
    assert len(with_estimates) >= 8
    assert with_estimates <= {type(make()) for make in SUMMARIES.values()}


def test_nodes_beyond_the_first_sixteen_are_counted():
    many = history(np.ones((2, 9)), num_nodes=1_000)
    text = str(pj.summarise(many))
    assert "and 984 more of node, in the fields" in text
    assert len(text.splitlines()) < 40
