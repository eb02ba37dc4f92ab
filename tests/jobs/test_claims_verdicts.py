"""Verdicts follow from intervals: the same section says the contrary of contrary numbers, and nothing of wide ones."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from banks import geometric_bank

import polejax as pj
from polejax import theory
from polejax.analysis.estimate import Estimate
from polejax.jobs import relatives_report
from polejax.jobs.claims import fairness, forks, intervals, relatives, secure_mapping, security, transactions, words
from polejax.jobs.claims.double_spends import chances, fewest
from polejax.jobs.claims.section import shown
from polejax.jobs.claims.workbench import Bench, derived, row, scenario

ROOT = Path(__file__).parents[2]


def told(statistic, value, half=0.01, **of):
    return row(statistic, Estimate(value, value - half, value + half), 64, 128, None, "ratio", **of)


def interval_rows(pole, half=0.01):
    """Proof of Work's CV is 1, PoLe's is that of a threshold or a number of nodes."""
    rows = []
    for threshold in (0.8, 0.9, 0.94):
        of = {"against": "threshold", "threshold": threshold, "delay": 2.0, "curves that reach it": 1.0}
        rows.append(told("interval CV", pole, half, **of))
    for count in (2, 16):
        rows.append(told("interval CV", pole, half, against="nodes", nodes=count, delay=2.0))
    rows.append(told("interval CV", pole, half, against="control"))
    for delay in (0.0, 2.0):
        for task in (0.0, 0.9, 1.5):
            of = {"against": "task spread", "task CV": task, "delay": delay}
            rows.append({**told("interval CV", theory.task_spread_cv(pole, task), half, **of), "law": 1.0})
    rows.append(told("interval CV", 1.0, against="the same network", delay=2.0))
    for rule, value in (("fixed", 1.0), ("ASERT", 1.0), ("window of 10", 1.13)):
        rows.append(told("interval CV", value, half, against="retarget rule", rule=rule))
    return rows


def test_intervals():
    section = intervals.tell(interval_rows(0.1))
    assert section.verdict == "holds if tasks are alike: while their difficulty has a CV below about 0.99"
    (crossing,) = (one for one in section.rows if one["statistic"] == "task CV at the crossing")
    assert theory.task_spread_cv(0.1, crossing["value"]) == pytest.approx(1.0)
    shares = {one["rule"]: one for one in section.rows if one["statistic"] == "share due to the rule"}
    assert shares["window of 10"]["value"] == pytest.approx(0.13 / 1.03)
    assert shares["ASERT"]["low"] < 0.0 < shares["ASERT"]["high"]
    assert "the rule explains at most 12.6% [" in section.measured
    assert "1,024 nodes: the bank has too few curves" in section.not_measured
    assert intervals.tell(interval_rows(1.5)).verdict.startswith("of tasks that are alike: fails at every threshold")
    assert "undecided at every threshold" in intervals.tell(interval_rows(1.0)).verdict


def fork_rows(pole, half):
    rows = []
    for name in ("PoW", "PoLe 0.8", "PoLe 0.9", "PoLe 0.94"):
        rows.append(told("interval CV", 0.1, **{"mechanism": name, "delay / interval": 0.0}))
        for ratio in (0.01, 0.05):
            stale = ratio * (1.0 if name == "PoW" else pole)
            rows.append(told("stale per canonical", stale, half, **{"mechanism": name, "delay / interval": ratio}))
    return rows


def test_forks():
    section = forks.tell(fork_rows(10.0, 0.001))
    assert section.verdict == "holds at every delay / interval measured and threshold"
    product = next(one for one in section.rows if one["statistic"] == "c" and one["mechanism"] == "PoLe 0.9")
    assert product["value"] == pytest.approx(1.0)
    assert product["high"] - product["value"] == pytest.approx(np.hypot(0.001 * 0.1, 0.01 * 0.1) / 0.01, rel=1e-3)
    assert forks.tell(fork_rows(0.1, 0.001)).verdict.startswith("fails at every delay")
    assert forks.tell(fork_rows(2.0, 1.0)).verdict.startswith("undecided at every delay")


def transaction_rows(pole, depth):
    rows = []
    for name, mean in ((transactions.POLE, pole), (transactions.EQUAL, 50.0), (transactions.FORKED, 5.0)):
        rows += [told(which, 0.5, chain=name) for which in ("capacity", "stale per canonical", "interval mean")]
        safe = depth if name == transactions.POLE else 2
        for z in {1, safe} - {None}:
            of = {"chain": name, "confirmations": z}
            rows.append(told("double spend", 0.5, **of, **{transactions.CHOSEN: z == safe}))
            for load in (0.5, 0.9):
                rows += [told(f"latency {which}", z * mean, load=load, **of) for which in ("mean", "95%")]
                rows.append(told("unconfirmed", 0.0, load=load, **of))
    for load in (0.5, 0.9):
        of = {"chain": transactions.LARGE, "confirmations": 1, "load": load}
        rows += [told(f"latency {which}", 70.0, **of) for which in ("mean", "95%")]
    return rows


def test_transactions():
    both = transactions.tell(transaction_rows(20.0, 10))
    assert both.verdict == (
        "holds at every load if compared at equal interval; fails at every load if compared at equal stale rate; fails "
        "at every load if compared at equal risk and interval; fails at every load if compared at equal risk and "
        "stale rate"
    )
    assert len(both.table) == 1 + 3 * 2 + 1
    assert transactions.tell(transaction_rows(1.0, 2)).verdict.startswith("holds at every load, at equal interval, ")
    never = transactions.tell(transaction_rows(20.0, None))
    assert "equal risk" not in never.verdict
    assert "PoLe more than 40" in never.measured


def security_rows(pole, half=0.01):
    rows = []
    for attacker in security.ATTACKERS:
        for depth in security.DEPTHS:
            for name, value in (("PoW", 0.3), (security.POLE, pole)):
                of = {"mechanism": name, "attacker": attacker, "confirmations": depth}
                rows.append({**told("double spend", value, half, **of), "law": 0.3})
    for name in ("PoW", security.POLE):
        labels = ["honest", *map(security._early, security.EARLY), security._held()]
        rows += [told("advantage", 1.0, mechanism=name, deviation=label) for label in labels]
    return rows


def test_security():
    ends = [security.tell(security_rows(pole)).verdict.split(" ")[0] for pole in (0.1, 0.9, 0.31)]
    assert ends == ["holds", "fails", "undecided"]


def fairness_rows(exponent):
    rows = []
    for speed in ("log-normal, sigma 0.2", "zipf, exponent 0.25"):
        for name in ("PoW", fairness.POLE):
            of = {"speeds": speed, "mechanism": name}
            rows.append({**told("win exponent", exponent, **of), "law": 1.0})
            rows += [{**told(f"{which} of wins", 2.0, 0.0, **of), "law": 2.0} for which in ("gini", "nakamoto")]
            rows.append({**told("share of the top 1", 0.1, **of), "law": 0.1, "power share": 0.1})
    return rows


def test_fairness():
    assert fairness.tell(fairness_rows(4.0)).verdict.startswith("fails: the fastest win more")
    assert fairness.tell(fairness_rows(0.5)).verdict.startswith("fails: the slowest win more")
    section = fairness.tell(fairness_rows(1.0))
    assert section.verdict == "holds within these intervals"
    assert "Nakamoto coefficient: 2 [2, 2] and 2 [2, 2] nodes" in section.measured


def test_relatives():
    pole = {"interval, CV [ratio]": 0.2, "stale blocks [share]": 0.3, "fairness exponent [ratio]": 5.0}
    pole["useful work [share]"] = 0.1
    other = {name: value / 2 for name, value in pole.items() if name != "stale blocks [share]"}
    rows = []
    for name, numbers in (("PoLe", pole), ("PoFL", other)):
        for label, value in numbers.items():
            statistic, unit = label.removesuffix("]").split(" [")
            found = told(statistic, value, protocol=name, source="they", notes="risks: none" if name == "PoFL" else "")
            rows.append({**found, "unit": unit})
    section = relatives.tell(rows)
    assert section.verdict == (
        "no claim to hold: fairer than PoLe and with fewer stale blocks: none; more useful work: none by these "
        "intervals"
    )
    assert "Steadier than PoLe: PoFL." in section.measured
    assert "PoFL, risks: none" in section.measured
    assert section.table[2][4] == relatives_report.NONE
    assert "DLBC, which a quick run leaves out" in section.not_measured


def test_verdicts_of_the_secure_mapping_layer_are_those_of_its_page():
    page = (ROOT / secure_mapping.PAGE).read_text()
    for claim, verdict in secure_mapping.VERDICTS:
        for number in re.findall(r"-?\d[\d.]*(?: \[[^\]]*\])?", verdict):
            assert number in page, (claim, number)
    assert len(secure_mapping.VERDICTS) == 5
    assert secure_mapping.tell(secure_mapping.measure(None)).rows == []


def test_words_and_numbers():
    low, high, wide = told("x", 1.0), told("x", 2.0), told("x", 1.5, 1.0)
    found = [words.below(low, high), words.below(high, low), words.below(low, wide)]
    assert found == ["holds", "fails", "undecided"]
    assert words.by_place(["a", "b", "c"], found, "everywhere") == "holds at a, fails at b, undecided at c"
    assert words.by_place("abc", ["holds", "fails", "fails"], "", "load") == "holds at load a, fails at loads b and c"
    assert words.by_place(["a", "b"], ["holds"] * 2, "everywhere") == "holds everywhere"
    total = derived(lambda a, b: 2.0 * a - b, told("x", 3.0, 0.3), told("x", 1.0, 0.4))
    assert total.value == pytest.approx(5.0)
    assert total.high - total.value == pytest.approx(np.hypot(0.6, 0.4))
    assert shown(Estimate(5.0, 4.0, 6.0)) == "5 [4, 6]"
    assert shown(Estimate(37.94596, 37.94595, 37.94597)) == "37.946 [37.946, 37.946]"


def test_double_spends_against_replayed_nodes_are_the_law_s(light_compilation):
    """A geometric bank is memoryless in evaluations of one step, few of which are ties."""
    bank = geometric_bank(0, 512, success=0.05)
    bench = Bench(None, bank, jax.random.key(5), 2, 16, 4, True)
    played = scenario(pj.Replay(bank, 0.5), 4, delay=0.0)
    found = chances(bench, played, pj.nodes.equal(1), (1, 3), 1)
    for one, depth in zip(found, (1, 3), strict=True):
        assert one.low - 0.03 < theory.double_spend(1 / 5, depth) < one.high + 0.03
        assert 0.0 <= one.low <= one.value <= one.high <= 1.0
    assert fewest(found, (1, 3), 0.3) == 3
    assert fewest(found, (1, 3), 0.001) is None
