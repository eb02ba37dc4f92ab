"""Who wins: share of blocks against share of power, for unequal nodes."""

import numpy as np

from polejax import network
from polejax._core.types import Array, Key
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.analysis.fairness import concentration, gini, nakamoto
from polejax.analysis.fairness_exponent import MOST, fairness_exponent
from polejax.analysis.figure_style import Plot, canvas, say_size, styled
from polejax.consensus import difficulty, nodes
from polejax.consensus.history import History
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.workbench import CONFIDENCE, DELAY, THRESHOLD, Bench, Row, row
from polejax.mechanisms.pow import PoW
from polejax.studies import bank_error
from polejax.theory import power_share

COUNT = 64
INTERVAL = 60.0
TOP = (1, 2, 4, 8, 16, 32)  # nodes, strongest first, whose joint shares are told
POLE = f"PoLe {THRESHOLD:g}"


def measure(bench: Bench) -> list[Row]:
    """Exponent, concentration and the shares of the strongest, by law of speeds and mechanism."""
    speeds = {
        "log-normal, sigma 0.2": nodes.lognormal(COUNT, 0.2, total=float(COUNT)),
        "zipf, exponent 0.25": nodes.zipf(COUNT, 0.25, total=float(COUNT)),
    }
    rows: list[Row] = []
    for place, (speed, chosen) in enumerate(speeds.items()):
        mechanisms: dict[str, Mechanism] = {"PoW": PoW(INTERVAL * COUNT), POLE: bench.replay()}
        power = np.sort(power_share(chosen.power))[::-1]
        for number, (name, mechanism) in enumerate(mechanisms.items()):
            played = Scenario(chosen, network.clique(COUNT, DELAY), mechanism, difficulty=difficulty.fixed())

            def statistic(history: History, key: Key, chosen: Nodes = chosen) -> dict[str, Array]:
                return shares(history, chosen)

            whole, parts = bench.values(played, statistic, 2_000 + 10 * place + number)
            of = {"speeds": speed, "mechanism": name, "nodes": COUNT}
            for label, value in _estimates(whole, parts).items():
                law = _law(label, power) if name == "PoW" else None
                top = int(label.split()[-1]) if label.startswith("share of the top ") else None
                held = {} if top is None else {"power share": float(power[:top].sum())}
                unit = "nodes" if label.startswith("nakamoto") else "ratio" if "exponent" in label else "share"
                rows.append(row(label, value, bench.seeds, bench.blocks, law, unit, **of, **held))
    return rows


def shares(history: History, chosen: Nodes) -> dict[str, Array]:
    """Win exponent [] and the nodes' win shares [N], strongest first."""
    settled = np.asarray(history.settled)
    wins = np.bincount(np.asarray(history.producer)[settled], minlength=chosen.count).astype(np.float64)
    order = np.argsort(-np.asarray(chosen.power), kind="stable")
    return {"exponent": fairness_exponent(history, chosen).value, "wins": wins[order] / wins.sum()}


def _estimates(whole: dict[str, Array], parts: dict[str, Array]) -> dict[str, Estimate]:
    """What is told of wins, each with the bank's own error: the parts stand for the seeds of `analysis.fairness`."""
    found = {
        "win exponent": bank_error.corrected(whole["exponent"], parts["exponent"], CONFIDENCE, low=-MOST, high=MOST)
    }
    count = len(parts["wins"])
    value = np.maximum(bank_error.corrected(whole["wins"], parts["wins"], CONFIDENCE).value, 0.0)
    value = value / value.sum()
    others = np.maximum(value + estimate.left_out(parts["wins"]) / (count - 1) - parts["wins"].mean(axis=0), 0.0)
    found["gini of wins"], found["nakamoto of wins"] = concentration(value, others, 0.5, CONFIDENCE)
    held, held_by_part = np.cumsum(whole["wins"]), np.cumsum(parts["wins"], axis=1)
    joint = bank_error.corrected(held, held_by_part, CONFIDENCE, low=0.0, high=1.0)
    for top in TOP:
        found[f"share of the top {top}"] = Estimate(*(end[top - 1] for end in (joint.value, joint.low, joint.high)))
    return found


