"""Testing: the contract that every mechanism and network keeps, for polejax's own and for yours."""

from polejax.consensus.testing.mechanism import check_mechanism
from polejax.consensus.testing.network import check_network

__all__ = ["check_mechanism", "check_network"]


def __dir__() -> list[str]:
    return __all__
