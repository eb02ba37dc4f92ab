"""Claim 2: transactions served better? At equal interval, at equal stale rate, at equal risk, and with heavy blocks."""

import dataclasses
import functools
import math
from collections.abc import Mapping

import jax
import numpy as np

from polejax._core.types import Key
from polejax.analysis.figure_style import Plot, canvas, say_size, styled
from polejax.analysis.mempool import serve
from polejax.analysis.service import service
from polejax.analysis.transactions import Load
from polejax.consensus.history import History
from polejax.consensus.scenario import Scenario
from polejax.jobs import pow_baselines
from polejax.jobs.claims.double_spends import chances, fewest, races
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.words import below, summed_up, times
from polejax.jobs.claims.workbench import (
    DELAY,
    NODES,
    UNITS,
    Bench,
    Row,
    equal_nodes,
    intervals,
    row,
    scenario,
    select,
)
from polejax.learning.block_weight import model_block
from polejax.theory.queues import mempool_warm_up

CAPACITY = 1_000  # transactions per block
ATTACKERS = 2  # nodes beside the honest 16: 11% of the power
RISK = 0.01  # chance of a double spend that a merchant accepts
DEPTHS = tuple(range(1, 41))
BLOCKS = 1_024  # heights of a chain, at least
COOL_DOWN = 40  # heights left out at the end, beyond those that a backlog takes to clear
BANDWIDTH, FLOPS = 1e6, 1e9  # bytes a second between nodes, floating-point operations a second of a verifier
HEAVY = 20e6  # bytes: of the model that a block carries, if it is one of this century
POLE, EQUAL, FORKED = "PoLe", "PoW, equal interval", "PoW, equal stale rate"
MODEL, LARGE = "PoLe, blocks carry the model", f"PoLe, blocks carry {HEAVY / 1e6:g} MB"
CHOSEN = "fewest for the risk"  # whether a row's confirmations are those of `RISK`
UNITS_HERE = {
    **UNITS,
    "capacity": "1 / s",
    "throughput": "1 / s",
    "latency mean": "s",
    "latency 95%": "s",
    "unconfirmed": "share",
    "double spend": "probability",
}


@dataclasses.dataclass(frozen=True)
class Chain:
    """One chain to be served.

    Attributes:
      scenario: of it.
      cv: of its intervals.
      depth: confirmations at which a double spend by 11% of the power succeeds with `RISK` at most; None: not asked,
        or not even the most in `DEPTHS` do.
    """

    scenario: Scenario
    cv: float
    depth: int | None


def measure(bench: Bench) -> list[Row]:
    """Capacity, risk, throughput and latency by chain and load."""
    rows: list[Row] = []
    for place, (name, chain) in enumerate(_chains(bench, rows).items()):
        depths = (1,) if chain.depth in (None, 1) else (1, int(chain.depth or 1))
        for number, load in enumerate(bench.loads):
            warm_up = math.ceil(mempool_warm_up(load, 1.1 * chain.cv, CAPACITY))
            cool_down = COOL_DOWN + warm_up // 4
            blocks = _rounded(2 * warm_up + 64 + cool_down)
            statistic = functools.partial(served, load=load, warm_up=warm_up, cool_down=cool_down, depths=depths)
            found = bench.measure(
                chain.scenario, statistic, 4_000 + 20 * place + number, blocks=blocks, most={"unconfirmed": 1.0}
            )
            of = {"chain": name, "load": load, "nodes": NODES}
            for key, value in found.items():
                which, _, depth = key.partition(" @ ")
                place_of = {**of, "confirmations": int(depth)} if depth else of
                rows.append(row(which, value, bench.seeds, blocks, None, UNITS_HERE[which], **place_of))
    return rows


def _rounded(blocks: int) -> int:
    """As many blocks or more, a power of two from `BLOCKS` on: fewer programs to compile."""
    return int(2 ** math.ceil(math.log2(max(blocks, BLOCKS))))


