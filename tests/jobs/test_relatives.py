"""Protocols side by side: tuned to one interval, measured with intervals, and told in a table, a CSV and a figure."""

import csv

import jax
import numpy as np
import pytest

import polejax as pj
from polejax.jobs import relatives, relatives_presets, relatives_report
from polejax.mechanisms.bank import Bank


@pytest.fixture(scope="module")
def bank():
    gain = np.random.default_rng(0).uniform(0.0, 0.06, (512, 40)).astype(np.float32)
    validation = np.minimum(0.1 + np.cumsum(gain, axis=1), 0.99).astype(np.float32)
    return Bank(validation, validation, np.zeros(512, bool), 5, "{}", validation - np.float32(0.01))


@pytest.fixture(scope="module")
def rows(bank):
    told = []
    found = relatives.run(
        bank, 8, 512, jax.random.key(0), threshold=0.7, parts=2, chosen=("PoW", "PoDL"), progress=told.append
    )
    assert len(told) >= 3
    return {row.name: row for row in found}


def test_protocols_are_tuned_to_one_interval(rows):
    assert list(rows) == ["PoLe", "PoW", "PoDL"]
    asked = rows["PoLe"].interval.value
    assert rows["PoDL"].interval.value == pytest.approx(asked, rel=0.02)
    assert rows["PoW"].interval.value == pytest.approx(asked, rel=0.06)


def test_numbers_are_what_the_laws_say(rows):
    pole, work, clock = rows["PoLe"], rows["PoW"], rows["PoDL"]
    assert clock.cv.value < 0.02 < pole.cv.value < 0.5 < work.cv.value < 1.05
    assert work.exponent.value == pytest.approx(1.0, abs=0.25)
    assert pole.exponent.value > 2.0
    assert clock.stale.value == pytest.approx(15 / 16, abs=1e-3)  # every model but the best one
    assert work.useful.value == 0.0
    assert 1 / 16 < pole.useful.value < 1.0
    assert pole.accuracy.value > 0.68
    assert work.accuracy is None
    assert set(work.why) >= {"accuracy"}
    assert set(clock.risks.values()) == {None}
    assert "clock" in clock.why["risks"]
    assert pole.latency.value < work.latency.value
    assert work.risks[0.3, 1].value == pytest.approx(pj.theory.double_spend(0.3, 1), abs=0.25)  # 64 races
    for row in rows.values():
        for found in relatives_report.numbers(row).values():
            assert found is None or found.low <= found.value <= found.high


def test_table_csv_and_figure_hold_every_row(rows, tmp_path):
    every = list(rows.values())
    text = relatives_report.table(every)
    assert text.count("PoDL") > 10
    assert "PoW, accuracy: a block is bound" in text
    with relatives_report.write_csv(every, tmp_path / "sub" / "table.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [line["protocol"] for line in read] == list(rows)
    assert float(read[1]["interval, CV [ratio]"]) == pytest.approx(float(rows["PoW"].cv.value), rel=1e-6)
    assert read[2]["double spend, 10% of the power, z = 1 [chance]"] == ""
    plot = relatives_report.figure({row.name: relatives_report.numbers(row) for row in every}, "8 chains")
    assert list(plot.columns["protocol"]) == list(rows)


def test_fairness_exponents_of_a_weibull_race_are_its_shape():
    nodes = pj.nodes.lognormal(8, 0.5, total=8.0)
    race = pj.Scenario(nodes, pj.network.instant(8), pj.mechanisms.weibull(100.0, 3.0))
    history = pj.simulate_many(jax.random.split(jax.random.key(1), 16), race, 200)
    found = pj.analysis.fairness_exponent(history, nodes)
    assert abs(found.value - 3.0) < found.high - found.low
    assert found.high - found.low < 0.6
    with pytest.raises(ValueError, match="nodes must have unequal, positive power"):
        pj.analysis.fairness_exponent(history, pj.nodes.equal(8))


def test_false_position_finds_what_can_be_reached():
    builds = {}

    def make(number):
        builds[number] = lambda bank: None
        return builds[number]

    def measure(build):
        return next(number**3 for number, one in builds.items() if one is build)

    found = relatives_presets.tune(make, measure, 8.0, 0.0, 10.0)
    assert next(number for number, one in builds.items() if one is found) == pytest.approx(2.0, rel=0.01)
    assert relatives_presets.tune(make, measure, 2_000.0, 0.0, 10.0) is builds[10.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.999}, "bank must reach the threshold 0.999, got"),
        ({"parts": 1}, "parts must be"),
        ({"horizon": 600}, "horizon must be"),
        ({"chosen": ["Bitcoin"]}, "chosen must be"),
    ],
)
def test_what_makes_no_sense_is_refused(bank, options, message):
    with pytest.raises(ValueError, match=message):
        relatives.run(bank, 8, 512, jax.random.key(0), **{"threshold": 0.7, **options})
