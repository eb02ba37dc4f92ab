"""Claim 2: transactions served better? At equal interval, at equal stale rate, at equal risk, and with heavy blocks."""

import dataclasses
import functools
import math

import jax
import numpy as np

from polejax import theory
from polejax._core.types import Key
from polejax.analysis.figure_style import Plot, canvas, say_size, styled
from polejax.analysis.mempool import serve
from polejax.analysis.service import service
from polejax.analysis.transactions import Load
from polejax.attacks.double_spend import race
from polejax.consensus.history import History
from polejax.consensus.scenario import Scenario
from polejax.jobs import pow_baselines
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.workbench import NODES, Bench, Row, equal_nodes, intervals, scenario, select
from polejax.learning.block_weight import model_block
from polejax.theory.queues import mempool_warm_up

CAPACITY = 1_000  # transactions per block
ATTACKERS = 2  # nodes beside the honest 16: 11% of the power
COOL_DOWN = 40  # heights left out at the end, beyond those that a backlog takes to clear
BANDWIDTH, FLOPS = 1e6, 1e9  # bytes a second between nodes, floating-point operations a second of a verifier
UNITS = {"throughput": "1 / s", "latency mean": "s", "latency 95%": "s"}


@dataclasses.dataclass(frozen=True)
class Chain:
    """One chain to be served.

    Attributes:
      scenario: of it.
      cv: of its intervals, about.
      confirmations: blocks that a merchant waits for.
    """

    scenario: Scenario
    cv: float
    confirmations: int = 1