def _chains(bench: Bench, rows: list[Row]) -> dict[str, Chain]:
    """PoLe; Proof of Work at equal interval and at equal stale rate; PoLe with heavy blocks. Adds rows of each."""
    learned = scenario(bench.replay())
    found = {
        name: float(value.value) for name, value in bench.measure(learned, intervals, 4_900, blocks=BLOCKS).items()
    }
    seed = int(jax.random.bits(jax.random.fold_in(bench.key, 4_901)))
    weight = model_block(bench.mechanism.recipe, FLOPS)
    heavy = {MODEL: DELAY + weight.num_bytes / BANDWIDTH + weight.verification, LARGE: DELAY + HEAVY / BANDWIDTH}
    scenarios = {
        POLE: learned,
        EQUAL: pow_baselines.at_interval(learned, found["interval mean"], seed),
        FORKED: pow_baselines.at_stale_rate(learned, found["stale per canonical"], found["interval mean"], seed),
        **{name: scenario(bench.replay(), delay=delay) for name, delay in heavy.items()},
    }
    if bench.quick:
        del scenarios[MODEL]
    chains = {}
    for number, (name, played) in enumerate(scenarios.items()):
        of = {"chain": name, "nodes": NODES, "delay": float(np.max(played.network.max_delay))}
        told = bench.rows(played, capacity, 4_910 + number, units=UNITS_HERE, blocks=BLOCKS, of=of)
        rows += told
        depth = None
        if name not in heavy:
            risks = chances(bench, played, equal_nodes(ATTACKERS), DEPTHS, 4_920 + number)
            depth = fewest(risks, DEPTHS, RISK)
            for z in sorted({1, 6, depth or DEPTHS[-1]}):
                told_of = {**of, "confirmations": z, CHOSEN: z == depth}
                rows.append(row("double spend", risks[z - 1], races(bench), 100, None, "probability", **told_of))
        chains[name] = Chain(played, select(told, statistic="interval CV")[0]["value"], depth)
    return chains


def capacity(history: History, key: Key) -> dict[str, float]:
    """What `intervals` measures, and the transactions a second that canonical blocks can hold."""
    found = intervals(history)
    return {**found, "capacity": CAPACITY / found["interval mean"]}


def served(
    history: History, key: Key, *, load: float, warm_up: int, cool_down: int, depths: tuple[int, ...]
) -> dict[str, float]:
    """Throughput and latency of one part's chains at a load measured against their own mean interval."""
    mean = intervals(history)["interval mean"]
    asked = Load.at(load, mean, CAPACITY)
    keys = jax.random.split(key, np.shape(history.settled)[0])
    found = service(
        serve(keys, history, asked),
        history,
        asked,
        confirmations=max(depths),
        quantiles=(0.95,),
        warm_up=warm_up,
        cool_down=cool_down,
    )
    told = {"throughput": float(found.throughput.value)}
    for depth in depths:
        told[f"latency mean @ {depth}"] = float(found.latency_mean.value[depth - 1])
        told[f"latency 95% @ {depth}"] = float(found.latency_quantile.value[depth - 1, 0])
        told[f"unconfirmed @ {depth}"] = float(found.unconfirmed_share.value[depth - 1])
    return told


def tell(rows: list[Row]) -> Section:
    """Both sides: at the same interval, counting forks, and at the same risk."""
    loads = sorted({one["load"] for one in rows if "load" in one})
    one_deep = _means(rows, dict.fromkeys((POLE, EQUAL, FORKED, LARGE), 1))
    depths = _depths(rows)
    safe = _means(rows, {name: depth for name, depth in depths.items() if depth is not None})
    told = {
        "at equal interval": _verdict(one_deep, EQUAL, loads),
        "at equal stale rate": _verdict(one_deep, FORKED, loads),
    }
    if POLE in safe:
        same_risk = {EQUAL: "at equal risk and interval", FORKED: "at equal risk and stale rate"}
        told |= {label: _verdict(safe, name, loads) for name, label in same_risk.items() if name in safe}
    return Section(
        name="transactions",
        title="Transactions are served better",
        claim='The stable block rate "leads to more efficient transaction processing" (abstract of 2007.15145).',
        measured=_measured(rows, one_deep, safe, depths, loads),
        verdict=summed_up(told, loads),
        depends=(
            "what is held equal: the interval, the stale rate, or the risk of a double spend; no choice is neutral",
            "the load: steady blocks help most where bursts would leave queues",
            f"the size of a block: {LARGE.removeprefix('PoLe, ')} at {BANDWIDTH / 1e6:g} MB / s give a mean latency of "
            f"{word(one_deep[LARGE][loads[-1]])} s at load {loads[-1]:g} instead of "
            f"{word(one_deep[POLE][loads[-1]])} s",
        ),
        not_measured=(
            "fees, which serve some before others (`pj.analysis.lognormal_fees`); bursts of transactions",
            "pruned, compressed or referenced models; relays that send a block while it is verified",
            "an attacker who needs other than 11% of the power, or holds it in another number of nodes (see security)",
        ),
        rows=rows,
        plot=plot(rows),
        table=_table(rows, loads),
    )


def _table(rows: list[Row], loads: list[float]) -> list[list[str]]:
    """Mean and 95% latency by chain, confirmations and load."""
    found: dict[tuple[str, int], dict[tuple[str, float], Row]] = {}
    for one in rows:
        if one["statistic"] in ("latency mean", "latency 95%"):
            line = found.setdefault((one["chain"], one["confirmations"]), {})
            line[one["statistic"], one["load"]] = one
    heads = [f"load {load:g}: {which} [s]" for load in loads for which in ("mean", "95%")]
    cells = [
        [chain, str(depth), *(word(line[f"latency {which}", load]) for load in loads for which in ("mean", "95%"))]
        for (chain, depth), line in found.items()
    ]
    return [["chain", "confirmations", *heads], *cells]


