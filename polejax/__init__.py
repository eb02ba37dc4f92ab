"""polejax: vectorised Monte Carlo simulation of Proof of Learning consensus in JAX.

Data flows one way, and so does this table of contents.
"""

from polejax import difficulty, learners, network, nodes, readers, tasks, theory
from polejax.bank import Bank, load_bank
from polejax.curves import learning_curves
from polejax.election import FirstSeen
from polejax.estimate import Estimate
from polejax.folder import StudyError
from polejax.hashed_pow import HashedPoW
from polejax.history import History
from polejax.mechanism import Claims, Learning, Mechanism, Views
from polejax.pole import PoLe
from polejax.pow import PoW
from polejax.replay import Replay
from polejax.results import Results, open_study
from polejax.scenario import Scenario
from polejax.segments import simulate_many
from polejax.simulate import simulate
from polejax.sml import SecureMappingLayer
from polejax.statistics import Summary, compare, summarise
from polejax.study import Progress, study

__version__ = "0.1.0"

__all__ = [
    "Bank",
    "Claims",
    "Estimate",
    "FirstSeen",
    "HashedPoW",
    "History",
    "Learning",
    "Mechanism",
    "PoLe",
    "PoW",
    "Progress",
    "Replay",
    "Results",
    "Scenario",
    "SecureMappingLayer",
    "StudyError",
    "Summary",
    "Views",
    "compare",
    "difficulty",
    "learners",
    "learning_curves",
    "load_bank",
    "network",
    "nodes",
    "open_study",
    "readers",
    "simulate",
    "simulate_many",
    "study",
    "summarise",
    "tasks",
    "theory",
]
