"""What a round costs beside its random numbers, and beside an event loop: `python experiments/benchmarks/rounds.py`.

One device, one core where the platform can (Linux): other programs disturb a processor's time least there. Every
line is one network; ns are per node and height, the median of runs that take turns.
"""

import argparse
import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import event_loop
import jax
import jax.numpy as jnp
import numpy as np

import polejax as pj
from polejax._core import draw
from polejax.consensus.round import advance, genesis

WORK = 600.0


def seconds_of(*calls: Callable[[], Any], repeats: int = 15) -> list[float]:
    """Median processor time of each call (on a GPU or TPU: wall time), after one that compiles.

    The calls take turns, so that what else the machine does falls on all of them alike.
    """
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    times: list[list[float]] = []
    for _ in range(repeats + 1):
        times.append([])
        for call in calls:
            begin = clock()
            jax.block_until_ready(call())
            times[-1].append(clock() - begin)
    return np.median(times[1:], axis=0).tolist()


def keep_to_one_core() -> set[int]:
    """Keep this process to one core where JAX computes on a CPU; call it before JAX starts. The cores it had.

    Before, because XLA makes as many threads as it finds cores and splits a round's heavier loops among them: of a
    thousand lanes that takes longer than the loops do, and processor time counts the waiting of all threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        return set()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    if jax.default_backend() != "cpu":
        os.sched_setaffinity(0, cores)
    return cores


def over_seeds(one: Callable[..., Any], lanes: int) -> Callable[..., Any]:
    """Jitted over `lanes` seeds, as `simulate_many` runs them: without vmap where it is one."""
    if lanes == 1:
        return jax.jit(lambda keys, *rest: one(keys[0], *rest))
    return jax.jit(lambda keys, *rest: jax.vmap(lambda key: one(key, *rest))(keys))


def random_numbers(keys: Any, nodes: Any, num_blocks: int) -> Callable[[], Any]:
    """Draw one exponential number per node and height."""

    def one(key: Any, address: Any) -> Any:
        def step(total: Any, height: Any) -> tuple[Any, None]:
            return total + draw.exponential(jax.random.fold_in(key, height), address), None

        return jax.lax.scan(step, jnp.zeros(address.shape), jnp.arange(num_blocks))[0]

    return functools.partial(over_seeds(one, keys.shape[0]), keys, jnp.asarray(nodes.address))


def rounds(keys: Any, scenario: Any, num_blocks: int) -> Callable[[], Any]:
    """Play the rounds themselves, their records included."""

    def one(key: Any, scenario: Any) -> Any:
        return advance(key, scenario, genesis(key, scenario), num_blocks)

    return functools.partial(over_seeds(one, keys.shape[0]), keys, jax.tree.map(jnp.asarray, scenario))


def networks() -> list[tuple[str, Any]]:
    """The networks to measure, delays of about a second."""
    places = np.random.default_rng(0).random((128, 2)).astype(np.float32)
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    listed = [(f"clique {count}", pj.network.clique(count, 1.0)) for count in (16, 128, 1_000, 10_000)]
    listed += [(f"dense {count}", pj.network.from_matrix(distance[:count, :count])) for count in (16, 128)]
    return listed + [(f"regions {count}", pj.network.internet(count)) for count in (16, 128, 1_000, 10_000)]


def measured(cells: int, lanes: int) -> Iterator[tuple[str, float, float, float, float]]:
    """Of each network: its name, ns of the random numbers and of the round, blocks a second, the event loop's."""
    keep_to_one_core()
    for name, network in networks():
        nodes = pj.nodes.equal(network.count)
        keys = jax.random.split(jax.random.key(0), max(1, lanes // network.count))
        num_blocks = max(1, cells // (network.count * keys.shape[0]))
        played_cells = network.count * keys.shape[0] * num_blocks
        scenario = pj.Scenario(nodes, network, pj.PoW(WORK))
        drawn, played = seconds_of(random_numbers(keys, nodes, num_blocks), rounds(keys, scenario, num_blocks))
        rate = keys.shape[0] * num_blocks / played
        yield name, drawn / played_cells * 1e9, played / played_cells * 1e9, rate, event_rate(network)


def rows(quick: bool = False) -> list[tuple[str, float, str]]:
    """(label, value, note) of every network's round against its random numbers and against the event loop."""
    found = []
    for name, drawn, played, rate, loop in measured(250_000 if quick else 1_000_000, 1_024):
        found += [
            (f"{name}: a round / its random numbers", played / drawn, "at most 2"),
            (f"{name}: blocks/s / event loop in NumPy", rate / loop, f"{rate:,.0f} blocks/s on one core"),
        ]
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000, help="nodes x heights x seeds of every measurement")
    parser.add_argument(
        "--lanes", type=int, default=1_024, help="nodes x seeds that advance together, as PoW's default"
    )
    settings = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}; {settings.lanes} nodes x seeds at a time; ns per node and height")
    print(f"{'network':<14}{'random':>8}{'round':>8}{'ratio':>7}{'blocks/s':>12}{'event loop':>12}{'times':>8}")
    for name, drawn, played, rate, loop in measured(settings.cells, settings.lanes):
        ratios = f"{played / drawn:>7.2f}{rate:>12,.0f}{loop:>12,.1f}{rate / loop:>8.0f}"
        print(f"{name:<14}{drawn:>8.2f}{played:>8.2f}{ratios}", flush=True)


def event_rate(network: Any) -> float:
    """Blocks a second of the event loop on the same delays."""
    count = network.count
    rows = np.asarray(jax.vmap(jax.tree.map(jnp.asarray, network).delays_from)(jnp.arange(min(count, 1_000))))
    delay = np.resize(rows, (count, count)) if count <= 1_000 else _Rows(rows)
    num_blocks = max(2, 20_000 // count)
    begin = time.process_time()
    event_loop.simulate(np.random.default_rng(0), delay, np.full(count, 1.0 / count), WORK, num_blocks)
    return num_blocks / (time.process_time() - begin)


class _Rows:
    """Rows of delays without the 10,000 x 10,000 matrix: of nodes beyond the first 1,000 those of another."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __getitem__(self, node: int) -> np.ndarray:
        return self.rows[node % len(self.rows)]


if __name__ == "__main__":
    main()
