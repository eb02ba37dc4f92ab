"""Analysis: from histories to estimates and figures, on the host in float64."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from polejax.analysis.cost import Cost, cost
from polejax.analysis.estimate import Estimate
from polejax.analysis.fairness import Fairness, fairness, gini, hhi, nakamoto
from polejax.analysis.fairness_exponent import fairness_exponent
from polejax.analysis.mempool import Service, serve
from polejax.analysis.node_work import node_work, winner_work
from polejax.analysis.observed import Observed, observed
from polejax.analysis.paired import Comparison, paired
from polejax.analysis.rewards import Rewards, rewards
from polejax.analysis.seed_tally import Tally, join, pool, tally
from polejax.analysis.service import ServiceSummary, block_fees, service
from polejax.analysis.service_at_loads import ServiceAtLoads, service_at_loads
from polejax.analysis.summaries import Summary, as_dict, summarise
from polejax.analysis.transactions import Arrivals, Load, MarkovModulated, Poisson, lognormal_fees
from polejax.analysis.winners_curse import WinnersCurse, winners_curse
from polejax.consensus.round import Blocks, Round

if TYPE_CHECKING:
    from polejax.analysis import figures
else:

    def __getattr__(name: str) -> ModuleType:
        """Import `figures`, and matplotlib with it, only when asked for."""
        if name == "figures":
            return importlib.import_module("polejax.analysis.figures")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Arrivals",
    "Blocks",
    "Comparison",
    "Cost",
    "Estimate",
    "Fairness",
    "Load",
    "MarkovModulated",
    "Observed",
    "Poisson",
    "Rewards",
    "Round",
    "Service",
    "ServiceAtLoads",
    "ServiceSummary",
    "Summary",
    "Tally",
    "WinnersCurse",
    "as_dict",
    "block_fees",
    "cost",
    "fairness",
    "fairness_exponent",
    "figures",
    "gini",
    "hhi",
    "join",
    "lognormal_fees",
    "nakamoto",
    "node_work",
    "observed",
    "paired",
    "pool",
    "rewards",
    "serve",
    "service",
    "service_at_loads",
    "summarise",
    "tally",
    "winner_work",
    "winners_curse",
]


def __dir__() -> list[str]:
    return __all__
