"""Proof of Learning among its relatives: what of all this is PoLe's own, and what every useful work shares."""

import jax
import numpy as np

from polejax.analysis.estimate import Estimate
from polejax.analysis.figure_style import Plot
from polejax.jobs import relatives, relatives_report
from polejax.jobs.claims.section import Section, shown
from polejax.jobs.claims.workbench import THRESHOLD, Bench, Row, as_estimate, row, select
from polejax.jobs.relatives_numbers import LOAD
from polejax.jobs.relatives_presets import NAMES

INTERVAL, CV, STALE = "interval, mean [s]", "interval, CV [ratio]", "stale blocks [share]"
EXPONENT, USEFUL = "fairness exponent [ratio]", "useful work [share]"
COLUMNS = {
    "interval [s]": INTERVAL,
    "CV": CV,
    "stale share": STALE,
    "fairness exponent": EXPONENT,
    "double spend, 10%, z = 1": "double spend, 10% of the power, z = 1 [chance]",
    "double spend, 10%, z = 6": "double spend, 10% of the power, z = 6 [chance]",
    f"latency at {LOAD:g} [s]": f"latency at load {LOAD:g} [s]",
    "accuracy, untouched": "winners' accuracy, untouched data [fraction]",
    "useful share": USEFUL,
}
"""Columns of the table: their heads, and the number's name in `relatives_report.numbers`."""
POLE, POW = "PoLe", "PoW"
LEFT_OUT = ("Coin.AI", "D-PoDL", "WekaCoin", "DLBC")  # of a quick run


def measure(bench: Bench) -> list[Row]:
    """Every number of every protocol; what has no value is left out, and `notes` say why."""
    seeds, blocks, parts = (16, 512, 4) if bench.quick else (64, 1_024, 8)
    key = jax.random.fold_in(bench.key, 6_000)
    chosen = [name for name in NAMES if not (bench.quick and name in LEFT_OUT)]
    found = relatives.run(
        bench.bank, seeds, blocks, key, threshold=THRESHOLD, parts=parts, chosen=chosen, progress=bench.progress
    )
    rows: list[Row] = []
    for one in found:
        notes = "; ".join(f"{name}: {reason}" for name, reason in one.why.items())
        for name, value in relatives_report.numbers(one).items():
            if value is not None:
                label, _, unit = name.removesuffix("]").rpartition(" [")
                of = {"protocol": one.name, "source": one.source, "notes": notes}
                rows.append(row(label, value, seeds, blocks, None, unit, **of))
    return rows


def tell(rows: list[Row]) -> Section:
    """The table, and how PoLe stands in it."""
    table = by_protocol(rows)
    learned = [name for name in table if name != POW]
    notes = dict.fromkeys(f"{one['protocol']}, {one['notes']}" for one in rows if one["notes"])
    return Section(
        name="relatives",
        title="Proof of Learning among its relatives",
        claim=(
            "Other protocols make blocks of training, too. Each is simulated as `pj.protocols` reads its source, with "
            "the same miners, network and bank, and tuned to PoLe's mean interval where its rule allows that. No "
            "preset is what its paper measured."
        ),
        measured=(
            f"PoLe's CV is {_told(table, CV, POLE)}, its stale share {_told(table, STALE, POLE)}, its fairness "
            f"exponent {_told(table, EXPONENT, POLE)}, its useful share {_told(table, USEFUL, POLE)}. "
            f"Steadier than PoLe: {_better(table, CV, learned)}. Fewer stale blocks: {_better(table, STALE, learned)}. "
            f"Nearer to fair: {_fairer(table, learned)}. A dash: no such number. " + ". ".join(notes) + "."
        ),
        verdict=_verdict(table, learned),
        depends=(
            "miners of unequal power (16, log-normal, sigma 0.5) and 2 s between them",
            "the readings of what the sources leave open: each is an argument of its preset",
            "stale blocks of protocols that elect the best model are models that lost, not forks alone",
        ),
        not_measured=(
            "what each protocol pays, and whether its miners would stay",
            "the price of verification, which differs between protocols more than their races do",
            *(f"{name}, which a quick run leaves out" for name in NAMES if name not in table),
            "double spends where a clock makes the blocks: a private chain keeps pace whatever its power",
        ),
        rows=rows,
        plot=_plot(rows),
        table=[["protocol", "source", *COLUMNS], *(_line(rows, name, table[name]) for name in table)],
    )


def by_protocol(rows: list[Row]) -> dict[str, dict[str, Estimate | None]]:
    """Every number of every protocol, by name and unit as in `relatives_report.numbers`; None: none measured."""
    names = list(dict.fromkeys(f"{one['statistic']} [{one['unit']}]" for one in rows))
    found: dict[str, dict[str, Estimate | None]] = {}
    for one in rows:
        numbers = found.setdefault(one["protocol"], dict.fromkeys(names))
        numbers[f"{one['statistic']} [{one['unit']}]"] = as_estimate(one)
    return found


def _line(rows: list[Row], name: str, found: dict[str, Estimate | None]) -> list[str]:
    source = select(rows, protocol=name)[0]["source"]
    values = [found.get(column) for column in COLUMNS.values()]
    return [name, str(source), *(relatives_report.NONE if value is None else shown(value) for value in values)]


def _told(table: dict[str, dict[str, Estimate | None]], column: str, name: str) -> str:
    found = table[name][column]
    return relatives_report.NONE if found is None else shown(found)


def _ends(table: dict[str, dict[str, Estimate | None]], column: str, name: str) -> tuple[float, float]:
    found = table[name].get(column)
    return (np.nan, np.nan) if found is None else (float(found.low), float(found.high))


def _lower(table: dict[str, dict[str, Estimate | None]], column: str, names: list[str]) -> list[str]:
    """Which of the protocols have a number whose interval is below PoLe's."""
    return [name for name in names if _ends(table, column, name)[1] < _ends(table, column, POLE)[0]]


def _better(table: dict[str, dict[str, Estimate | None]], column: str, names: list[str]) -> str:
    return ", ".join(_lower(table, column, names)) or "none by these intervals"


def _fairer(table: dict[str, dict[str, Estimate | None]], names: list[str]) -> str:
    """Which have an exponent between 1 and PoLe's."""
    found = [name for name in _lower(table, EXPONENT, names) if _ends(table, EXPONENT, name)[1] >= 1.0]
    return ", ".join(found) or "none by these intervals"


def _verdict(table: dict[str, dict[str, Estimate | None]], learned: list[str]) -> str:
    """Whether some relative is at once as useful, fairer and forks less than PoLe."""
    better = set(_lower(table, EXPONENT, learned)) & set(_lower(table, STALE, learned))
    useful = [name for name in learned if _ends(table, USEFUL, name)[0] > _ends(table, USEFUL, POLE)[1]]
    both = ", ".join(name for name in learned if name in better) or "none"
    return f"no claim to hold: fairer than PoLe and with fewer stale blocks: {both}; more useful work: " + (
        ", ".join(useful) or "none by these intervals"
    )


def _plot(rows: list[Row]) -> Plot:
    """A panel for each number."""
    size = f"{rows[0]['seeds']:,} chains × {rows[0]['blocks']:,} blocks; 95%"
    return relatives_report.figure(by_protocol(rows), size, columns=3)