def _law(label: str, power: Array) -> float:
    """Of Proof of Work, whose wins follow power where delays are short against intervals."""
    if label.startswith("share of the top "):
        return float(power[: int(label.split()[-1])].sum())
    return {"win exponent": 1.0, "gini of wins": float(gini(power)), "nakamoto of wins": float(nakamoto(power))}[label]


def tell(rows: list[Row]) -> Section:
    """Whether wins follow power."""
    speeds = list(dict.fromkeys(one["speeds"] for one in rows))
    found = {(one["statistic"], one["speeds"], one["mechanism"]): one for one in rows}
    exponents = [found["win exponent", speed, POLE] for speed in speeds]
    paragraphs = [_paragraph(found, speed) for speed in speeds]
    if all(one["low"] > 1.0 for one in exponents):
        told = " and ".join(f"{one['value']:.2g} ({one['speeds'].split(',')[0]})" for one in exponents)
        verdict = f"fails: the fastest win more than their share; wins go as power to the {told}"
    elif all(one["high"] < 1.0 for one in exponents):
        verdict = "fails: the slowest win more than their share"
    elif all(one["low"] <= 1.0 <= one["high"] for one in exponents):
        verdict = "holds within these intervals"
    else:
        verdict = "undecided: it depends on the law of speeds"
    return Section(
        name="fairness",
        title="Blocks are won in proportion to power",
        claim=(
            "Not in the abstract. Proof of Work rewards power in proportion, and a protocol that does not drives its "
            "slow nodes out."
        ),
        measured=(
            f"{COUNT} nodes, {DELAY:g} s from each other; an exponent of 1 is fair, as win share = power^exponent. "
            + " ".join(paragraphs)
        ),
        verdict=verdict,
        depends=(
            "the CV of a node's own training time: with less of it the race goes to the fastest, as power decides "
            "alone; Weibull works of CV 0.1 have exponent 12 (`pj.theory.weibull_win_share`)",
            "the spread of speeds, and that time is work / power for every node",
        ),
        not_measured=(
            "pools; nodes that choose how fast to be, or leave when they win too little",
            "tasks that suit some nodes' hardware better than others'",
        ),
        rows=rows,
        plot=plot(rows),
    )


def _paragraph(found: dict[tuple[str, str, str], Row], speed: str) -> str:
    """One law of speeds."""

    def of(statistic: str, mechanism: str) -> str:
        return word(found[statistic, speed, mechanism])

    fair = found["gini of wins", speed, "PoW"], found["nakamoto of wins", speed, "PoW"]
    strongest = found["share of the top 1", speed, POLE]["power share"]
    return (
        f"**Speeds {speed}:** exponent {of('win exponent', POLE)} under PoLe, {of('win exponent', 'PoW')} under Proof "
        f"of Work. The strongest node has {strongest:.1%} of the power and wins {of('share of the top 1', POLE)} of "
        f"the blocks under PoLe, {of('share of the top 1', 'PoW')} under Proof of Work. Gini coefficient of wins: "
        f"{of('gini of wins', POLE)} and {of('gini of wins', 'PoW')}, of power {fair[0]['law']:.3g}; Nakamoto "
        f"coefficient: {of('nakamoto of wins', POLE)} and {of('nakamoto of wins', 'PoW')} nodes, of power "
        f"{fair[1]['law']:.0f}."
    )


@styled
def plot(rows: list[Row]) -> Plot:
    """Joint win share of the strongest nodes against their joint power."""
    figure, axes = canvas(2.9)
    lines: dict[str, list[Row]] = {}
    for one in rows:
        if "power share" in one:
            lines.setdefault(f"{one['mechanism']}, {one['speeds'].split(',')[0]}", []).append(one)
    columns = draw_lines(axes, lines, "power share", "win share")
    axes.plot([0, 1], [0, 1], color="0.3", lw=0.8, label="fair")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("joint power of the strongest 1, 2, 4 .. 32 nodes [share]")
    axes.set_ylabel("their joint blocks [share]")
    axes.legend(loc="lower right")
    say_size(axes, f"{COUNT} nodes; {rows[0]['seeds']:,} chains × {rows[0]['blocks']:,} blocks; 95%")
    return Plot(figure, columns)
