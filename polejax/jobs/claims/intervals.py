"""Claim 1: steadier block intervals. CV against threshold, nodes, task spread, and four retarget rules of PoW."""

import jax
import numpy as np

from polejax import theory
from polejax._engine.runner import simulate_many
from polejax.analysis.figure_style import COLOURS, Plot, canvas, say_size, styled
from polejax.analysis.summaries import summarise
from polejax.consensus import difficulty
from polejax.jobs import pow_baselines
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.words import HOLDS, below, by_place
from polejax.jobs.claims.workbench import (
    DELAY,
    MOST,
    NODES,
    THRESHOLD,
    UNITS,
    Bench,
    Row,
    derived,
    intervals,
    row,
    scenario,
    select,
)
from polejax.mechanisms.architecture_spread import ArchitectureSpread
from polejax.mechanisms.pow import PoW

WINDOW, ASERT_BLOCKS, BITCOIN = 10, 288, 2016
FIXED = "fixed"
ATTEMPTED = (2, 4, 16, 64, 256, 1024)
"""Numbers of nodes; those for which the bank has too few curves are left out, and the page says so."""


def measure(bench: Bench) -> list[Row]:
    """Rows of every point; the same statistics everywhere."""
    thresholds = (0.8, 0.9, 0.94) if bench.quick else (0.8, 0.84, 0.88, 0.9, 0.92, 0.94)
    counts = (2, 16, 128) if bench.quick else ATTEMPTED
    spreads = (0.0, 0.5, 0.9, 1.0, 1.5) if bench.quick else (0.0, 0.25, 0.5, 0.75, 0.9, 0.93, 0.96, 1.0, 1.25, 1.5)
    rows: list[Row] = []
    for number, threshold in enumerate(thresholds):
        reach = bench.bank.share_reaching(threshold)
        of = {"against": "threshold", "mechanism": "PoLe", "threshold": threshold, "nodes": NODES, "delay": DELAY}
        found = bench.rows(scenario(bench.replay(threshold)), intervals, 100 + number, units=UNITS, most=MOST, of=of)
        rows += [{**one, "curves that reach it": reach} for one in found]
    for number, count in enumerate(filter(bench.enough, counts)):
        of = {"against": "nodes", "mechanism": "PoLe", "threshold": THRESHOLD, "nodes": count, "delay": DELAY}
        rows += bench.rows(scenario(bench.replay(), count), intervals, 200 + number, units=UNITS, most=MOST, of=of)
    rows += _live(bench)
    rows += _spread(bench, spreads)
    rows += _rules(bench)
    return rows


def _live(bench: Bench) -> list[Row]:
    """Really trained rounds as a control of the replayed ones."""
    seeds, blocks = (8, 24) if bench.quick else (16, 64)
    keys = jax.random.split(jax.random.fold_in(bench.key, 300), seeds)
    summary = summarise(simulate_many(keys, scenario(bench.mechanism), blocks))
    of = {"against": "control", "mechanism": "PoLe, live", "threshold": THRESHOLD, "nodes": NODES, "delay": DELAY}
    named = {
        "interval mean": summary.interval_mean,
        "interval CV": summary.interval_cv,
        "stale per canonical": summary.stale_per_main,
    }
    return [row(name, value, seeds, blocks, None, UNITS[name], **of) for name, value in named.items()]


def _spread(bench: Bench, spreads: tuple[float, ...]) -> list[Row]:
    """CV against the spread of tasks: without delays, where the law is exact, and with them, beside Proof of Work."""
    rows: list[Row] = []
    for place, delay in enumerate((0.0, DELAY)):
        alone = 0.0
        for number, cv in enumerate(spreads):
            played = scenario(ArchitectureSpread(bench.replay(), cv), delay=delay)
            of = {"against": "task spread", "mechanism": "PoLe", "threshold": THRESHOLD, "nodes": NODES}
            of |= {"delay": delay, "task CV": cv}
            found = bench.rows(played, intervals, 400 + 20 * place + number, units=UNITS, most=MOST, of=of)
            alone = alone or select(found, statistic="interval CV")[0]["value"]  # the first spread is 0
            if delay == 0.0:
                select(found, statistic="interval CV")[0]["law"] = theory.task_spread_cv(alone, cv)
            rows += found
    learned = scenario(bench.replay())
    mean = float(bench.measure(learned, intervals, 450)["interval mean"].value)
    beside = pow_baselines.at_interval(learned, mean, int(jax.random.bits(jax.random.fold_in(bench.key, 451))))
    of = {"against": "the same network", "mechanism": "PoW", "rule": FIXED, "nodes": NODES, "delay": DELAY}
    return rows + bench.rows(beside, intervals, 452, units=UNITS, blocks=_long(bench), of=of)


def _long(bench: Bench) -> int:
    """Heights of Proof of Work's chains: three of Bitcoin's windows, or half of one."""
    return 1_024 if bench.quick else 3 * BITCOIN


