"""What a network is: delays from every node to every other, and what follows from them."""

import abc
from typing import Self

import jax
import jax.numpy as jnp

from polejax._core.record import Record, replace
from polejax._core.types import Array, Key
from polejax.network.min_plus import Arrivals, flood


class Network(Record, abc.ABC, abstract=True):
    """What carries blocks: delays D[j, i] >= 0 seconds from j's publishing to i's having received and verified it.

    D[i, i] = 0, and D obeys the triangle inequality, as shortest paths do: then rounds are exact (`polejax.consensus`).
    A network of your own is a subclass with `count` and `delays_from`, and fields for what may be swept; every other
    method has a default, which a faster one may replace. `polejax.testing.check_network` tries it.
    """

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """Number of nodes N."""

    @abc.abstractmethod
    def delays_from(self, publisher: Array) -> Array:
        """Delays D[j] f32[N] in seconds of a block that node j i32[] publishes."""

    def arrivals(self, publish: Array) -> Arrivals:
        """First arrival at every node, and whose block it is: the min-plus product.

        Args:
          publish: f32[N], seconds at which each node would publish; inf for a node that does not.

        Returns:
          arrival f32[N], `min_j publish[j] + D[j, i]`, seconds; source i32[N], the j of that minimum, the lowest j
          among exactly equal ones. O(N) for every block that is published.
        """
        return flood(publish, self.delays_from)

    def between(self, publisher: Array, node: Array) -> Array:
        """Delays f32[...] in seconds from publishers to nodes, indices i32[...] of one shape."""
        shape = jnp.shape(publisher)
        rows = jax.vmap(self.delays_from)(jnp.ravel(publisher))
        return jnp.take_along_axis(rows, jnp.ravel(node)[:, None].astype(jnp.int32), axis=1)[:, 0].reshape(shape)

    @property
    def max_delay(self) -> Array:
        """f32[], seconds: no delay is longer."""
        return jax.vmap(self.delays_from)(jnp.arange(self.count, dtype=jnp.int32)).max()

    @property
    def equidistant(self) -> bool:
        """Whether all pairs of different nodes are `max_delay` apart."""
        return False

    @property
    def fixed(self) -> bool:
        """Whether every block has the same delays; if not, `sample` draws those of one round."""
        return True

    def sample(self, key: Key) -> Self:
        """The network of one round, with delays drawn from `key` where they are random; else the network itself."""
        return self


class NetworkWrapper(Network, abstract=True):
    """A network around another one: every method asks the inner one unless the wrapper has its own.

    A subclass has a field `network`, the inner one.
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
