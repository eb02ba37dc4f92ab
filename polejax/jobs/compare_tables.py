"""What `polejax compare` prints: the mechanisms side by side."""

from collections.abc import Mapping

import numpy as np

from polejax._core.tables import Table, side_by_side
from polejax.analysis.estimate_tables import head
from polejax.analysis.summaries import Summary, rows


def mechanisms(summaries: Mapping[str, Summary]) -> Table:
    """The mechanisms side by side: each number with its confidence interval."""
    sizes = {label: f"{one.num_seeds:,} seeds, {one.num_blocks:,} blocks" for label, one in summaries.items()}
    cells: dict[str, dict[str, str]] = {}
    for label, summary in summaries.items():
        for name, unit, estimate in rows(summary):
            if np.ndim(estimate.value) == 0:
                cells.setdefault(f"{name} ({unit})" if unit else name, {})[label] = str(estimate)
    confidence = next(iter(summaries.values())).confidence
    notes = [f"{label}: {size}" for label, size in sizes.items()]
    notes += [f"{label}: {one.doubt}" for label, one in summaries.items() if one.doubt is not None]
    return side_by_side(cells, ("", *summaries), head(confidence), notes)
