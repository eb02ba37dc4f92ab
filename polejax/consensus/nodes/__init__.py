"""Nodes: their addresses, their computing power, and how the power changes along the chain."""

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
