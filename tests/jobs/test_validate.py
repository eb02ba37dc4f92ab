"""The table of validation: its errors are honest, and a wrong law does not pass."""

import functools
import math

import jax
import numpy as np
import pytest

import polejax as pj
from polejax.jobs import measures, validate, validation_cases
from polejax.jobs.measures import Case


def test_every_case_has_a_name_of_its_own_a_source_and_a_value():
    for thorough in (False, True):
        cases = validate.cases(thorough)
        assert len({case.name for case in cases}) == len(cases) >= 60
        assert all(case.source and math.isfinite(case.expected) for case in cases)


def test_right_laws_pass_and_wrong_ones_do_not():
    key = jax.random.key(1)
    cases = validation_cases.hashes(1) + [case for case in validation_cases.attacks(1) if "selfish" in case.name]
    rows = validate.run(key=key, chosen=cases)
    assert validate.passed(rows)
    for case, row in zip(cases, rows, strict=True):
        wrong = case._replace(expected=case.expected * 1.01)
        assert abs((row.simulated - wrong.expected) / max(row.error, 1e-300)) > 5, case.name
        assert row[:2] == case[:1] + case[2:3]
    alone = validate.run(key=key, chosen=cases[-1:])
    assert alone[0][:6] == rows[-1][:6]  # other cases change nothing
    assert not validate.passed(validate.run(key=key, chosen=[cases[0]._replace(expected=2.0)]))


@pytest.mark.parametrize(
    ("measured", "z", "good"),
    [
        ((1.5, 0.1), 5.0, True),
        ((1.51, 0.1), 5.1, False),
        ((0.4, 0.1), -6.0, False),
        ((1.0, 0.0), 0.0, True),
        ((0.9, 0.0), -math.inf, False),
        ((math.nan, 0.1), math.nan, False),
        ((1.0, math.nan), math.nan, False),
    ],
)
def test_scores(measured, z, good):
    seen = []
    rows = validate.run(chosen=[Case("a law", "ours", 1.0, lambda key: measured)], on_row=seen.append)
    assert rows[0].z == pytest.approx(z, nan_ok=True)
    assert validate.passed(rows) is good
    assert seen == rows


@pytest.mark.parametrize(
    ("simulated", "spread", "tolerance", "z"),
    [(1.5, 0.0, 0.3, 5.0), (0.7, 0.0, 0.3, 0.0), (0.4, 0.0, 0.3, -7.5), (1.5, 0.03, 0.0, 10.0), (2.0, 0.03, 0.5, 10.0)],
)
def test_published_numbers_have_errors_and_models_may_differ(simulated, spread, tolerance, z):
    case = Case("a run", "elsewhere", 1.0, lambda key: (simulated, 0.04), spread, tolerance)
    (row,) = validate.run(chosen=[case])
    assert row.z == pytest.approx(z)
    assert row.error == pytest.approx(math.hypot(0.04, spread))
    assert ("within 0." in row.source) is (tolerance > 0)
    unknown = validate.run(chosen=[case._replace(measure=lambda key: (math.nan, 0.04))])
    assert not validate.passed(unknown)


@pytest.fixture(scope="module")
def history():
    scenario = pj.Scenario(pj.nodes.from_shares([70, 30]), pj.network.clique(2, 300.0), pj.PoW(600.0))
    return pj.simulate_many(jax.random.split(jax.random.key(2), 4_000), scenario, 60)


@pytest.mark.parametrize(
    "measure",
    [
        measures.interval_mean,
        measures.interval_cv,
        measures.stale_per_block,
        measures.forked_share,
        functools.partial(measures.longer_than, 900.0),
        functools.partial(measures.win_share, 1),
    ],
)
def test_errors_are_what_repetitions_scatter_by(history, measure):
    batches = [jax.tree.map(lambda leaf, i=i: leaf[40 * i : 40 * i + 40], history) for i in range(100)]
    values, errors = np.array([measure(batch) for batch in batches]).T
    assert values.std(ddof=1) / errors.mean() == pytest.approx(1.0, abs=5 / math.sqrt(2 * 99))
    assert abs(values.mean() - measure(history)[0]) < 0.5 * errors.mean()


def test_what_is_skipped_does_not_count():
    scenario = pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), pj.PoW(1.0))
    seen = []

    def measure(history):
        seen.append(history.settled)
        return 0.0, 0.0

    measures.chains(scenario, seeds=2, blocks=60, skip=10)(measure)(jax.random.key(0))
    np.testing.assert_array_equal(seen[0], np.broadcast_to((np.arange(60) >= 10) & (np.arange(60) < 36), (2, 60)))


def test_ratios_know_that_their_parts_vary_together():
    bottom = np.random.default_rng(3).uniform(1.0, 100.0, 50)
    assert measures.ratio(3.0 * bottom, bottom) == pytest.approx((3.0, 0.0), abs=1e-12)
    top = bottom + np.random.default_rng(4).normal(0.0, 5.0, 50)
    error = (top - bottom * top.sum() / bottom.sum()).std(ddof=1) / math.sqrt(50) / bottom.mean()  # linearised
    assert measures.ratio(top, bottom)[1] == pytest.approx(error, rel=0.05)


def test_rare_events_have_an_error():
    value, error = measures.share(np.zeros(1_000, bool))
    assert value == 0.0
    assert error == pytest.approx(1e-3, rel=0.01)
    with pytest.raises(ValueError, match="key must be"):
        validate.run(key=0)
