"""Processes: shards of a study in several processes of this machine, each with its own cores."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from polejax._core import checks, devices, lanes


@contextlib.contextmanager
def pool(count: int) -> Iterator[concurrent.futures.Executor | None]:
    """An executor of so many spawned processes that share the cores; None for one, which is this process.

    Args:
      count: of processes.

    Raises:
      ValueError: a count below 1 or above the cores, or several where JAX runs on an accelerator.
    """
    count = checks.whole("processes", count, low=1)
    if count == 1:
        yield None
        return
    cores = _cores()
    if count > len(cores):
        raise ValueError(f"processes must be at most this machine's {len(cores)} cores, got {count}: ask for fewer")
    if not lanes.on_cpu():
        raise ValueError(
            f"processes must be 1 where JAX runs on an accelerator, which one process takes whole, got {count}: "
            "leave it out, or set JAX_PLATFORMS=cpu"
        )
    context = multiprocessing.get_context("spawn")
    shares = context.Queue()
    for place in range(count):
        shares.put(cores[place::count])
    executor = concurrent.futures.ProcessPoolExecutor(count, context, _begin, (shares,))
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        shares.close()


def seeds_per_shard(sizes: Sequence[int], num_seeds: int, processes: int) -> int:
    """Seeds of a shard such that every process has some shards to do, and no shard is larger than it would be.

    Args:
      sizes: seeds of a shard, by scenario, as one process would cut them.
      num_seeds: of each scenario.
      processes: that share the shards.
    """
    shards = -(-4 * processes // len(sizes))  # of a scenario: four to a process, so that they end at about one time
    return max(1, min(*sizes, -(-num_seeds // shards)))


def _cores() -> list[int]:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS and Windows have none
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


def _begin(shares: Any) -> None:
    """Run in a worker before its first shard: take a share of the cores, and end when the parent does."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    share = shares.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share)
    devices.use_all_cores()


def _end_with(parent: Any) -> None:
    """End this process once its parent has ended, which may be by SIGKILL."""
    parent.join()
    os._exit(0)
