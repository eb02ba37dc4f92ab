"""Attacks: whoever deviates, and how well it is caught."""

from polejax.attacks import (
    collusion,
    detection,
    double_spend,
    forging,
    head_start,
    rebasing,
    selfish,
    selfish_pools,
    theft,
)
from polejax.attacks.adversary import EarlyKey, Leak, Withholding, early_key, leak, withholding
from polejax.attacks.cheating import Cheating, LiveTheft, cheats_bank, honest_bank
from polejax.attacks.matrix import Matrix, run
from polejax.consensus.adversary import Adversary

__all__ = [
    "Adversary",
    "Cheating",
    "EarlyKey",
    "Leak",
    "LiveTheft",
    "Matrix",
    "Withholding",
    "cheats_bank",
    "collusion",
    "detection",
    "double_spend",
    "early_key",
    "forging",
    "head_start",
    "honest_bank",
    "leak",
    "rebasing",
    "run",
    "selfish",
    "selfish_pools",
    "theft",
    "withholding",
]


def __dir__() -> list[str]:
    return __all__
