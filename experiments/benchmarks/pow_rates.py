"""Proof of Work as a Poisson process against its random numbers, a C++ event loop and the rounds, as ratios in one run.

    .venv/bin/python experiments/benchmarks/pow_rates.py [--quick]

Every ratio is the median over turns in which each takes its turn, so that what else the machine does falls on all.
Like is to be compared with like. With method "poisson", whole histories come back to the host (`simulate_many`), or
each chain's sums alone (`tally_many`, of four times as many chains a call; of 1,000 nodes and more 64 chains are pooled
into a row, as counts by node would outweigh them). The event loop, `event_loop.cpp` beside this file, compiled by the
system's C++ compiler if there is one, one process per core, keeps all chains' blocks in its memory ("histories") or
only sums. Two draws a block keep a sum: in chunks and many chains at a time, an exponential and a uniform number added
up and nothing else done with them, at the width that is fastest; as `polejax._core.draw` makes them, with JAX's own
rounds, and written out in one loop, as with method "poisson", for vectors of 256 or 512 bits, whichever are faster.
"""

import argparse
import functools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import polejax as pj
from polejax._core import devices, draw, lanes, threefry

SHARES = [30, 29, 12, 11, 8, 5, 3, 1, 1]
WORK, DELAY, BLOCKS = 600.0, 10.0, 1_000
CHUNK = 64
CELLS = 2**22  # nodes x heights x seeds of a run of rounds

Row = tuple[str, float, str]
Timed = Callable[[], float]  # makes a run, and returns its blocks a second


def scenario_of(count: int) -> pj.Scenario:
    """The nine miners, or as many equal ones, 10 s apart."""
    nodes = pj.nodes.from_shares(SHARES) if count == len(SHARES) else pj.nodes.equal(count)
    return pj.Scenario(nodes, pj.network.clique(count, DELAY), pj.PoW(WORK))


def timed(run: Callable[[], Any], count: int) -> Timed:
    """Time `run`, which makes `count` blocks, by the clock on the wall."""

    def rate() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(run())
        return count / (time.perf_counter() - begin)

    return rate


def by_jax(keys: Any, number: Any) -> Any:
    """Two numbers that are added up later, of JAX's own rounds."""
    words = jax.vmap(draw.two_words, (0, None))(keys, number)
    return draw.exponential_of(words[..., 0]), draw.uniform_of(words[..., 1])


def in_one_loop(keys: Any, number: Any) -> Any:
    """Their sum, of rounds written out, so that one loop makes both."""
    words = threefry.two_words(keys[:, None], number[None])
    return -jnp.log(draw.uniform_of(words[0])) + draw.uniform_of(words[1])


