"""Mechanisms: one law of work a file, and the words that a law of one's own is written in."""

from polejax._core import draw
from polejax.consensus.claims import Claims, Evidence, Learning, Taken
from polejax.consensus.listening import Listening
from polejax.consensus.mechanism import Mechanism, MechanismWrapper, Profile
from polejax.consensus.views import Views
from polejax.mechanisms.architecture_spread import ArchitectureSpread
from polejax.mechanisms.bank import Bank
from polejax.mechanisms.claim_rules import ClaimRules
from polejax.mechanisms.hash_training_hash import HashTrainingHash
from polejax.mechanisms.hashed_pow import HashedPoW
from polejax.mechanisms.parametric import Law, Parametric, gamma, lognormal, weibull
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.pow import PoW
from polejax.mechanisms.replay import Replay
from polejax.mechanisms.task_stream import TaskStream
from polejax.mechanisms.training_phase import TrainingPhase
from polejax.mechanisms.verification import Claim, PostedTask, Reason, Verdict, posted, verify

__all__ = [
    "ArchitectureSpread",
    "Bank",
    "Claim",
    "ClaimRules",
    "Claims",
    "Evidence",
    "HashTrainingHash",
    "HashedPoW",
    "Law",
    "Learning",
    "Listening",
    "Mechanism",
    "MechanismWrapper",
    "Parametric",
    "PoLe",
    "PoW",
    "PostedTask",
    "Profile",
    "Reason",
    "Replay",
    "Taken",
    "TaskStream",
    "TrainingPhase",
    "Verdict",
    "Views",
    "draw",
    "gamma",
    "lognormal",
    "posted",
    "verify",
    "weibull",
]


def __dir__() -> list[str]:
    return __all__
