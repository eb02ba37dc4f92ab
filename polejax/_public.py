"""The names that `polejax` shows its users; `polejax/__init__.py` imports them when the first is asked for."""

from typing import TYPE_CHECKING

from polejax import analysis, attacks, mechanisms, network, theory
from polejax._core import devices
from polejax._core.folder import StudyError
from polejax._core.progress import Progress
from polejax._core.record import axes, static
from polejax._core.version import __version__
from polejax._engine.runner import simulate_many, tally_many
from polejax.analysis.estimate import Estimate
from polejax.analysis.mempool import serve
from polejax.analysis.summaries import Summary, summarise
from polejax.analysis.transactions import Load
from polejax.consensus import difficulty, elections, nodes, testing
from polejax.consensus.claims import Claims
from polejax.consensus.history import History
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.scenario import Scenario
from polejax.consensus.simulate import simulate
from polejax.consensus.views import Views
from polejax.jobs import pow_baselines as baselines
from polejax.jobs.citations import cite
from polejax.learning import models, tasks
from polejax.learning.recipe import Recipe
from polejax.learning.sml import SecureMappingLayer
from polejax.mechanisms import protocols
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.claim_rules import ClaimRules
from polejax.mechanisms.hashed_pow import HashedPoW
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.pow import PoW
from polejax.mechanisms.replay import Replay
from polejax.mechanisms.task_stream import TaskStream
from polejax.network.base import Network
from polejax.studies.bank_error import bank_estimate
from polejax.studies.banks import learning_curves, load_bank
from polejax.studies.grid import grid
from polejax.studies.results import Results, open_study
from polejax.studies.study import study

if TYPE_CHECKING:
    from polejax.analysis import figures  # with matplotlib: imported when asked for

__all__ = [
    "Bank",
    "ClaimRules",
    "Claims",
    "Estimate",
    "HashedPoW",
    "History",
    "Load",
    "Mechanism",
    "Network",
    "PoLe",
    "PoW",
    "Progress",
    "Recipe",
    "Replay",
    "Results",
    "Scenario",
    "SecureMappingLayer",
    "StudyError",
    "Summary",
    "TaskStream",
    "Views",
    "__version__",
    "analysis",
    "attacks",
    "axes",
    "bank_estimate",
    "baselines",
    "cite",
    "devices",
    "difficulty",
    "elections",
    "figures",
    "grid",
    "learning_curves",
    "load_bank",
    "mechanisms",
    "models",
    "network",
    "nodes",
    "open_study",
    "protocols",
    "serve",
    "simulate",
    "simulate_many",
    "static",
    "study",
    "summarise",
    "tally_many",
    "tasks",
    "testing",
    "theory",
]
