"""Who wins: share of blocks against share of power, for unequal nodes."""

import numpy as np

from polejax import network
from polejax._core.types import Key
from polejax.analysis.fairness import gini, nakamoto
from polejax.analysis.fairness_exponent import fairness_exponent
from polejax.analysis.figure_style import Plot, canvas, say_size, styled
from polejax.consensus import difficulty, nodes
from polejax.consensus.history import History
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.workbench import DELAY, Bench, Row, select
from polejax.mechanisms.pow import PoW
from polejax.theory import power_share

COUNT = 64
INTERVAL = 60.0
TOP = (1, 2, 4, 8, 16, 32)  # nodes, strongest first, whose joint shares are told


def measure(bench: Bench) -> list[Row]:
    """Exponent, concentration and the shares of the strongest, by law of speeds and mechanism."""
    speeds = {
        "log-normal, sigma 0.2": nodes.lognormal(COUNT, 0.2, total=float(COUNT)),
        "zipf, exponent 0.25": nodes.zipf(COUNT, 0.25, total=float(COUNT)),
    }
    rows: list[Row] = []
    for place, (speed, chosen) in enumerate(speeds.items()):
        mechanisms: dict[str, Mechanism] = {"PoW": PoW(INTERVAL * COUNT), "PoLe 0.9": bench.replay()}
        for number, (name, mechanism) in enumerate(mechanisms.items()):
            played = Scenario(chosen, network.clique(COUNT, DELAY), mechanism, difficulty=difficulty.fixed())

            def statistic(history: History, key: Key, chosen: Nodes = chosen) -> dict[str, float]:
                return shares(history, chosen)

            power = np.sort(power_share(chosen.power))[::-1]
            laws = {"win exponent": 1.0} if name == "PoW" else {}
            rows += bench.rows(
                played,
                statistic,
                2_000 + 10 * place + number,
                laws=laws,
                of={
                    "speeds": speed,
                    "mechanism": name,
                    "nodes": COUNT,
                    "gini of power": float(gini(power)),
                    "nakamoto of power": int(nakamoto(power)),
                },
            )
            for one in rows:
                if one["statistic"].startswith("share of the top ") and one["speeds"] == speed:
                    one["top"] = int(one["statistic"].split()[-1])
                    one["power share"] = float(power[: one["top"]].sum())
    return rows


def shares(history: History, chosen: Nodes) -> dict[str, float]:
    """Win exponent, Gini and Nakamoto coefficients of wins, and the joint win shares of the strongest nodes."""
    settled = np.asarray(history.settled)
    wins = np.bincount(np.asarray(history.producer)[settled], minlength=chosen.count).astype(np.float64)
    order = np.argsort(-np.asarray(chosen.power), kind="stable")
    held = np.cumsum(wins[order]) / wins.sum()
    found = {
        "win exponent": float(fairness_exponent(history, chosen).value),
        "gini of wins": float(gini(wins)),
        "nakamoto of wins": float(nakamoto(wins)),
    }
    return found | {f"share of the top {top}": float(held[top - 1]) for top in TOP}


def tell(rows: list[Row]) -> Section:
    """Whether wins follow power."""
    exponent = {(one["speeds"], one["mechanism"]): one for one in select(rows, statistic="win exponent")}
    speeds = list(dict.fromkeys(one["speeds"] for one in rows))
    last = {one["mechanism"]: one for one in select(rows, speeds=speeds[-1], statistic="share of the top 1")}
    ginis = {one["mechanism"]: one for one in select(rows, speeds=speeds[-1], statistic="gini of wins")}
    unfair = all(exponent[speed, "PoLe 0.9"]["low"] > 1.5 for speed in speeds)
    return Section(
        name="fairness",
        title="Who wins the blocks",
        claim="Nodes earn by the useful work that they contribute (Lan, Liu, Li 2020, section 1).",
        measured=(
            "Win share goes as power to the exponent "
            + "; ".join(
                f"{word(exponent[speed, 'PoLe 0.9'])} under PoLe and {word(exponent[speed, 'PoW'])} under Proof of "
                f"Work ({speed})"
                for speed in speeds
            )
            + f". With {speeds[-1]}, the strongest of {COUNT} nodes has {last['PoW']['power share']:.1%} of the power "
            f"and wins {word(last['PoLe 0.9'])} of the blocks under PoLe, {word(last['PoW'])} under Proof of Work; the "
            f"Gini coefficient of wins is {word(ginis['PoLe 0.9'])}, of power {ginis['PoLe 0.9']['gini of power']:.3g}."
        ),
        verdict="fails: the fastest win far more than their share" if unfair else "holds",
        depends=("the spread of speeds", "the CV of a node's work: the steadier, the nearer to a plain race"),
        not_measured=("pools", "nodes that choose how fast to be", "tasks that suit some nodes' hardware better"),
        rows=rows,
        plot=plot(rows),
    )


@styled
def plot(rows: list[Row]) -> Plot:
    """Joint win share of the strongest nodes against their joint power."""
    figure, axes = canvas(2.7)
    lines: dict[str, list[Row]] = {}
    for one in rows:
        if "top" in one:
            lines.setdefault(f"{one['mechanism']}, {one['speeds'].split(',')[0]}", []).append(one)
    columns = draw_lines(axes, lines, "power share", "win share")
    axes.plot([0, 1], [0, 1], color="0.3", lw=0.8, label="fair")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("joint share of the power of the strongest nodes")
    axes.set_ylabel("joint share of the blocks")
    axes.legend(loc="lower right")
    say_size(axes, f"{COUNT} nodes; {rows[0]['seeds']:,} chains × {rows[0]['blocks']:,} blocks")
    return Plot(figure, columns)
