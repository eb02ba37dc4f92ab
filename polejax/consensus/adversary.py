"""The base of all adversaries: deviations from the protocol within the round."""

import abc
from typing import TYPE_CHECKING

from polejax._core.record import Record

if TYPE_CHECKING:
    from polejax.consensus.scenario import Scenario


class Adversary(Record, abc.ABC, abstract=True):
    """A deviation from the protocol, as a change of the scenario: another network, or another mechanism."""

    def check(self, scenario: "Scenario") -> None:
        """Raise a ValueError that names the field and the remedy if the scenario does not allow this adversary."""

    @abc.abstractmethod
    def enter(self, scenario: "Scenario") -> "Scenario":
        """The scenario that is really simulated: with the deviation built in, and without an adversary."""
