"""The tables of what detection measures: of cheats, of honest nodes, and of rates over the accept threshold."""

from typing import TYPE_CHECKING

import numpy as np

from polejax._core.brief import sizes
from polejax._core.tables import Table
from polejax.analysis.estimate import Estimate
from polejax.analysis.estimate_tables import SHOWN, entries_table, estimate_table

if TYPE_CHECKING:
    from polejax.attacks.detection import Honesty, Measures, Roc


def measures_tables(found: "Measures", confidence: float) -> list[Table]:
    """All numbers with their intervals."""
    rows = (
        ("test accuracy of the opening claim", "fraction", found.accuracy),
        ("opening claims turned down", "share", found.detected),
        ("opening accuracy above chance / an honest claim's", "share", found.kept),
        ("area under the ROC curve", "probability", found.auc),
        ("own steps to an accepted claim (a lower bound unless all finish)", "training steps", found.steps),
        ("runs with an accepted claim within the budget", "share", found.finished),
        ("honest node's steps saved", "share", found.saved),
        ("honest node's steps saved, less the attack's cost", "share", found.net),
        ("blocks per power, one among ten equal nodes", "ratio", found.advantage),
        ("test - validation accuracy of accepted claims", "fraction", found.excess),
    )
    return [estimate_table(rows, confidence)]


def roc_tables(found: "Roc", confidence: float) -> list[Table]:
    """The area under the curve, and rates at thresholds spread evenly over its points."""
    rows = [("area under the ROC curve", "probability", found.area)]
    count = np.size(found.threshold)
    chosen = np.unique(np.linspace(0, count - 1, min(count, SHOWN)).astype(int))
    rates = {
        name: Estimate(one.value[chosen], one.low[chosen], one.high[chosen])
        for name, one in (("honest claims rejected", found.rejected), ("cheats' claims detected", found.detected))
    }
    title = f"{chosen.size:,} of {sizes((count,), 'accept thresholds')}"
    names = [f"{float(found.threshold[place]):.4g}" for place in chosen]
    return [estimate_table(rows, confidence), entries_table(rates, confidence, "threshold", names, title)]


def honesty_tables(found: "Honesty", confidence: float) -> list[Table]:
    """All numbers with their intervals."""
    rows = (
        ("test accuracy when the budget is spent", "fraction", found.accuracy),
        ("steps to an accepted claim (a lower bound unless all finish)", "training steps", found.steps),
        ("runs with an accepted claim within the budget", "share", found.finished),
        ("first claims at the threshold turned down", "share", found.rejected),
    )
    return [estimate_table(rows, confidence)]
