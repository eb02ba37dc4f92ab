"""Double SHA-256 of 80-byte headers with varying nonces against hashlib and the machine's limit, in one run.

    .venv/bin/python experiments/benchmarks/hash_rates.py [--quick]

polejax searches from a midstate on every device; `hashlib` hashes whole headers in a plain Python loop, in one process
and in one process a core. The limit is the rate of independent additions, exclusive ors and rotations of 32-bit words
that stay in the processor's first cache; a double hash from a midstate needs, counted as FIPS 180-4 writes them, 2
compressions of 64 rounds. Compile time apart. On a GPU or TPU nothing changes but the sizes.
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import devices, lanes
from polejax.crypto import header, nonces

CHUNKS = 256  # of nonces, on every device
CHAINS = (4, 8, 64)  # steps on a word between reads: few keep a processor's pipelines full, many spare a GPU's memory

# A round: 6 rotates, 4 + 2 xors in the sums, 3 + 4 in choose and majority, 7 additions; a word of the schedule (48 of
# them): 4 rotates, 2 shifts, 4 xors, 3 additions.
OPERATIONS = 2 * (64 * (6 + 4 + 3 + 4 + 7) + 48 * (4 + 2 + 4 + 3))

LOOP = """
import hashlib, sys, time
head, sha256, count = bytes(range(76)), hashlib.sha256, int(sys.argv[1])
wall, busy = time.perf_counter(), time.process_time()
for nonce in range(count):
    sha256(sha256(head + nonce.to_bytes(4, "little")).digest()).digest()
print(count / (time.perf_counter() - wall), count / (time.process_time() - busy))
"""


def hashlib_rates(processes: int, count: int) -> np.ndarray:
    """Double hashes a second of plain Python loops: of all processes together, and of one while it is not waiting."""
    command = [sys.executable, "-c", LOOP, str(count)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    found = np.array([process.communicate()[0].split() for process in running], float)
    return np.array([found[:, 0].sum(), found[:, 1].mean()])


def median_time(run: Callable[[], Any], repeats: int) -> tuple[float, float, float]:
    """Median seconds of a call, on the clock and of processor time, and how much longer the first took, to compile."""
    times, busy = [], []
    for _ in range(repeats + 1):
        begin, begin_busy = time.perf_counter(), time.process_time()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - begin)
        busy.append(time.process_time() - begin_busy)
    typical = statistics.median(times[1:])
    return typical, statistics.median(busy[1:]), max(0.0, times[0] - typical)


def chunk() -> int:
    """Nonces at a time: what a core's cache holds, or what fills a GPU."""
    return 2**12 if jax.default_backend() == "cpu" else 2**20


def searching() -> Callable[[], Any]:
    """A search on every device, as `HashedPoW` does it: chunk after chunk, keeping the least last word."""
    count = len(jax.devices())
    words = np.random.default_rng(0).integers(0, 2**32, (count, 20), dtype=np.uint32)

    def block(midstate: Any, tail: Any) -> Any:
        def step(least: Any, first: Any) -> tuple[Any, None]:
            return jnp.minimum(least, nonces.digests(midstate, tail, first, chunk())[7].min(axis=1)), None

        firsts = jnp.arange(CHUNKS, dtype=jnp.uint32) * jnp.uint32(chunk())
        return jax.lax.scan(step, jnp.full(midstate.shape[0], 0xFFFFFFFF, jnp.uint32), firsts)[0]

    compiled = lanes.sharded(block, 1, tuple(jax.devices()), (), 2)
    return functools.partial(compiled, header.midstate(words[:, :16]), jnp.asarray(words[:, 16:19]))


def integer_limit(repeats: int) -> float:
    """32-bit operations a second, on every device at once: additions, exclusive ors, rotates of independent words.

    A rotate counts as one: that is what processors make of two shifts and an or.
    """
    count, steps, width = len(jax.devices()), 4_096, 16 * chunk()
    words = jnp.arange(count * width, dtype=jnp.uint32).reshape(count, width)

    def block(words: Any, chain: int) -> Any:
        def step(word: Any, constant: Any) -> tuple[Any, None]:
            for _ in range(chain):
                word = (word + constant) ^ ((word >> 7) | (word << 25))
            return word, None

        return jax.lax.scan(step, words, jnp.arange(steps // chain, dtype=jnp.uint32))[0]

    best = 0.0
    for chain in CHAINS:
        run = lanes.sharded(functools.partial(block, chain=chain), 1, tuple(jax.devices()), (), 1)
        seconds, *_ = median_time(functools.partial(run, words), repeats)
        best = max(best, 3.0 * steps * count * width / seconds)
    return best


def rows(quick: bool = False) -> list[tuple[str, float, str]]:
    """Measure everything: (label, value, note) of every measurement.

    hashlib runs before and after polejax, so that what else the machine does falls on all alike.
    """
    repeats, count = (3, 300_000) if quick else (7, 1_000_000)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    loops = [hashlib_rates(processes, count) for processes in (1, cores)]
    limit = integer_limit(repeats)
    seconds, busy, compiling = median_time(searching(), repeats)
    again = [hashlib_rates(processes, count) for processes in (1, cores)]
    (one, one_busy), (every, _) = np.mean([loops, again], axis=0).tolist()
    hashes = len(jax.devices()) * chunk() * CHUNKS
    rate = hashes / seconds
    found = [
        ("double SHA-256, polejax, hashes/s", rate, f"compile {compiling:.1f} s"),
        ("double SHA-256, a hashlib loop, hashes/s", one, "one process"),
        (f"double SHA-256, {cores} hashlib loops, hashes/s", every, f"{cores} processes"),
        ("polejax / a hashlib loop", rate / one, "at least 8"),
        (f"polejax / {cores} hashlib loops", rate / every, ""),
        ("integer limit, 32-bit operations/s", limit, "add, xor, rotate on words in cache"),
        ("polejax / integer limit", rate * OPERATIONS / limit, "at least 0.3 on a GPU"),
    ]
    if jax.default_backend() == "cpu":
        note = "in processor time, which other programs disturb least"
        found.append(("polejax / a hashlib loop, on one core", hashes / busy / one_busy, note))
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    options = parser.parse_args()
    devices.use_all_cores()
    print({**devices.versions(), **devices.machine()})
    for label, value, note in rows(options.quick):
        print(f"{label:52} {value:16,.2f}   {note}")


if __name__ == "__main__":
    main()
