"""What steadiness costs: stale blocks against delay / interval, for PoW and for PoLe at three thresholds."""

import numpy as np

from polejax import theory
from polejax.analysis.figure_style import Plot, canvas, say_size, styled
from polejax.consensus.mechanism import Mechanism
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.workbench import NODES, Bench, Row, intervals, scenario, select
from polejax.mechanisms.pow import PoW

UNITS = {"interval mean": "s", "interval CV": "ratio", "stale per canonical": "ratio"}
INTERVAL = 60.0  # s, of Proof of Work; only the ratio matters


def measure(bench: Bench) -> list[Row]:
    """Rows by mechanism and delay / interval; the interval is that without delay."""
    ratios = (0.01, 0.05, 0.2) if bench.quick else (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    mechanisms: dict[str, Mechanism] = {"PoW": PoW(INTERVAL * NODES)}
    mechanisms |= {f"PoLe {threshold:g}": bench.replay(threshold) for threshold in (0.8, 0.9, 0.94)}
    rows: list[Row] = []
    for place, (name, mechanism) in enumerate(mechanisms.items()):
        alone = bench.measure(scenario(mechanism, delay=0.0), intervals, 1_000 + 100 * place)
        mean, cv = float(alone["interval mean"].value), float(alone["interval CV"].value)
        for number, ratio in enumerate(ratios):
            laws = {"stale per canonical": _law(name, ratio)} if name == "PoW" else {}
            played = scenario(mechanism, delay=ratio * mean)
            of = {"mechanism": name, "delay / interval": ratio, "nodes": NODES, "CV without delay": cv}
            rows += bench.rows(played, intervals, 1_001 + 100 * place + number, units=UNITS, laws=laws, of=of)
    return rows


def _law(name: str, ratio: float) -> float:
    share = theory.clique_stale_per_block(ratio, 1.0, np.ones(NODES))
    return share / (1.0 - share)


def tell(rows: list[Row]) -> Section:
    """The price, and the law that sets it."""
    stale = select(rows, statistic="stale per canonical")
    ratio = sorted({one["delay / interval"] for one in stale})[1]
    at = {one["mechanism"]: one for one in select(stale, **{"delay / interval": ratio})}
    constants = [
        one["value"] * one["CV without delay"] / one["delay / interval"]
        for one in stale
        if one["delay / interval"] <= 0.05 and one["mechanism"] != "PoW"
    ]
    more = at["PoLe 0.9"]["low"] > at["PoW"]["high"]
    return Section(
        name="forks",
        title="Steadier blocks fork more",
        claim="Not a claim of the paper, which does not count forks; it decides what its claims are worth.",
        measured=(
            f"At delay / interval = {ratio:g} there are {word(at['PoW'])} stale blocks per canonical one under Proof "
            f"of Work, and {word(at['PoLe 0.8'])}, {word(at['PoLe 0.9'])} and {word(at['PoLe 0.94'])} under PoLe at "
            f"thresholds 0.8, 0.9 and 0.94. CV times forks is {min(constants):.2f} to {max(constants):.2f} times "
            "delay / interval up to 0.05: near ties of equal nodes are as frequent as their finishing times are close."
        ),
        verdict="holds: PoLe forks more" if more else "undecided by these intervals",
        depends=("delay / interval", "the CV of the interval, hence threshold and task spread", "equal nodes"),
        not_measured=("nodes whose delays differ (see `pj.network.internet`)", "a rule that pays for stale blocks"),
        rows=rows,
        plot=plot(rows),
    )


@styled
def plot(rows: list[Row]) -> Plot:
    """Stale per canonical block against delay / interval."""
    figure, axes = canvas(2.7)
    stale = select(rows, statistic="stale per canonical")
    lines = {name: select(stale, mechanism=name) for name in dict.fromkeys(one["mechanism"] for one in stale)}
    columns = draw_lines(axes, lines, "delay / interval", "stale per canonical")
    law = lines["PoW"]
    axes.plot(
        [one["delay / interval"] for one in law], [one["law"] for one in law], color="0.5", lw=0.8, label="law, PoW"
    )
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("delay / interval [ratio]")
    axes.set_ylabel("stale per canonical block [ratio]")
    axes.legend(loc="upper left")
    say_size(axes, f"{NODES} equal nodes; {rows[0]['seeds']:,} chains × {rows[0]['blocks']:,} blocks a point")
    return Plot(figure, columns)
