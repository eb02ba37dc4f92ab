"""Decided blocks: the table of who owns those of the main chain, and how many are stale."""

from collections.abc import Mapping

import numpy as np

from polejax._core.brief import sizes
from polejax._core.tables import Table
from polejax._core.types import Array


def blocks_table(blocks: Mapping[str, Array]) -> Table:
    """Blocks of all seeds together, and their share of those on the main chain, by owner; "stale" ones last."""
    totals = {owner: int(np.sum(counts, dtype=np.int64)) for owner, counts in blocks.items()}
    main = max(sum(total for owner, total in totals.items() if owner != "stale"), 1)
    rows = [(owner, f"{total:,}", f"{total / main:.4g}") for owner, total in totals.items()]
    seeds = sizes(np.shape(blocks["stale"]), "seeds") if np.ndim(blocks["stale"]) else "one chain"
    return Table(("blocks of", "blocks", "per block of the main chain"), rows, seeds)
