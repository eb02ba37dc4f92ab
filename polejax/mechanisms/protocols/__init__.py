"""Protocols: documented presets, each a function to a `Scenario`, named by its source.

Where a source leaves something open, or could not be read, the reading is an argument, and the docstring says so. No
preset is what its paper measured: nodes, network, task and times are the caller's.
"""

from polejax.mechanisms.protocols.coin_ai import coin_ai
from polejax.mechanisms.protocols.d_podl import d_podl
from polejax.mechanisms.protocols.dlbc import dlbc
from polejax.mechanisms.protocols.podl import podl
from polejax.mechanisms.protocols.pofl import pofl, pools
from polejax.mechanisms.protocols.pole import pole
from polejax.mechanisms.protocols.pow import pow
from polejax.mechanisms.protocols.sedulity import sedulity
from polejax.mechanisms.protocols.wekacoin import wekacoin

__all__ = ["coin_ai", "d_podl", "dlbc", "podl", "pofl", "pole", "pools", "pow", "sedulity", "wekacoin"]


def __dir__() -> list[str]:
    return __all__
