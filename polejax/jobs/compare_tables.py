"""What `polejax compare` prints: the mechanisms side by side, and what users get of each chain at every load."""

import numpy as np

from polejax._core.tables import Table, side_by_side
from polejax.analysis.estimate_tables import head
from polejax.analysis.summaries import rows
from polejax.jobs.compare import Outcome


def mechanisms(outcome: Outcome) -> Table:
    """The mechanisms side by side: each number with its confidence interval."""
    sizes = {label: f"{one.num_seeds:,} seeds, {one.num_blocks:,} blocks" for label, one in outcome.summaries.items()}
    cells: dict[str, dict[str, str]] = {}
    for label, summary in outcome.summaries.items():
        for name, unit, estimate in rows(summary):
            if np.ndim(estimate.value) == 0:
                cells.setdefault(f"{name} ({unit})" if unit else name, {})[label] = str(estimate)
    confidence = next(iter(outcome.summaries.values())).confidence
    notes = [f"{label}: {size}" for label, size in sizes.items()]
    notes += [f"{label}: {one.doubt}" for label, one in outcome.summaries.items() if one.doubt is not None]
    return side_by_side(cells, ("", *outcome.summaries), head(confidence), notes)


def service(outcome: Outcome) -> Table:
    """What users get of each chain at every load."""
    return outcome.service.tables()[0]