def _rules(bench: Bench) -> list[Row]:
    """Proof of Work's CV under four ways to set its difficulty, at one target interval and without delays."""
    target = 60.0
    rules = {
        FIXED: (difficulty.fixed(), 1.0),
        "Bitcoin's": (difficulty.window(BITCOIN, target), theory.retarget_cv(BITCOIN)),
        "ASERT": (difficulty.asert(target, target * ASERT_BLOCKS), None),
        f"window of {WINDOW}": (difficulty.window(WINDOW, target, clamp=1e6), theory.retarget_cv(WINDOW)),
    }
    rows: list[Row] = []
    for number, (name, (rule, law)) in enumerate(rules.items()):
        played = scenario(PoW(target * NODES), delay=0.0, difficulty=rule)
        of = {"against": "retarget rule", "mechanism": "PoW", "rule": name, "nodes": NODES, "delay": 0.0}
        laws = {} if law is None else {"interval CV": law}
        rows += bench.rows(played, intervals, 500 + number, units=UNITS, laws=laws, blocks=_long(bench), of=of)
    return rows


def tell(rows: list[Row]) -> Section:
    """The claim, what was measured, and the verdict by what the intervals allow."""
    cvs = select(rows, statistic="interval CV")
    pole = {one["threshold"]: one for one in select(cvs, against="threshold")}
    by_count = {one["nodes"]: one for one in select(cvs, against="nodes")}
    beside = select(cvs, against="the same network")[0]
    spread = select(cvs, against="task spread", delay=DELAY)
    told = {f"{threshold:g}": below(one, beside) for threshold, one in pole.items()}
    counted = {f"{count:,}": below(one, beside) for count, one in by_count.items()}
    crossing, crossed = _crossing(spread, beside)
    share, shares = _rule_shares(rows)
    alike = by_place(list(told), list(told.values()), "at every threshold", "threshold")
    numbers = by_place(list(counted), list(counted.values()), "at every number of nodes")
    steady = set(told.values()) | set(counted.values()) == {HOLDS}
    most = max(pole.values(), key=lambda one: one["value"])
    least = min(pole.values(), key=lambda one: one["value"])
    measured = (
        f"{NODES} equal nodes, {DELAY:g} s from each other. At a threshold of {THRESHOLD:g} the CV of PoLe's block "
        f"intervals is {word(pole[THRESHOLD])}, of really trained rounds {word(select(cvs, against='control')[0])}; "
        f"Proof of Work's at the same mean interval is {word(beside)}. Over thresholds PoLe's runs from {word(least)} "
        f"at {least['threshold']:g} to {word(most)} at {most['threshold']:g}, over {min(by_count):,} to "
        f"{max(by_count):,} nodes from {word(by_count[min(by_count)])} to {word(by_count[max(by_count)])}.\n\n"
        f"**Tasks of unequal difficulty bring the variation back.** The law sqrt((1 + c²)(1 + CV_task²) - 1) reaches "
        f"Proof of Work's CV at CV_task = {word(crossing)}. {crossed}\n\n"
        f"**The baseline's retarget rule.** {share}"
    )
    return Section(
        name="intervals",
        title="Block intervals are steadier",
        claim='"PoLe can achieve a more stable block generation rate" than Proof of Work (abstract of 2007.15145).',
        measured=measured,
        verdict=(
            f"holds if tasks are alike: while their difficulty has a CV below about {crossing['value']:.2f}"
            if steady
            else f"of tasks that are alike: {alike}; {numbers}"
        ),
        depends=(
            f"the spread of task difficulty: PoLe's CV is {word(spread[-1])} at CV_task {spread[-1]['task CV']:g}",
            f"the threshold: {alike}; of the bank's curves "
            f"{least['curves that reach it']:.1%} ever reach {least['threshold']:g} and "
            f"{most['curves that reach it']:.1%} {most['threshold']:g}",
            f"the number of nodes: {numbers}",
            "Proof of Work's retarget rule, as above",
        ),
        not_measured=(
            "other tasks than scikit-learn's digits; other models, optimisers and Secure Mapping Layers",
            "task difficulties as networks post them: no such record is known; the log-normal factor is ours",
            "nodes that join or leave while a task is open",
            *(f"{count:,} nodes: the bank has too few curves" for count in ATTEMPTED if count > max(by_count)),
        ),
        rows=[*rows, crossing, *shares],
        plot=plot(rows),
    )


def _crossing(spread: list[Row], beside: Row) -> tuple[Row, str]:
    """Where the law reaches Proof of Work's CV, as a row, and between which measured spreads it was."""

    def reached(c: float, other: float) -> float:  # 0 where PoLe's CV is the larger one already
        return float(np.sqrt(max((1.0 + other**2) / (1.0 + c**2) - 1.0, 0.0)))

    found = derived(reached, spread[0], beside)
    of = {"against": "task spread", "mechanism": "PoLe", "threshold": THRESHOLD, "nodes": NODES, "delay": DELAY}
    crossing = row("task CV at the crossing", found, spread[0]["seeds"], spread[0]["blocks"], None, "ratio", **of)
    under = [one for one in spread if below(one, beside) == HOLDS]
    over = [one for one in spread if one["low"] > beside["high"]]
    told = []
    if under:
        told.append(f"at {under[-1]['task CV']:g} PoLe's CV, {word(under[-1])}, is still below Proof of Work's")
    if over:
        told.append(f"at {over[0]['task CV']:g} it is above, {word(over[0])}")
    return crossing, "Measured, with the same delays: " + ("; ".join(told) or "no spread decides") + "."


