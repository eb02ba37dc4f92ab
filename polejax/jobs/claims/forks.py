"""What steadiness costs: stale blocks against delay / interval, for PoW and for PoLe at three thresholds."""

import numpy as np
from scipy import optimize

from polejax import theory
from polejax.analysis.figure_style import Plot, canvas, say_size, styled
from polejax.consensus.mechanism import Mechanism
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.words import below, by_place
from polejax.jobs.claims.workbench import (
    MOST,
    NODES,
    UNITS,
    Bench,
    Row,
    derived,
    intervals,
    row,
    scenario,
    select,
)
from polejax.mechanisms.pow import PoW

INTERVAL = 60.0  # s, of Proof of Work; only the ratio matters
THRESHOLDS = (0.8, 0.9, 0.94)
FIRST_ORDER = 0.3  # forks per block up to which the law of near ties, which is of first order, is told


def measure(bench: Bench) -> list[Row]:
    """Rows by mechanism and delay / interval; the interval is that without delay."""
    ratios = (0.01, 0.05, 0.2) if bench.quick else (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    mechanisms: dict[str, Mechanism] = {"PoW": PoW(INTERVAL * NODES)}
    mechanisms |= {f"PoLe {threshold:g}": bench.replay(threshold) for threshold in THRESHOLDS}
    rows: list[Row] = []
    for place, (name, mechanism) in enumerate(mechanisms.items()):
        of = {"mechanism": name, "delay / interval": 0.0, "nodes": NODES}
        alone = bench.rows(
            scenario(mechanism, delay=0.0), intervals, 1_000 + 100 * place, units=UNITS, most=MOST, of=of
        )
        rows += alone
        mean, cv = (select(alone, statistic=which)[0]["value"] for which in ("interval mean", "interval CV"))
        for number, ratio in enumerate(ratios):
            expected = _law(name, ratio, cv)
            laws = {} if expected is None else {"stale per canonical": expected}
            played = scenario(mechanism, delay=ratio * mean)
            of = {"mechanism": name, "delay / interval": ratio, "nodes": NODES}
            purpose = 1_001 + 100 * place + number
            rows += bench.rows(played, intervals, purpose, units=UNITS, laws=laws, most=MOST, of=of)
    return rows


def _law(name: str, ratio: float, cv: float) -> float | None:
    """Stale per canonical block: of PoW on a clique; of PoLe the near ties of Weibull works with its CV, if few."""
    if name == "PoW":
        share = theory.clique_stale_per_block(ratio, 1.0, np.ones(NODES))
        return share / (1.0 - share)
    if not ratio / FIRST_ORDER < cv < 1.0:
        return None
    shape = optimize.brentq(lambda k: theory.weibull_interval_cv(k) - cv, 1.0, 1e4)
    return theory.near_tie_probability(ratio, 1.0, shape, np.full(NODES, 1.0 / NODES))


def tell(rows: list[Row]) -> Section:
    """The price, and the law that sets it."""
    stale = [one for one in select(rows, statistic="stale per canonical") if one["delay / interval"] > 0]
    cvs = {one["mechanism"]: one for one in select(rows, statistic="interval CV", **{"delay / interval": 0.0})}
    ratios = sorted({one["delay / interval"] for one in stale})
    at = {(one["mechanism"], one["delay / interval"]): one for one in stale}
    shown = 0.05 if 0.05 in ratios else ratios[0]
    names = [f"PoLe {threshold:g}" for threshold in THRESHOLDS]
    more = {name: [below(at["PoW", ratio], at[name, ratio]) for ratio in ratios] for name in names}
    places = [f"{ratio:g}" for ratio in ratios]
    told = {name: by_place(places, found, "at every delay / interval measured") for name, found in more.items()}
    same = len(set(told.values())) == 1
    verdict = f"{told[names[0]]} and threshold" if same else "; ".join(f"{name}: {one}" for name, one in told.items())
    products = [_product(at[name, ratio], cvs[name]) for name in (*names, "PoW") for ratio in ratios if ratio <= shown]
    return Section(
        name="forks",
        title="PoLe forks more than Proof of Work",
        claim=(
            "The abstract does not speak of forks. The number of stale blocks decides what the other two claims are "
            "worth: a stale block confirms nothing, and splits the honest power."
        ),
        measured=(
            f"At delay / interval = {shown:g} there are {word(at['PoW', shown])} stale blocks per canonical one under "
            "Proof of Work, and "
            + ", ".join(f"{word(at[name, shown])} under {name} (CV {word(cvs[name])})" for name in names)
            + ".\n\n**The law.** Near ties of equal nodes are as frequent as their finishing times are close: CV x "
            f"forks = c x delay / interval. Measured at {shown:g}, c is "
            + ", ".join(f"{word(one)} ({one['mechanism']})" for one in products if one["delay / interval"] == shown)
            + "; for Weibull works and many nodes it is 0.81 to 1.29 (`pj.theory.near_tie_probability`)."
        ),
        verdict=verdict,
        depends=(
            "delay / interval: on a network that is fast against the interval neither forks",
            "the CV of the interval without delay, hence the threshold and the spread of tasks",
            "how smooth finishing times are on the scale of the delay: PoLe's come in evaluations of 5 steps, smeared "
            "by a factor of sigma 0.02, so that nodes which pass at one evaluation nearly tie. Where few evaluations "
            "decide, as at low thresholds, c can be far from the law's, and depends on `evaluate_every`",
            f"equal nodes, here {NODES}: a node much faster than all others ties with nobody",
        ),
        not_measured=(
            "nodes whose delays differ (`pj.network.internet`) or vary from block to block",
            "rules that pay for stale blocks or count their work",
        ),
        rows=[*rows, *products],
        plot=plot(rows),
    )


def _product(stale: Row, cv: Row) -> Row:
    """C = CV x stale blocks x interval / delay, as a row."""
    ratio = stale["delay / interval"]
    found = derived(lambda forks, spread: forks * spread / ratio, stale, cv)
    of = {"mechanism": stale["mechanism"], "delay / interval": ratio, "nodes": NODES}
    return row("c", found, stale["seeds"], stale["blocks"], None, "ratio", **of)


@styled
def plot(rows: list[Row]) -> Plot:
    """Stale per canonical block against delay / interval."""
    figure, axes = canvas(2.9)
    stale = [one for one in select(rows, statistic="stale per canonical") if one["delay / interval"] > 0]
    lines = {name: select(stale, mechanism=name) for name in dict.fromkeys(one["mechanism"] for one in stale)}
    columns = draw_lines(axes, lines, "delay / interval", "stale per canonical")
    for number, (name, points) in enumerate(lines.items()):
        known = [one for one in points if one["law"] is not None]
        place, law = ([one[entry] for one in known] for entry in ("delay / interval", "law"))
        axes.plot(place, law, color="0.4", lw=0.7, ls=":", label="" if number else "laws")
        columns |= {f"law, {name}: delay / interval": np.array(place), f"law, {name}": np.array(law)}
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("delay / interval without delay [ratio]")
    axes.set_ylabel("stale per canonical block [ratio]")
    axes.legend(loc="upper left")
    size = f"{NODES} equal nodes; {rows[0]['seeds']:,} chains × {rows[0]['blocks']:,} blocks a point; 95%"
    say_size(axes, size)
    return Plot(figure, columns)
