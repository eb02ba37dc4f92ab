"""Listening: how long a mechanism that really computes must compute."""

import abc

from polejax._core.record import Record
from polejax._core.types import Array


class Listening(Record, abc.ABC, abstract=True):
    """What a race listens to: the closes of the height, if only the claims made so far are published."""

    @abc.abstractmethod
    def closes(self, publish: Array) -> Array:
        """Until when a node's own claim can matter.

        Args:
          publish: f32[N], seconds at which each node would publish the claim it holds; inf without one.

        Returns:
          f32[N], seconds: when the node closes the height, and begins the next.
        """


def closes(listening: Listening | None, publish: Array) -> Array:
    """`listening.closes(publish)`; without anything to listen to, a node works on until it finishes or gives up."""
    return publish if listening is None else listening.closes(publish)
