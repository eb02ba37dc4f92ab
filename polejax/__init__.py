"""polejax: vectorised Monte Carlo simulation of Proof of Learning consensus in JAX.

Data flows one way, and so does this table of contents.
"""

from polejax import network, theory
from polejax._core import devices
from polejax._core.folder import StudyError
from polejax._core.progress import Progress
from polejax._core.version import __version__
from polejax._engine.runner import simulate_many, tally_many
from polejax.analysis.cost import summarise_cost
from polejax.analysis.estimate import Estimate
from polejax.analysis.fairness import summarise_fairness, summarise_rewards
from polejax.analysis.mempool import serve, serve_many
from polejax.analysis.service import summarise_service
from polejax.analysis.summaries import Summary, compare, summarise
from polejax.analysis.transactions import Load, MarkovModulated, Poisson
from polejax.attacks import (
    adversary,
    cheating,
    collusion,
    detection,
    double_spend,
    forging,
    head_start,
    rebasing,
    selfish,
    theft,
)
from polejax.consensus import difficulty, nodes
from polejax.consensus.claims import Claims, Learning
from polejax.consensus.elections import BestAtDeadline, BestInWindow, FirstSeen
from polejax.consensus.history import History
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.scenario import Scenario
from polejax.consensus.simulate import simulate
from polejax.consensus.views import Views
from polejax.crypto import functional_encryption
from polejax.jobs import attack
from polejax.learning import datasets, models, tasks
from polejax.learning.sml import SecureMappingLayer
from polejax.mechanisms import parametric
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.hashed_pow import HashedPoW
from polejax.mechanisms.parametric import Parametric
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.pow import PoW
from polejax.mechanisms.replay import Replay
from polejax.mechanisms.task_stream import TaskStream
from polejax.mechanisms.verification import Claim, PostedTask, Reason, Verdict, posted, verify
from polejax.studies.bank_error import bank_estimate
from polejax.studies.banks import learning_curves, load_bank
from polejax.studies.results import Results, open_study
from polejax.studies.study import study

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
    "rebasing",
    "selfish",
    "serve",
    "serve_many",
    "simulate",
    "simulate_many",
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
