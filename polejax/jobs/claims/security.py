"""Security of the chain: double spends by a private race, a task seen early, and blocks held back."""

import numpy as np

from polejax import theory
from polejax._core.record import replace
from polejax._core.types import Key
from polejax.analysis.figure_style import Plot, canvas, say_size, styled
from polejax.attacks import adversary
from polejax.consensus.adversary import Adversary
from polejax.consensus.history import History
from polejax.consensus.mechanism import Mechanism
from polejax.jobs.claims.double_spends import HORIZON, chances, races
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.words import below, by_place
from polejax.jobs.claims.workbench import NODES, THRESHOLD, Bench, Row, equal_nodes, row, scenario, select
from polejax.mechanisms.pow import PoW

DEPTHS = (1, 2, 3, 4, 5, 6)
ATTACKERS = {"11%": 2, "30%": 7}  # nodes beside the honest 16
INTERVAL = 60.0
POLE = f"PoLe {THRESHOLD:g}"
EARLY = (0.05, 0.25)  # of a mean interval
HELD = 2.0  # s
FLOOR = 1e-4  # lower end of the figure


def measure(bench: Bench) -> list[Row]:
    """Double spends by confirmations, and what a head start and withholding gain."""
    return [*_double_spends(bench), *_deviations(bench)]