def _measured(
    rows: list[Row],
    one_deep: Mapping[str, Mapping[float, Row]],
    safe: Mapping[str, Mapping[float, Row]],
    depths: Mapping[str, int | None],
    loads: list[float],
) -> str:
    """The paragraphs with the numbers that decide."""
    first, last = loads[0], loads[-1]
    held = {one["chain"]: one for one in select(rows, statistic="capacity")}
    stale = {one["chain"]: one for one in select(rows, statistic="stale per canonical")}
    mean = {one["chain"]: one for one in select(rows, statistic="interval mean")}

    def pair(found: Mapping[str, Mapping[float, Row]], name: str) -> str:
        return f"{word(found[name][first])} and {word(found[name][last])} s"

    text = (
        f"Every chain is asked for the same share of its own capacity, {CAPACITY:,} transactions a canonical block; "
        f"stale blocks confirm nothing. Mean latency to one confirmation at loads {first:g} and {last:g}: PoLe "
        f"{pair(one_deep, POLE)}; Proof of Work of the same mean interval {pair(one_deep, EQUAL)}; of the same stale "
        f"rate {pair(one_deep, FORKED)}.\n\n"
        f"**Capacity**, counted by canonical blocks: PoLe {word(held[POLE])} / s, with {word(stale[POLE])} stale "
        f"blocks per canonical one; Proof of Work at the same interval {word(held[EQUAL])} / s with "
        f"{word(stale[EQUAL])} stale; at PoLe's stale rate an interval of {word(mean[FORKED])} s is enough, hence "
        f"{word(held[FORKED])} / s, {times(held[FORKED]['value'] / held[POLE]['value'])} PoLe's.\n\n"
        f"**At the same risk.** Confirmations from which on a double spend by 11% of the power succeeds with at most "
        f"{RISK:.0%}: "
        + "; ".join(f"{name} {depth}" if depth else f"{name} more than {DEPTHS[-1]}" for name, depth in depths.items())
        + ". "
    )
    if safe:
        text += (
            f"Mean latency to as many, at loads {first:g} and {last:g}: "
            + "; ".join(f"{name} {pair(safe, name)}" for name in safe)
            + ". "
        )
    unheard = max(one["value"] for one in select(rows, statistic="unconfirmed"))
    return text + f"At most {unheard:.2%} of a chain's transactions were still unconfirmed at its end."


def _depths(rows: list[Row]) -> dict[str, int | None]:
    """By chain, the confirmations of `RISK`; None where not even the most in `DEPTHS` are enough."""
    found: dict[str, int | None] = {}
    for one in select(rows, statistic="double spend"):
        found[one["chain"]] = one["confirmations"] if one[CHOSEN] else found.get(one["chain"])
    return found


def _means(rows: list[Row], depths: Mapping[str, int | None]) -> dict[str, dict[float, Row]]:
    """Mean latency by chain and load, at the chain's confirmations."""
    means = select(rows, statistic="latency mean")
    return {
        name: {one["load"]: one for one in select(means, chain=name, confirmations=depth)}
        for name, depth in depths.items()
    }


def _verdict(found: Mapping[str, Mapping[float, Row]], name: str, loads: list[float]) -> list[str]:
    return [below(found[POLE][load], found[name][load]) for load in loads]


@styled
def plot(rows: list[Row]) -> Plot:
    """Mean latency against load: to one confirmation, and to as many as the same risk takes."""
    figure, panels = canvas(3.4, 1, 2, sharey=True)
    figure.set_figwidth(7.0)
    names = dict.fromkeys(one["chain"] for one in select(rows, statistic="latency mean"))
    one_deep = {name: list(points.values()) for name, points in _means(rows, dict.fromkeys(names, 1)).items()}
    columns = draw_lines(panels[0], one_deep, "load", "latency mean")
    depths = {name: depth for name, depth in _depths(rows).items() if depth is not None}
    safe = {f"{name}, z = {depths[name]}": list(found.values()) for name, found in _means(rows, depths).items()}
    if safe:
        columns |= draw_lines(panels[1], safe, "load", "latency mean")
    for axes, title in zip(panels, ("one confirmation", f"double spend by 11% at most {RISK:.0%}"), strict=True):
        axes.set_yscale("log")
        axes.set_xlabel("load [share of the chain's own capacity]")
        if axes is panels[0] or safe:
            axes.legend(loc="upper left", fontsize=6, title=title, title_fontsize=7)
    panels[0].set_ylabel("mean confirmation latency [s]")
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low, high * 4)
    seeds = select(rows, statistic="latency mean")[0]["seeds"]
    say_size(panels[1], f"{CAPACITY:,} transactions a block; {seeds:,} chains a point; 95%")
    return Plot(figure, columns)
