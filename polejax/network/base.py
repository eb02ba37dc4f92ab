"""The base of all networks: delays from every node to every other, and the arrivals that follow from them."""

import abc
from typing import Self

import jax
import jax.numpy as jnp

from polejax._core.record import Record, replace
from polejax._core.types import Array, Key
from polejax.network.min_plus import Arrivals, flood


class Network(Record, abc.ABC, abstract=True):
    """Delays D[j, i] >= 0: seconds from node j's publishing a block until node i has received and verified it.

    D[i, i] = 0, and D obeys the triangle inequality, as shortest paths do; then rounds are exact
    (`polejax.consensus.round`). A network of your own is a subclass with `count`, `delays_from` and fields for whatever
    may be swept. Every other method has a default, which a subclass may replace by a faster one.
    `polejax.testing.check_network` tests it.
    """

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """Number of nodes N."""

    @abc.abstractmethod
    def delays_from(self, publisher: Array) -> Array:
        """Delays D[j] f32[N], seconds, of a block that node j i32[] publishes."""

    def arrivals(self, publish: Array) -> Arrivals:
        """When each node receives its first block, and whose block that is: the min-plus product.

        Args:
          publish: f32[N], seconds, when each node would publish; inf for a node that does not.

        Returns:
          arrival f32[N], seconds, `min_j publish[j] + D[j, i]`; source i32[N], the j of that minimum, the lowest one
          where several are exactly equal. Takes O(N) for every block that is really published.
        """
        return flood(publish, self.delays_from)

    def between(self, publisher: Array, node: Array) -> Array:
        """Delays f32[...], seconds, from publishers to nodes, given as indices i32[...] of one shape."""
        shape = jnp.shape(publisher)
        rows = jax.vmap(self.delays_from)(jnp.ravel(publisher))
        return jnp.take_along_axis(rows, jnp.ravel(node)[:, None].astype(jnp.int32), axis=1)[:, 0].reshape(shape)

    @property
    def max_delay(self) -> Array:
        """The longest delay, f32[], seconds; inf if delays have no bound."""
        return jax.vmap(self.delays_from)(jnp.arange(self.count, dtype=jnp.int32)).max()

    @property
    def equidistant(self) -> bool:
        """Whether all pairs of different nodes are `max_delay` apart."""
        return False

    @property
    def fixed(self) -> bool:
        """Whether every block has the same delays; if not, `sample` draws the delays of one round."""
        return True

    def sample(self, key: Key) -> Self:
        """The network of one round, with delays drawn from `key` where they are random; else the network itself."""
        return self


class NetworkWrapper(Network, abstract=True):
    """A network built around another one: every method that a subclass does not define is the inner network's.

    Attributes:
      network: the inner network, a field of every subclass.
    """

    network: Network

    @property
    def count(self) -> int:
        """Number of nodes N."""
        return self.network.count

    def delays_from(self, publisher: Array) -> Array:
        """See `Network.delays_from`."""
        return self.network.delays_from(publisher)

    def arrivals(self, publish: Array) -> Arrivals:
        """See `Network.arrivals`."""
        return self.network.arrivals(publish)

    def between(self, publisher: Array, node: Array) -> Array:
        """See `Network.between`."""
        return self.network.between(publisher, node)

    @property
    def max_delay(self) -> Array:
        """See `Network.max_delay`."""
        return self.network.max_delay

    @property
    def equidistant(self) -> bool:
        """See `Network.equidistant`."""
        return self.network.equidistant

    @property
    def fixed(self) -> bool:
        """See `Network.fixed`."""
        return self.network.fixed

    def sample(self, key: Key) -> Self:
        """See `Network.sample`."""
        return replace(self, network=self.network.sample(key))