def _double_spends(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for place, (name, mechanism) in enumerate({"PoW": PoW(INTERVAL * NODES), POLE: bench.replay()}.items()):
        played = scenario(mechanism, delay=0.0)
        for number, (share, count) in enumerate(ATTACKERS.items()):
            found = chances(bench, played, equal_nodes(count), DEPTHS, 3_000 + 10 * place + number)
            for value, depth in zip(found, DEPTHS, strict=True):
                law = theory.double_spend(count / (count + NODES), depth) if name == "PoW" else None
                of = {"mechanism": name, "attacker": share, "confirmations": depth, "nodes": NODES}
                rows.append(row("double spend", value, races(bench), HORIZON, law, "probability", **of))
    return rows


def _deviations(bench: Bench) -> list[Row]:
    """Win share over power share of one node that sees tasks early, or holds its blocks back."""
    rows: list[Row] = []
    mean = float(bench.measure(scenario(bench.replay(), delay=0.0), _first, 3_100)["interval mean"].value)
    mechanisms: dict[str, Mechanism] = {"PoW": PoW(mean * NODES), POLE: bench.replay()}
    for place, (name, mechanism) in enumerate(mechanisms.items()):
        honest = scenario(mechanism)
        who = equal_nodes()
        deviants: dict[str, Adversary | None] = {"honest": None}
        deviants |= {_early(part): adversary.leak(who, part * mean, [0]) for part in EARLY}
        deviants[_held()] = adversary.withholding(who, HELD, [0])
        for number, (label, deviant) in enumerate(deviants.items()):
            played = replace(honest, adversary=deviant)
            of = {"mechanism": name, "deviation": label, "nodes": NODES}
            purpose = 3_110 + 10 * place + number
            units, most = {"advantage": "ratio"}, {"advantage": float(NODES)}
            found = bench.rows(played, _first, purpose, units=units, most=most, of=of)
            rows += select(found, statistic="advantage")
    return rows


def _early(part: float) -> str:
    return f"task seen {part:g} of an interval early"


def _held() -> str:
    return f"blocks held back {HELD:g} s"


def _first(history: History, key: Key) -> dict[str, float]:
    """Win share over power share of node 0, and the mean interval."""
    settled = np.asarray(history.settled)
    producer = np.asarray(history.producer)[settled]
    interval = np.asarray(history.interval, np.float64)[settled]
    return {"advantage": float((producer == 0).mean() * history.num_nodes), "interval mean": float(interval.mean())}


def tell(rows: list[Row]) -> Section:
    """What an attacker gains against PoLe and against PoW."""
    spend = {
        (one["mechanism"], one["attacker"], one["confirmations"]): one for one in select(rows, statistic="double spend")
    }
    gain = {(one["mechanism"], one["deviation"]): one for one in select(rows, statistic="advantage")}
    found = {
        share: [below(spend[POLE, share, depth], spend["PoW", share, depth]) for depth in DEPTHS] for share in ATTACKERS
    }
    places = [str(depth) for depth in DEPTHS]
    told = {share: by_place(places, words, "at 1 to 6 confirmations", "confirmation") for share, words in found.items()}
    small, large = ATTACKERS
    return Section(
        name="security",
        title="The chain is as safe as Proof of Work's",
        claim=(
            "Not in the abstract, which speaks of cheating at the proof (see the Secure Mapping Layer) and not at the "
            "chain."
        ),
        measured=(
            f"**Double spend.** The attacker mines one block beforehand and races alone, without delays. With {small} "
            f"of the power, against one confirmation, it succeeds in {word(spend[POLE, small, 1])} of tries under PoLe "
            f"and {word(spend['PoW', small, 1])} under Proof of Work (Rosenfeld: {spend['PoW', small, 1]['law']:.3g}); "
            f"against six, in {word(spend[POLE, small, 6])} and {word(spend['PoW', small, 6])}. With {large}: "
            f"{word(spend[POLE, large, 1])} and {word(spend['PoW', large, 1])} against one, "
            f"{word(spend[POLE, large, 6])} and {word(spend['PoW', large, 6])} against six.\n\n"
            f"**Head start.** One node of {NODES} that sees every task a quarter of an interval early wins "
            f"{word(gain[POLE, _early(0.25)])} times its share under PoLe ({word(gain['PoW', _early(0.25)])} under "
            f"Proof of Work); a twentieth early, {word(gain[POLE, _early(0.05)])} times "
            f"({word(gain['PoW', _early(0.05)])}).\n\n"
            f"**Withholding.** A node that keeps each block back for {HELD:g} s and mines on alone wins "
            f"{word(gain[POLE, _held()])} times its share under PoLe, {word(gain['PoW', _held()])} under Proof of Work."
        ),
        verdict="; ".join(f"{words} against double spends by {share} of the power" for share, words in told.items()),
        depends=(
            f"how many nodes hold the power, here {ATTACKERS[small]} or {ATTACKERS[large]} against {NODES} of one "
            "speed: where training times vary little, a lone node is nearly as fast as the first of many, and whether "
            "it stays ahead is decided in the first few blocks",
            "the confirmations that a merchant waits for",
            "for a head start: what of it survives a layer that is drawn from the tip (see experiments/sml_claims.md)",
        ),
        not_measured=(
            "selfish mining under PoLe, which needs a strategy of its own",
            "an attacker who buys, steals or reuses models for its private chain",
            "networks that are split, and finality or checkpoints",
        ),
        rows=rows,
        plot=plot(rows),
    )


@styled
def plot(rows: list[Row]) -> Plot:
    """Chance of a double spend against confirmations."""
    figure, axes = canvas(2.9)
    spends = select(rows, statistic="double spend")
    lines: dict[str, list[Row]] = {}
    for one in spends:
        lines.setdefault(f"{one['mechanism']}, attacker {one['attacker']}", []).append(one)
    columns = draw_lines(axes, lines, "confirmations", "double spend", floor=FLOOR)
    for number, share in enumerate(ATTACKERS):
        law = select(spends, mechanism="PoW", attacker=share)
        places, values = ([one[name] for one in law] for name in ("confirmations", "law"))
        axes.plot(places, values, color="0.5", lw=0.8, ls=":", zorder=0, label="" if number else "Rosenfeld's law")
    axes.set_yscale("log")
    axes.set_ylim(0.7 * FLOOR, 1.5)
    axes.set_xlabel("confirmations")
    axes.set_ylabel(f"P(double spend); at {FLOOR:g}: that or less")
    axes.legend(loc="lower left", fontsize=6)
    say_size(axes, f"{spends[0]['seeds']:,} races a point; 95%")
    return Plot(figure, columns)