def measure(bench: Bench) -> list[Row]:
    """Throughput and latency by chain and load."""
    loads = (0.5, 0.9) if bench.quick else (0.5, 0.8, 0.9, 0.95)
    rows: list[Row] = []
    for place, (name, chain) in enumerate(_chains(bench).items()):
        for number, load in enumerate(loads):
            warm_up = math.ceil(mempool_warm_up(load, chain.cv, CAPACITY))
            blocks = _rounded(2 * warm_up + 64 + COOL_DOWN + warm_up // 4)
            statistic = functools.partial(
                served,
                load=load,
                warm_up=warm_up,
                cool_down=COOL_DOWN + warm_up // 4,
                confirmations=chain.confirmations,
            )
            of = {"chain": name, "load": load, "confirmations": chain.confirmations, "nodes": NODES}
            rows += bench.rows(
                chain.scenario, statistic, 4_000 + 20 * place + number, units=UNITS, blocks=blocks, of=of
            )
    return rows


def _rounded(blocks: int) -> int:
    """As many blocks or more, a power of two: fewer programs to compile."""
    return int(2 ** math.ceil(math.log2(blocks)))


def _chains(bench: Bench) -> dict[str, Chain]:
    """The chains to compare: PoLe; Proof of Work at equal interval, stale rate and risk; PoLe with heavy blocks."""
    learned = scenario(bench.replay())
    found = {name: float(value.value) for name, value in bench.measure(learned, intervals, 4_900).items()}
    seed = int(jax.random.bits(jax.random.fold_in(bench.key, 4_901)))
    interval, stale, cv = (found[name] for name in ("interval mean", "stale per canonical", "interval CV"))
    equal = pow_baselines.at_interval(learned, interval, seed)
    forked = pow_baselines.at_stale_rate(learned, stale, interval, seed)
    risk = _risk(bench, learned, (1,))[0]
    depth = next((z for z in range(1, 60) if theory.double_spend(ATTACKERS / (ATTACKERS + NODES), z) <= risk), 60)
    weight = model_block(bench.mechanism.recipe, FLOPS)
    chains = {
        "PoLe": Chain(learned, 1.2 * cv),
        "PoW, equal interval": Chain(equal, 1.0),
        "PoW, equal stale rate": Chain(forked, 1.0),
        "PoW, equal risk, equal interval": Chain(equal, 1.0, depth),
        "PoLe, six confirmations": Chain(learned, 1.2 * cv, 6),
        "PoLe, blocks carry the model": Chain(
            scenario(bench.replay(), delay=2.0 + weight.num_bytes / BANDWIDTH + weight.verification), 1.2 * cv
        ),
        "PoLe, blocks carry 20 MB": Chain(scenario(bench.replay(), delay=2.0 + 20e6 / BANDWIDTH), 2.0 * cv),
    }
    if bench.quick:
        del chains["PoLe, six confirmations"], chains["PoLe, blocks carry the model"]
    return chains


def _risk(bench: Bench, learned: Scenario, depths: tuple[int, ...]) -> np.ndarray:
    """Chance of a double spend by 11% of the power against so many confirmations."""
    keys = jax.random.split(jax.random.fold_in(bench.key, 4_902), 1_024)
    return np.asarray(race(keys, learned, equal_nodes(ATTACKERS), depths, horizon=60).value)


def served(
    history: History, key: Key, *, load: float, warm_up: int, cool_down: int, confirmations: int
) -> dict[str, float]:
    """Throughput and latency of one part's chains at a load measured against their own mean interval."""
    mean = intervals(history)["interval mean"]
    asked = Load.at(load, mean, CAPACITY)
    keys = jax.random.split(key, np.shape(history.settled)[0])
    found = service(
        serve(keys, history, asked),
        history,
        asked,
        confirmations=confirmations,
        quantiles=(0.95,),
        warm_up=warm_up,
        cool_down=cool_down,
    )
    return {
        "throughput": float(found.throughput.value),
        "latency mean": float(found.latency_mean.value[-1]),
        "latency 95%": float(found.latency_quantile.value[-1, 0]),
    }


def tell(rows: list[Row]) -> Section:
    """Both sides: at the same interval, and counting forks."""
    mean = {(one["chain"], one["load"]): one for one in select(rows, statistic="latency mean")}
    pole, equal, forked, risky = (
        [mean[name, load] for load in (0.5, 0.9)]
        for name in ("PoLe", "PoW, equal interval", "PoW, equal stale rate", "PoW, equal risk, equal interval")
    )
    heavy = mean["PoLe, blocks carry 20 MB", 0.9]
    sooner = pole[1]["high"] < equal[1]["low"]
    turned = forked[0]["high"] < pole[0]["low"]
    verdict = "holds at equal interval" if sooner else "fails at equal interval"
    return Section(
        name="transactions",
        title="Transactions are served better",
        claim="With steadier blocks transactions are processed more efficiently (Lan, Liu, Li 2020, sections 1 and 5).",
        measured=(
            "Mean latency to one confirmation at half load and at 0.9 of the chain's own capacity, counted by "
            f"canonical blocks: PoLe {word(pole[0])} and {word(pole[1])} s; Proof of Work of the same mean interval "
            f"{word(equal[0])} and {word(equal[1])} s; of the same stale rate {word(forked[0])} and "
            f"{word(forked[1])} s. At the same risk of a double spend Proof of Work needs "
            f"{risky[0]['confirmations']} confirmation(s) where PoLe has one: {word(risky[0])} and {word(risky[1])} s. "
            f"Blocks of 20 MB at 1 MB / s make PoLe's {word(heavy)} s at 0.9."
        ),
        verdict=verdict + (", fails at equal stale rate below saturation" if turned else ""),
        depends=("what is held equal: interval, stale rate or risk", "the load", "the size of a block"),
        not_measured=(
            "fees (see `pj.analysis.lognormal_fees`)",
            "bursts of transactions",
            "pruned or compressed models",
        ),
        rows=rows,
        plot=plot(rows),
    )


@styled
def plot(rows: list[Row]) -> Plot:
    """Mean latency against load."""
    figure, axes = canvas(3.2)
    means = select(rows, statistic="latency mean")
    lines = {name: select(means, chain=name) for name in dict.fromkeys(one["chain"] for one in means)}
    columns = draw_lines(axes, lines, "load", "latency mean")
    axes.set_yscale("log")
    axes.set_xlabel("load [share of the chain's own capacity]")
    axes.set_ylabel("mean confirmation latency [s]")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left")
    say_size(axes, f"{CAPACITY:,} transactions a block; {rows[0]['seeds']:,} chains a point")
    return Plot(figure, columns)
