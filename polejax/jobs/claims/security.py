"""Security of the chain: double spends by a private race, a task seen early, and blocks held back."""

import jax
import numpy as np

from polejax import theory
from polejax._core.record import replace
from polejax._core.types import Key
from polejax.analysis import estimate
from polejax.analysis.figure_style import Plot, canvas, say_size, styled
from polejax.attacks import adversary
from polejax.attacks.double_spend import race
from polejax.consensus.adversary import Adversary
from polejax.consensus.history import History
from polejax.consensus.mechanism import Mechanism
from polejax.jobs.claims.drawing import draw_lines
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.workbench import CONFIDENCE, NODES, Bench, Row, equal_nodes, row, scenario, select
from polejax.mechanisms.pow import PoW
from polejax.studies import bank_error

DEPTHS = (1, 2, 3, 4, 5, 6)
ATTACKERS = {"11%": 2, "30%": 7}  # nodes beside the honest 16
INTERVAL = 60.0


def measure(bench: Bench) -> list[Row]:
    """Double spends by confirmations, and what a head start and withholding gain."""
    return [*_double_spends(bench), *_deviations(bench)]


def _double_spends(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    seeds = max(bench.parts * (64 if bench.quick else 256), bench.seeds)
    for place, (name, mechanism) in enumerate({"PoW": PoW(INTERVAL * NODES), "PoLe 0.9": bench.replay()}.items()):
        played = scenario(mechanism, delay=0.0)
        parts = bench.parts_of(played)
        pieces = list(bank_error.pieces(played, parts)) if name != "PoW" else [played] * parts
        for number, (share, count) in enumerate(ATTACKERS.items()):
            key = jax.random.fold_in(bench.key, 3_000 + 10 * place + number)
            keys = jax.random.split(key, seeds).reshape(parts, -1)
            values = np.stack(
                [
                    race(part, piece, equal_nodes(count), DEPTHS, horizon=100).value
                    for part, piece in zip(keys, pieces, strict=True)
                ]
            )
            tries = np.full(parts, seeds // parts)
            shares = [estimate.share(hits * tries, tries, CONFIDENCE) for hits in values.T]
            for column, depth in enumerate(DEPTHS):
                law = theory.double_spend(count / (count + NODES), depth) if name == "PoW" else None
                of = {"mechanism": name, "attacker": share, "confirmations": depth, "nodes": NODES}
                rows.append(row("double spend", shares[column], seeds, 100, law, "probability", **of))
    return rows


def _deviations(bench: Bench) -> list[Row]:
    """Win share over power share of one node that sees tasks early, or holds its blocks back."""
    rows: list[Row] = []
    mean = float(bench.measure(scenario(bench.replay(), delay=0.0), _first, 3_100)["interval mean"].value)
    mechanisms: dict[str, Mechanism] = {"PoW": PoW(mean * NODES), "PoLe 0.9": bench.replay()}
    for place, (name, mechanism) in enumerate(mechanisms.items()):
        honest = scenario(mechanism)
        friends = {f"task seen {part:g} of an interval early": part for part in (0.05, 0.25)}
        who = equal_nodes()
        deviants: dict[str, Adversary | None] = {"honest": None}
        deviants |= {label: adversary.leak(who, part * mean, [0]) for label, part in friends.items()}
        deviants["blocks held back 2 s"] = adversary.withholding(who, 2.0, [0])
        for number, (label, deviant) in enumerate(deviants.items()):
            played = replace(honest, adversary=deviant)
            of = {"mechanism": name, "deviation": label, "nodes": NODES}
            purpose = 3_110 + 10 * place + number
            rows += [one for one in bench.rows(played, _first, purpose, of=of) if one["statistic"] == "advantage"]
    return rows


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
    small = "11%"
    early = "task seen 0.25 of an interval early"
    worse = spend["PoLe 0.9", small, 1]["low"] > spend["PoW", small, 1]["high"]
    return Section(
        name="security",
        title="Security of the chain",
        claim="PoLe is as secure against double spends as Proof of Work (Lan, Liu, Li 2020, section 4).",
        measured=(
            f"A private race with {small} of the power against one confirmation succeeds in "
            f"{word(spend['PoLe 0.9', small, 1])} of tries under PoLe and {word(spend['PoW', small, 1])} under Proof "
            f"of Work; against six, in {word(spend['PoLe 0.9', small, 6])} and {word(spend['PoW', small, 6])}. With "
            f"30%: {word(spend['PoLe 0.9', '30%', 6])} and {word(spend['PoW', '30%', 6])} against six. One node of "
            f"{NODES} that sees tasks a quarter of an interval early wins {word(gain['PoLe 0.9', early])} times its "
            "share under PoLe; holding blocks back for 2 s leaves it "
            f"{word(gain['PoLe 0.9', 'blocks held back 2 s'])} times."
        ),
        verdict="fails for few confirmations" if worse else "undecided by these intervals",
        depends=(
            "how many nodes the attacker's power is in: one node that finishes about when sixteen do is nearly as fast",
            "the head start that survives a change of layer",
        ),
        not_measured=("selfish mining under PoLe", "an attacker who buys or steals models", "networks that are split"),
        rows=rows,
        plot=plot(rows),
    )


@styled
def plot(rows: list[Row]) -> Plot:
    """Chance of a double spend against confirmations."""
    figure, axes = canvas(2.7)
    spends = select(rows, statistic="double spend")
    lines: dict[str, list[Row]] = {}
    for one in spends:
        lines.setdefault(f"{one['mechanism']}, attacker {one['attacker']}", []).append(one)
    columns = draw_lines(axes, lines, "confirmations", "double spend")
    for share in ATTACKERS:
        law = select(spends, mechanism="PoW", attacker=share)
        axes.plot([one["confirmations"] for one in law], [one["law"] for one in law], color="0.5", lw=0.8, zorder=0)
    axes.set_yscale("log")
    axes.set_ylim(1e-4, 1.5)
    axes.set_xlabel("confirmations")
    axes.set_ylabel("P(double spend)")
    axes.legend(loc="lower left")
    say_size(axes, f"{spends[0]['seeds']:,} races a point; grey: Rosenfeld's law")
    return Plot(figure, columns)
