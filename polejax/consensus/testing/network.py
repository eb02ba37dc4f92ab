"""The contract of networks: valid delays, and arrivals that are the min-plus product."""

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.keys import key_of
from polejax._core.switches import steady
from polejax._core.types import Array, Key
from polejax.consensus import shapes
from polejax.consensus.testing.pytrees import check_pytree
from polejax.consensus.trial import blame
from polejax.network.base import Network

_ROUNDING = 1e-5  # relative; sums of a few float32 delays in different orders


@checked
@steady
def check_network(network: Network, *, key: Key | None = None) -> None:
    """Test a network against its contract (`polejax.network.Network`); call it in your own tests.

    It checks: count and shapes; D[i, i] = 0, D >= 0 and finite, none longer than `max_delay`; `between` agrees with
    `delays_from`; `sample` keeps the count, and the delays if they are `fixed`; `arrivals` is the min-plus product of
    publishing times and delays, ties going to the lowest index, the same alone and under `jax.vmap`; fixed delays obey
    the triangle inequality. Numbers are compared up to float32 rounding. All N^2 delays are compared, so N should be
    some hundreds at most.

    Args:
      network: any `Network`, a single one.
      key: typed key of the publishing times and of random delays; None: key 0.

    Raises:
      ValueError: the contract is broken; the message names the part, its value and the remedy.
    """
    if not isinstance(network, Network):
        raise ValueError(f"network must be a polejax.network.Network, got {shapes.word(network)}: subclass it")
    key = key_of(0) if key is None else checks.key("key", key)
    name = type(network).__name__
    check_pytree(name, network)
    count = checks.whole(f"{name}.count", network.count, low=1)
    network = jax.tree.map(jnp.asarray, network)
    delays = _check_delays(name, network.sample(key), count)
    _check_sample(name, network, delays, key)
    if network.fixed:
        _check_triangle(name, delays)
    sampled = network.sample(key)
    _check_between(name, sampled, delays)
    _check_bound(name, sampled, delays)
    _check_arrivals(name, sampled, delays, key)


@jax.jit
def _all_delays(network: Network) -> Array:
    return jax.vmap(network.delays_from)(jnp.arange(network.count, dtype=jnp.int32))


def _check_delays(name: str, network: Network, count: int) -> np.ndarray:
    """All delays f32[N, N], after a look at them."""
    with blame(f"{name}.delays_from"):
        row = jax.eval_shape(network.delays_from, jnp.int32(0))
    shapes.check_array(f"{name}.delays_from", row, "f32", (count,))
    delays = np.asarray(_all_delays(network))
    for j in np.flatnonzero(np.diagonal(delays) != 0.0)[:1]:
        raise ValueError(f"{name}: delay[{j}, {j}] must be 0, got {delays[j, j]:g}: a node hears itself at once")
    for j, i in np.argwhere(~(np.isfinite(delays) & (delays >= 0.0)))[:1]:
        raise ValueError(
            f"{name}: delay[{j}, {i}] must be finite and at least 0, got {delays[j, i]:g}: seconds from publishing on"
        )
    return delays


def _check_sample(name: str, network: Network, delays: np.ndarray, key: Key) -> None:
    """A sample has the same count, and is repeatable; of a fixed network, every sample has the same delays."""
    other = network.sample(jax.random.fold_in(key, 1))
    if not isinstance(other, Network) or other.count != network.count:
        got = other.count if isinstance(other, Network) else shapes.word(other)
        raise ValueError(f"{name}.sample must return a network of {network.count} nodes, got {got}: keep the count")
    if not np.array_equal(np.asarray(_all_delays(network.sample(key))), delays):
        raise ValueError(f"{name}.sample must draw the same delays from the same key: draw from `key` alone")
    if network.fixed and not np.array_equal(np.asarray(_all_delays(other)), delays):
        raise ValueError(f"{name}.sample draws delays, but {name}.fixed is True: make it False")


def _check_triangle(name: str, delays: np.ndarray) -> None:
    for via in range(len(delays)):
        detour = delays[:, via, None] + delays[None, via, :]
        for j, i in np.argwhere(delays > detour * (1.0 + _ROUNDING) + np.finfo(np.float32).tiny)[:1]:
            raise ValueError(
                f"{name}: delay[{j}, {i}] = {delays[j, i]:g} must be at most delay[{j}, {via}] + delay[{via}, {i}] = "
                f"{detour[j, i]:g} (triangle inequality): use shortest paths, or say that it is not fixed"
            )


