"""What an adversary is: whoever deviates from the protocol within the round."""

import abc
from typing import TYPE_CHECKING

from polejax._core.record import Record

if TYPE_CHECKING:
    from polejax.consensus.scenario import Scenario


class Adversary(Record, abc.ABC, abstract=True):
    """Anything that deviates from the protocol: it turns the scenario that others believe in into the real one."""

    def check(self, scenario: "Scenario") -> None:
        """Raise a ValueError that names the field and the remedy where the scenario cannot be played so."""

    @abc.abstractmethod
    def enter(self, scenario: "Scenario") -> "Scenario":
        """The scenario as it is really played, without an adversary: another network, or another mechanism."""
