"""Chances of double spends, with intervals that cover the bank's own error."""

from collections.abc import Sequence

import jax
import numpy as np

from polejax.analysis.estimate import Estimate
from polejax.attacks.double_spend import race
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.jobs.claims.workbench import CONFIDENCE, Bench, replays, sides
from polejax.studies import bank_error

HORIZON = 100
"""Blocks of a race."""


def races(bench: Bench) -> int:
    """How many races a chance is estimated from: a multiple of the bench's parts."""
    return bench.parts * (128 if bench.quick else 1_024)


def chances(bench: Bench, played: Scenario, attacker: Nodes, depths: Sequence[int], purpose: int) -> list[Estimate]:
    """Chance of a double spend against each number of confirmations.

    Args: played: the honest nodes' scenario; attacker: its nodes; depths: confirmations; purpose: folded into the key.
    """
    count, parts = races(bench), bench.parts_of(played)
    keys = jax.random.split(jax.random.fold_in(bench.key, purpose), count)
    if replays(played):
        groups, chosen = keys.reshape(parts, -1), sides(played, parts)
        whole = next(chosen)
        each = groups.shape[1]
        won = each * sum(race(group, whole, attacker, depths, HORIZON).value for group in groups)
        own = zip(groups, chosen, strict=True)
        part_won = np.stack([each * race(group, piece, attacker, depths, HORIZON).value for group, piece in own])
        tried = np.full_like(part_won, each)
        found = bank_error.corrected_share(won, np.float64(count), part_won, tried, CONFIDENCE)
    else:
        found = race(keys, played, attacker, depths, HORIZON, CONFIDENCE)
    return [Estimate(*ends) for ends in zip(found.value, found.low, found.high, strict=True)]


def fewest(found: Sequence[Estimate], depths: Sequence[int], risk: float) -> int | None:
    """The fewest confirmations from which on the chance is at most the risk; None: not even the most do."""
    enough = np.array([float(one.value) <= risk for one in found])
    ever = np.flatnonzero(~enough)
    first = int(ever[-1]) + 1 if ever.size else 0
    return depths[first] if first < len(depths) else None
