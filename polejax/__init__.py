"""polejax: vectorised Monte Carlo simulation of Proof of Learning consensus in JAX.

Data flows one way, and so does this table of contents.
"""

from polejax import difficulty, learners, network, nodes, tasks
from polejax.election import FirstSeen
from polejax.history import History
from polejax.mechanism import Claims, Learning, Mechanism, Views
from polejax.pole import PoLe
from polejax.pow import PoW
from polejax.scenario import Scenario
from polejax.segments import simulate_many
from polejax.simulate import simulate
from polejax.sml import SecureMappingLayer

__version__ = "0.1.0"

__all__ = [
    "Claims",
    "FirstSeen",
    "History",
    "Learning",
    "Mechanism",
    "PoLe",
    "PoW",
    "Scenario",
    "SecureMappingLayer",
    "Views",
    "difficulty",
    "learners",
    "network",
    "nodes",
    "simulate",
    "simulate_many",
    "tasks",
]