def two_draws(
    seeds: int, width: int, drawn: Callable[[Any, Any], Any] = by_jax, options: dict[str, Any] | None = None
) -> Timed:
    """Two random numbers a block, `width` chains in lockstep on every device."""

    def block(keys: Any) -> Any:
        def chunk(total: Any, number: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, drawn(keys, number)), None

        numbers = jnp.arange(BLOCKS // CHUNK * CHUNK, dtype=jnp.uint32).reshape(-1, CHUNK)
        nothing = jax.tree.map(jnp.zeros_like, jax.eval_shape(drawn, keys, numbers[0]))
        total, _ = jax.lax.scan(chunk, nothing, numbers)
        return jax.tree.map(lambda of: of.sum(axis=1), total)

    compiled = lanes.sharded(block, width, tuple(jax.devices()), (), 1, options)
    keys = jax.random.split(jax.random.key(0), seeds)
    return timed(functools.partial(compiled, keys), seeds * (BLOCKS // CHUNK * CHUNK))


def fastest(seeds: int, drawn: Callable[[Any, Any], Any], *options: dict[str, Any] | None) -> Timed:
    """Two draws a block at the width, and with the options of the compiler, that are fastest."""
    tried = (64, 128, 256, 512, seeds // len(jax.devices()))
    widths = [two_draws(seeds, width, drawn, option) for width in tried for option in options]
    return max(widths, key=lambda rate: (rate(), statistics.median(rate() for _ in range(3)))[1])


def chains(count: int, seeds: int, blocks: int, method: str) -> Timed:
    """Whole histories by `simulate_many`."""
    keys, scenario = jax.random.split(jax.random.key(0), seeds), scenario_of(count)
    return timed(lambda: pj.simulate_many(keys, scenario, blocks, method=method), seeds * blocks)


def sums(count: int, seeds: int) -> Timed:
    """Each chain's sums by `tally_many`."""
    keys, scenario = jax.random.split(jax.random.key(0), seeds), scenario_of(count)
    return timed(lambda: pj.tally_many(keys, scenario, BLOCKS, method="poisson", pooled=pooled(count)), seeds * BLOCKS)


def pooled(count: int) -> int:
    """Chains whose sums make a row."""
    return 64 if count >= 1_000 else 1


def event_loop(folder: str) -> Callable[[str, int, int], Timed] | None:
    """Compile the event loop; None where there is no compiler."""
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        return None
    program, source = Path(folder) / "event_loop", Path(__file__).with_name("event_loop.cpp")
    subprocess.run([compiler, "-O3", "-march=native", "-ffast-math", source, "-o", program], check=True)

    def rate_of(kept: str, count: int, seeds: int) -> Timed:
        miners = SHARES if count == len(SHARES) else [count]

        def rate() -> float:
            cores = len(os.sched_getaffinity(0))
            share = seeds // cores
            arguments = [str(value) for value in (share, BLOCKS, WORK, DELAY, *miners)]
            running = [
                subprocess.Popen([program, kept, str(seed), *arguments], stdout=subprocess.PIPE, text=True)
                for seed in range(cores)
            ]
            lines = [process.communicate()[0].split() for process in running]
            return sum(share * BLOCKS / float(line[0]) for line in lines)  # each by its own clock, without its start

        return rate

    return rate_of


def compiling(rate: Timed, count: int) -> float:
    """Seconds that the first call takes beyond the second."""
    begin = time.perf_counter()
    rate()
    first = time.perf_counter() - begin
    return max(0.0, first - count / rate())


def rows(quick: bool) -> list[Row]:
    """Label, value and unit of everything measured: rates, ratios and seconds of compilation."""
    turns, seeds = (5, 1_024) if quick else (15, 4_096)
    found: list[Row] = []
    draws = {
        "two draws a block": fastest(seeds, by_jax, None),
        "two draws in one loop": fastest(seeds, in_one_loop, None, lanes.wide(tuple(jax.devices()))),
    }
    with tempfile.TemporaryDirectory() as folder:
        loop = event_loop(folder)
        for count in (9, 128, 1_000, 10_000):
            played = max(len(jax.devices()), min(512, CELLS // (count * BLOCKS)))
            blocks = max(1, min(BLOCKS, CELLS // (count * played)))
            rows = f", {pooled(count)} chains a row" if pooled(count) > 1 else ""
            calls = {
                "Poisson process": chains(count, seeds, BLOCKS, "poisson"),
                (summed := f"Poisson process, sums{rows}"): sums(count, 4 * seeds),
                **draws,
                "rounds": chains(count, played, blocks, "rounds"),
            }
            if loop is not None:
                calls["C++ event loop"] = loop("sums", count, seeds)
                calls["C++ event loop, histories"] = loop("histories", count, seeds)
            sizes = {"Poisson process": seeds * BLOCKS, summed: 4 * seeds * BLOCKS, "rounds": played * blocks}
            compiled = {name: compiling(calls[name], size) for name, size in sizes.items()}
            rates = {name: [] for name in calls}  # type: dict[str, list[float]]
            for _ in range(turns):
                for name, call in calls.items():
                    rates[name].append(call())
            found += table(f"PoW, N = {count:,}", summed, rates, compiled)
    return found


def table(label: str, summed: str, rates: dict[str, list[float]], compiled: dict[str, float]) -> list[Row]:
    """Medians over turns, of rates and of ratios, of histories and of what is `summed`."""
    lines = [(f"{label}: {name}", statistics.median(of), "blocks/s") for name, of in rates.items()]
    for name in ("Poisson process", summed):
        others = ((other, np.array(rates[name]) / np.array(of)) for other, of in rates.items() if other != name)
        lines += [
            (f"{label}: {name} / {other}", float(np.median(ratio)), "ratio")
            for other, ratio in others
            if name != summed or "histories" not in other
        ]
    return lines + [(f"{label}: {name}, compilation", seconds, "s") for name, seconds in compiled.items()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer turns and chains")
    options = parser.parse_args()
    devices.use_all_cores()
    print({**devices.versions(), **devices.machine()})
    for label, value, unit in rows(options.quick):
        print(f"{label:64} {value:18,.2f} {unit}", flush=True)


if __name__ == "__main__":
    main()
