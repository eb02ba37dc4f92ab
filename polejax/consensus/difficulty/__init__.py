"""Difficulty: the rules that set the difficulty of the next block from the intervals on its branch."""

from polejax.consensus.difficulty.accuracy_threshold import Accuracy, accuracy
from polejax.consensus.difficulty.base import Difficulty, Fixed, LevelRule, fixed
from polejax.consensus.difficulty.per_block import (
    Asert,
    Ethereum,
    MovingAverage,
    asert,
    byzantium,
    ema,
    homestead,
)
from polejax.consensus.difficulty.retarget import Window, bitcoin, window

__all__ = [
    "Accuracy",
    "Asert",
    "Difficulty",
    "Ethereum",
    "Fixed",
    "LevelRule",
    "MovingAverage",
    "Window",
    "accuracy",
    "asert",
    "bitcoin",
    "byzantium",
    "ema",
    "fixed",
    "homestead",
    "window",
]


def __dir__() -> list[str]:
    return __all__
