"""How far rates grow with the number of chains, until a device is full, beside the limits of the device.

    .venv/bin/python experiments/benchmarks/scaling.py [--quick]

Chains are made four times as many until that gains less than a tenth. Limits are measured in the same run: a large
product, products of the 64-32-10 network's own shapes, one of each network, random words, and copying memory. A round
asks for one word a node, a Poisson process for two a block; of training the useful operations count
(`training_rates.py`).
"""

import argparse
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from training_rates import NETWORKS, gemm_peak, median_time

import polejax as pj
from polejax._core import devices, lanes

SHARES = [30, 29, 12, 11, 8, 5, 3, 1, 1]
STEP = 4  # times as many chains
GAIN = 1.1  # that they must bring
MOST_SECONDS = 10.0  # of a call, after which more chains are not tried
STEPS = 100  # of training

Row = tuple[str, float, str]


def rate(run: Callable[[], Any], count: float, repeats: int) -> tuple[float, float]:
    """Median rate of `run`, which does `count` units, and its seconds."""
    seconds, _ = median_time(run, repeats)
    return count / seconds, seconds


def limits(repeats: int) -> dict[str, float]:
    """What all devices together can do: FLOP/s, words a second, bytes a second."""
    on, small = tuple(jax.devices()), jax.default_backend() == "cpu"
    many, bits, parts = (2**10, 2**14, 64) if small else (2**14, 2**24, 4)
    keys = jax.random.split(jax.random.key(0), len(on) * parts)

    def words(key: Any) -> Any:
        """Their exclusive or, so that none need be written."""
        return jnp.bitwise_xor.reduce(jax.random.bits(key[0], (bits,)))[None]

    drawn = lanes.sharded(words, 1, on, (), 1)
    left, right = jnp.ones((len(on) * many, 32, 64)), jnp.ones((len(on) * many, 64, 32))
    batched = lanes.sharded(lambda left, right: left @ right, many, on, (), 2)
    numbers = jnp.ones((len(on), 2**24 if small else 2**28))
    copied = lanes.sharded(lambda numbers: numbers + 1.0, 1, on, (), 1)
    return {
        "a large product, FLOP/s": gemm_peak(repeats),
        "products of 32 x 64 by 64 x 32, FLOP/s": rate(
            functools.partial(batched, left, right), left.shape[0] * 2 * 32 * 64 * 32, repeats
        )[0],
        "random words, words/s": rate(functools.partial(drawn, keys), bits * keys.size, repeats)[0],
        "copying, bytes/s": rate(functools.partial(copied, numbers), 8 * numbers.size, repeats)[0],
    }


def grown(call: Callable[[int], tuple[Callable[[], Any], float]], first: int, repeats: int) -> list[tuple[int, float]]:
    """(chains, rate) of more and more chains, the last of which gained little or took long.

    Args:
      call: from the number of chains to a run and the units that it does.
      first: chains to begin with.
      repeats: runs of which the median counts.
    """
    found: list[tuple[int, float]] = []
    while True:
        chains = first * STEP ** len(found)
        now, seconds = rate(*call(chains), repeats)
        found.append((chains, now))
        if seconds * STEP > MOST_SECONDS or (len(found) > 1 and now < GAIN * found[-2][1]):
            return found


def jobs(quick: bool) -> dict[str, tuple[Any, int, str, float]]:
    """Of each job: the call, chains to begin with, what it is a fraction of, and how much of that a unit needs."""
    blocks = 100 if quick else 1_000
    bank = np.linspace(0.1, 1.0, 80, dtype=np.float32) + np.zeros((4_096, 1), np.float32)
    replay = pj.Replay(pj.Bank(bank, bank, np.zeros(4_096, bool), 5, "{}"))
    pole = pj.PoLe(pj.tasks.digits())
    words, product = "random words, words/s", "products of 32 x 64 by 64 x 32, FLOP/s"

    def scenario(count: int, mechanism: Any) -> pj.Scenario:
        nodes = pj.nodes.from_shares(SHARES) if count == len(SHARES) else pj.nodes.equal(count)
        return pj.Scenario(nodes, pj.network.clique(count, 10.0), mechanism)

    def chains(scenario: pj.Scenario, blocks: int, **options: Any) -> Any:
        def call(seeds: int) -> tuple[Callable[[], Any], float]:
            keys = jax.random.split(jax.random.key(0), seeds)
            return lambda: pj.simulate_many(keys, scenario, blocks, **options), seeds * blocks

        return call

    def sums(scenario: pj.Scenario) -> Any:
        def call(seeds: int) -> tuple[Callable[[], Any], float]:
            keys, pooled = jax.random.split(jax.random.key(0), seeds), 64 if scenario.nodes.count > 128 else 1
            return lambda: pj.tally_many(keys, scenario, blocks, method="poisson", pooled=pooled), seeds * blocks

        return call

    def curves(number: int) -> tuple[Callable[[], Any], float]:
        key = jax.random.key(0)
        return lambda: pj.learning_curves(key, pole, number, num_steps=STEPS), number * STEPS

    found: dict[str, tuple[Any, int, str, float]] = {}
    for count in (9, 128) if quick else (9, 128, 1_000, 10_000):
        pools = scenario(count, pj.PoW(600.0))
        played, begin = max(1, 9 * blocks // count), max(len(jax.devices()), 512 // count)
        found[f"rounds, N = {count:,}, blocks/s"] = (chains(pools, played), begin, words, count)
        found[f"Poisson process, N = {count:,}, blocks/s"] = (chains(pools, blocks, method="poisson"), 64, words, 2)
        found[f"sums, N = {count:,}, blocks/s"] = (sums(pools), 64, words, 2)
    found["Replay, N = 9, blocks/s"] = (chains(scenario(9, replay), blocks), 64, words, 18)
    found["learning curves, steps/s"] = (curves, 64, product, NETWORKS[0].flops)
    found["live rounds, N = 9, blocks/s"] = (chains(scenario(9, pole), 8), len(jax.devices()), "", 0.0)
    return found


def rows(quick: bool = False) -> list[Row]:
    """Label, value and note of every limit and rate."""
    repeats = 1 if quick else 3
    most = limits(repeats)
    found: list[Row] = [(f"limit: {name}", value, "") for name, value in most.items()]
    for name, (call, first, limit, needed) in jobs(quick).items():
        for chains, now in grown(call, first, repeats):
            note = f"{now * needed / most[limit]:.2g} of {limit.split(',')[0]}" if limit else ""
            found.append((f"{name}, {chains:,} chains or curves", now, note))
    return found


def accelerator_rows(quick: bool = False) -> list[Row]:
    """`rows` of a GPU or TPU; none of a CPU, whose cores a block of chains each fills."""
    return [] if jax.default_backend() == "cpu" else rows(quick)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer blocks and nodes, once each")
    options = parser.parse_args()
    devices.use_all_cores()
    print({**devices.versions(), **devices.machine()})
    for label, value, note in rows(options.quick):
        print(f"{label:64} {value:22,.0f} {note}", flush=True)


if __name__ == "__main__":
    main()