def _check_between(name: str, network: Network, delays: np.ndarray) -> None:
    publisher, node = np.indices(delays.shape, np.int32)
    with blame(f"{name}.between"):
        between = jax.jit(lambda network: network.between(jnp.asarray(publisher), jnp.asarray(node)))(network)
    shapes.check_array(f"{name}.between", between, "f32", delays.shape)
    for j, i in np.argwhere(~np.isclose(np.asarray(between), delays, rtol=_ROUNDING, atol=0.0))[:1]:
        raise ValueError(
            f"{name}.between({j}, {i}) must be delays_from({j})[{i}] = {delays[j, i]:g}, got {between[j, i]:g}"
            ": leave it out, the base class has it"
        )


def _check_bound(name: str, network: Network, delays: np.ndarray) -> None:
    with blame(f"{name}.max_delay"):
        bound = network.max_delay
    shapes.check_number(f"{name}.max_delay", bound)
    longest = float(delays.max())
    if not float(bound) >= longest * (1.0 - _ROUNDING):
        raise ValueError(f"{name}.max_delay must be at least the longest delay, {longest:g}, got {float(bound):g}")
    others = delays[~np.eye(len(delays), dtype=bool)]
    if network.equidistant and not np.allclose(others, float(bound), rtol=_ROUNDING):
        got = others[~np.isclose(others, float(bound), rtol=_ROUNDING)][0]
        raise ValueError(
            f"{name}.equidistant is True, but a delay is {got:g} and max_delay {float(bound):g}: make it False"
        )


def _check_arrivals(name: str, network: Network, delays: np.ndarray, key: Key) -> None:
    """Arrivals of random publishing times: some are equal, some follow closely, some never come."""
    count = len(delays)
    with blame(f"{name}.arrivals"):
        arrival, source = jax.eval_shape(network.arrivals, jax.ShapeDtypeStruct((count,), jnp.float32))
    shapes.check_array(f"{name}.arrivals: arrival", arrival, "f32", (count,))
    shapes.check_array(f"{name}.arrivals: source", source, "i32", (count,))
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    scale = max(float(delays.max()), 1.0)
    publish = random.uniform(0.0, scale, (12, count)) * np.repeat([0.0, 0.1, 1.0, 30.0], 3)[:, None]
    publish[random.random(publish.shape) < 0.2] = np.inf
    publish[~np.isfinite(publish).any(axis=1), 0] = 0.0
    times = publish.astype(np.float32)
    many = jax.tree.map(np.asarray, jax.jit(jax.vmap(network.arrivals))(times))
    for row, publishing in enumerate(times):
        alone = jax.tree.map(np.asarray, _arrivals(network, publishing))
        if not all(np.array_equal(one, part[row]) for one, part in zip(alone, many, strict=True)):
            raise ValueError(f"{name}.arrivals must give the same alone and under jax.vmap: compare numbers exactly")
        _check_product(name, publishing, delays, alone, network.fixed)


@jax.jit
def _arrivals(network: Network, publish: Array) -> tuple[Array, Array]:
    return network.arrivals(publish)


def _check_product(
    name: str, publish: np.ndarray, delays: np.ndarray, got: tuple[np.ndarray, np.ndarray], fixed: bool
) -> None:
    """One min-plus product. Drawn delays may stop a node whose block would be first elsewhere: it is left out."""
    arrival, source = got
    nodes = np.arange(len(publish))
    if not ((source >= 0) & (source < len(nodes))).all():
        raise ValueError(f"{name}.arrivals: source must be from 0 to {len(nodes) - 1}, got {source.tolist()}")
    if not np.array_equal(source[source], source):
        i = int(np.flatnonzero(source[source] != source)[0])
        raise ValueError(
            f"{name}.arrivals: node {i} follows node {source[i]}, which follows node {source[source[i]]}: "
            "only a node that is its own source publishes"
        )
    times = publish[:, None] + delays if fixed else (publish + np.where(source == nodes, 0.0, np.inf))[:, None] + delays
    first = times.min(axis=0)
    slack = _ROUNDING * (np.abs(first) + delays.max())
    for i in np.flatnonzero(~(np.abs(arrival - first) <= slack))[:1]:
        raise ValueError(
            f"{name}.arrivals: arrival[{i}] must be min_j publish[j] + delay[j, {i}] = {first[i]:g}, got {arrival[i]:g}"
            ": leave arrivals out, the base class has it"
        )
    near = times <= first + slack
    tied = times == first
    lowest = np.where((near == tied).all(axis=0), tied.argmax(axis=0), source)
    for i in np.flatnonzero(~near[source, nodes] | (source != lowest))[:1]:
        raise ValueError(
            f"{name}.arrivals: source[{i}] must be the lowest j of publish[j] + delay[j, {i}] = {first[i]:g}, got "
            f"{source[i]} in place of {tied[:, i].argmax()}: leave arrivals out, the base class has it"
        )
