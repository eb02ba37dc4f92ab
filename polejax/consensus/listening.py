"""Listening: how a mechanism that really computes learns that it can stop."""

import abc

from polejax._core.record import Record
from polejax._core.types import Array


class Listening(Record, abc.ABC, abstract=True):
    """Tells when each node closes the height if only the claims made so far are published."""

    @abc.abstractmethod
    def closes(self, publish: Array) -> Array:
        """When each node closes the height and begins the next; a claim it makes later does not count.

        Args:
          publish: f32[N], seconds, when each node would publish the claim it holds; inf without one.

        Returns:
          f32[N], seconds.
        """


def closes(listening: Listening | None, publish: Array) -> Array:
    """`listening.closes(publish)`; for None `publish`: a node works on until it finishes or gives up."""
    return publish if listening is None else listening.closes(publish)