def _rule_shares(rows: list[Row]) -> tuple[str, list[Row]]:
    """How much of the difference between PoLe's CV and Proof of Work's is Proof of Work's retarget rule."""
    cvs = select(rows, statistic="interval CV")
    rules = {one["rule"]: one for one in select(cvs, against="retarget rule")}
    steady = select(cvs, against="task spread", delay=0.0)[0]
    fixed = rules.pop(FIXED)
    found: dict[str, Row] = {}
    for name, one in rules.items():
        if below(steady, one) == HOLDS:  # or there is no difference to explain
            share = derived(lambda rule, fix, pole: (rule - fix) / (rule - pole), one, fixed, steady)
            of = {"against": "retarget rule", "mechanism": "PoW", "rule": name, "nodes": NODES, "delay": 0.0}
            found[name] = row("share due to the rule", share, one["seeds"], one["blocks"], None, "share", **of)
    told = "; ".join(
        f"{name} {word(one)}, "
        + (f"of whose distance to PoLe the rule makes {_percent(found[name])}" if name in found else "not above PoLe")
        for name, one in rules.items()
    )
    text = (
        f"Without delays the CV is {word(steady)} for PoLe and {word(fixed)} for Proof of Work of fixed difficulty, "
        f"which needs no rule at constant power. Under a rule it is: {told}."
    )
    if found:
        largest = max(found.values(), key=lambda one: one["value"])
        text += (
            f" So the rule explains at most {_percent(largest)} of how much steadier PoLe is ({largest['rule']}); the "
            "rest is the law of work: memoryless search against training to a threshold."
        )
    return text, list(found.values())


def _percent(one: Row) -> str:
    return f"{one['value']:.1%} [{one['low']:.1%}, {one['high']:.1%}]"


@styled
def plot(rows: list[Row]) -> Plot:
    """CV against threshold, number of nodes and task spread, and of Proof of Work's four rules."""
    cvs = select(rows, statistic="interval CV")
    figure, panels = canvas(2.7, 1, 4, sharey=True)
    figure.set_figwidth(7.2)
    beside = select(cvs, against="the same network")[0]
    columns: dict[str, np.ndarray] = {}
    for axes, against, axis, label in zip(
        panels,
        ("threshold", "nodes", "task spread"),
        ("threshold", "nodes", "task CV"),
        ("accuracy threshold", "nodes", "CV of the tasks"),
        strict=False,
    ):
        columns |= draw_lines(axes, {f"PoLe, {label}": select(cvs, against=against, delay=DELAY)}, axis, "interval CV")
        axes.axhline(beside["value"], color=COLOURS[1], lw=0.8, ls="--", label="PoW, same network")
        axes.set_xlabel(label)
    exact = select(cvs, against="task spread", delay=0.0)
    places, law = ([one[name] for one in exact] for name in ("task CV", "law"))
    panels[2].plot(places, law, color="0.4", lw=0.8, ls=":", label="law, no delay")
    rules = [exact[0], *select(cvs, against="retarget rule")]
    names = ["PoLe", *(f"PoW, {one['rule']}" for one in rules[1:])]
    value, low, high = (np.array([one[end] for one in rules]) for end in ("value", "low", "high"))
    look = {"ls": "none", "marker": "s", "ms": 3, "elinewidth": 0.8, "capsize": 1.5}
    for place, colour in ((slice(0, 1), COLOURS[0]), (slice(1, None), COLOURS[1])):
        bars = [(value - low)[place], (high - value)[place]]
        panels[3].errorbar(np.arange(len(rules))[place], value[place], bars, color=colour, **look)
    panels[3].set_xticks(range(len(rules)), names, rotation=50, ha="right", fontsize=6)
    panels[3].text(0.05, 0.93, "no delay", transform=panels[3].transAxes, fontsize=6)
    columns |= {"rule": np.array(names), "rule: interval CV": value, "rule: low": low, "rule: high": high}
    panels[1].set_xscale("log", base=2)
    panels[0].set_ylabel("CV of the block interval [ratio]")
    panels[0].set_ylim(0.0, None)
    handles, labels = panels[2].get_legend_handles_labels()
    panels[2].legend(handles, [label.split(",")[0] if "PoLe" in label else label for label in labels], fontsize=6)
    size = f"{rows[0]['seeds']:,} chains × {rows[0]['blocks']:,} blocks a point (PoW: × {beside['blocks']:,}); 95%"
    say_size(panels[3], size)
    return Plot(figure, columns)
