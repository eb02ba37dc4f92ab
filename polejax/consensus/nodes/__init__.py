"""Nodes: who takes part, under which address, with how much power, and how that changes along the chain."""

from polejax.consensus.nodes.nodes import Nodes, equal, from_shares, lognormal, zipf
from polejax.consensus.nodes.schedule import AnyNodes, Scheduled, growth, lose, schedule

__all__ = [
    "AnyNodes",
    "Nodes",
    "Scheduled",
    "equal",
    "from_shares",
    "growth",
    "lognormal",
    "lose",
    "schedule",
    "zipf",
]


def __dir__() -> list[str]:
    return __all__
