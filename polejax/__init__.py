"""polejax: vectorised Monte Carlo simulation of Proof of Learning consensus in JAX.

Data flows one way, and so does this table of contents.
"""

from polejax import (
    adversary,
    attack,
    cheating,
    collusion,
    detection,
    double_spend,
    forging,
    head_start,
    network,
    parametric,
    rebasing,
    selfish,
    theft,
    theory,
)
from polejax._core import devices
from polejax._core.folder import StudyError
from polejax._core.version import __version__
from polejax.bank import Bank, load_bank
from polejax.bank_error import bank_estimate
from polejax.consensus import difficulty, nodes, power_schedule
from polejax.consensus.election import BestAtDeadline, BestInWindow, FirstSeen
from polejax.consensus.history import History
from polejax.consensus.mechanism import Claims, Learning, Mechanism, Views
from polejax.consensus.scenario import Scenario
from polejax.consensus.simulate import simulate
from polejax.cost import summarise_cost
from polejax.crypto import functional_encryption
from polejax.curves import learning_curves
from polejax.estimate import Estimate
from polejax.fairness import summarise_fairness, summarise_rewards
from polejax.hashed_pow import HashedPoW
from polejax.learning import datasets, models, tasks
from polejax.learning.sml import SecureMappingLayer
from polejax.memoryless import simulate_memoryless
from polejax.mempool import serve, serve_many
from polejax.parametric import Parametric
from polejax.pole import PoLe
from polejax.pow import PoW
from polejax.replay import Replay
from polejax.results import Results, open_study
from polejax.segments import simulate_many
from polejax.service import summarise_service
from polejax.statistics import Summary, compare, summarise
from polejax.study import Progress, study
from polejax.task_stream import TaskStream
from polejax.totals import tally_many
from polejax.transactions import Load, MarkovModulated, Poisson
from polejax.verification import Claim, PostedTask, Reason, Verdict, posted, verify

__all__ = [
    "Bank",
    "BestAtDeadline",
    "BestInWindow",
    "Claim",
    "Claims",
    "Estimate",
    "FirstSeen",
    "HashedPoW",
    "History",
    "Learning",
    "Load",
    "MarkovModulated",
    "Mechanism",
    "Parametric",
    "PoLe",
    "PoW",
    "Poisson",
    "PostedTask",
    "Progress",
    "Reason",
    "Replay",
    "Results",
    "Scenario",
    "SecureMappingLayer",
    "StudyError",
    "Summary",
    "TaskStream",
    "Verdict",
    "Views",
    "__version__",
    "adversary",
    "attack",
    "bank_estimate",
    "cheating",
    "collusion",
    "compare",
    "datasets",
    "detection",
    "devices",
    "difficulty",
    "double_spend",
    "forging",
    "functional_encryption",
    "head_start",
    "learning_curves",
    "load_bank",
    "models",
    "network",
    "nodes",
    "open_study",
    "parametric",
    "posted",
    "power_schedule",
    "rebasing",
    "selfish",
    "serve",
    "serve_many",
    "simulate",
    "simulate_many",
    "simulate_memoryless",
    "study",
    "summarise",
    "summarise_cost",
    "summarise_fairness",
    "summarise_rewards",
    "summarise_service",
    "tally_many",
    "tasks",
    "theft",
    "theory",
    "verify",
]
