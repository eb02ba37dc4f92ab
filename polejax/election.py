"""Elections: which of the claims that reach a node it takes for the block of a height."""

from typing import Any, Protocol

from polejax.checks import Array
from polejax.mechanism import Claims
from polejax.record import record


class Election(Protocol):
    """The rule by which every node chooses among the claims it hears."""

    def elect(self, publish: Array, claims: Claims, network: Any) -> tuple[Array, Array]:
        """When each node settles on a block and whose.

        Args:
          publish: f32[N], seconds at which each node would publish its claim; inf if never.
          claims: of all nodes.
          network: answers `hear`.

        Returns:
          arrival f32[N], seconds at which the node has its tip for the height; source i32[N], that block's producer.
        """
        ...


@record
class FirstSeen:
    """The first valid block to arrive wins: longest-chain consensus as in Bitcoin (design theorem; exact)."""

    def elect(self, publish: Array, claims: Claims, network: Any) -> tuple[Array, Array]:
        """Arrival f32[N] (seconds) and source i32[N] of the first block heard."""
        return network.hear(publish)
