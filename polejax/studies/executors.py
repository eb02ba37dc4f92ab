"""Executors: a study's shards simulated by other threads, processes or machines, and what they do wrong in one line."""

import concurrent.futures
import contextlib
import itertools
import os
import pickle
import time
from collections.abc import Iterator
from concurrent.futures.process import ProcessPoolExecutor
from typing import Any

import numpy as np

from polejax._core import checks
from polejax._core.paths import reason
from polejax.studies.shards import Arrays, Shard, Study, run_shard

_AGAIN = "run again with the same arguments: finished shards are kept"


class WorkerError(Exception):
    """What an executor gave instead of a shard, in one line."""


def check(executor: Any) -> None:
    """Raise a ValueError unless an executor can be used.

    JAX runs threads, and a process that is forked while another thread holds a lock waits for that lock for ever.
    """
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        named = executor.__name__ if isinstance(executor, type) else checks.shown(executor)
        raise ValueError(f"executor must be an object with a method `submit`, got {named}: see concurrent.futures")
    if isinstance(executor, ProcessPoolExecutor) and _start_method(executor) == "fork":
        raise ValueError(
            "executor must not fork, as JAX's threads make forked processes wait for ever, got a ProcessPoolExecutor "
            'that forks: give it mp_context=multiprocessing.get_context("spawn")'
        )


def _start_method(executor: ProcessPoolExecutor) -> str:
    """How a pool starts its processes; Python tells it nowhere in public."""
    context = getattr(executor, "_mp_context", None)
    return "unknown" if context is None else str(context.get_start_method())


def simulated(task: Study, shards: list[Shard], executor: Any) -> Iterator[tuple[Shard, Any]]:
    """Shards as they are ready, each with the future of what came of it.

    Raises:
      WorkerError: the executor takes no more work.
    """
    pending: dict[Any, Shard] = {}
    waiting = iter(shards)
    try:
        while True:
            # A bounded number, so that results that wait to be written do not pile up.
            for shard in itertools.islice(waiting, 4 * (os.cpu_count() or 1) - len(pending)):
                pending[_submit(executor, task, shard)] = shard
            if not pending:
                return
            ready = [future for future in pending if future.done()]
            for future in ready:
                yield pending.pop(future), future
            if not ready:
                time.sleep(0.02)
    finally:
        for future in pending:
            with contextlib.suppress(AttributeError):  # submitit's jobs and MPI's cannot all be cancelled
                future.cancel()


def _submit(executor: Any, task: Study, shard: Shard) -> Any:
    try:
        return executor.submit(run_shard, task, shard)
    except concurrent.futures.BrokenExecutor as error:
        raise _broken(error) from error
    except Exception as error:
        _check_sent(error)
        raise WorkerError(f"executor takes no more work ({_told(error)}): open another, and {_AGAIN}") from error


def result(future: Any, shard: Shard) -> tuple[Arrays, dict[str, float]]:
    """What `run_shard` returned in a worker.

    Raises:
      WorkerError: it raised an error there, the worker died, the work was cancelled, or something else came back.
    """
    try:
        outcome = future.result()
    except concurrent.futures.BrokenExecutor as error:
        raise _broken(error) from error
    except concurrent.futures.CancelledError as error:
        raise WorkerError(f"executor was shut down or its work cancelled before {shard} was done: {_AGAIN}") from error
    except Exception as error:
        _check_sent(error)
        raise WorkerError(f"a worker failed on {shard} ({_told(error)}): mend that, and {_AGAIN}") from error
    match outcome:
        case (dict() as arrays, {"compile_seconds": int() | float(), "run_seconds": int() | float()} as times):
            return {str(name): np.asarray(array) for name, array in arrays.items()}, times
    raise WorkerError(
        f"executor gave a {type(outcome).__name__} for {shard}, not what run_shard returns: "
        f"let it call the function it is given, in this version of polejax, and {_AGAIN}"
    )


def _check_sent(error: Exception) -> None:
    """Raise a WorkerError if an error says that a study's parts cannot be pickled."""
    if isinstance(error, pickle.PicklingError) or "pickle" in str(error).lower():
        raise WorkerError(
            f"executor cannot send the scenarios to another process ({_told(error)}): define their functions and "
            f"classes at the top of a module, not inside a function, and {_AGAIN}"
        ) from error


def _broken(error: Exception) -> WorkerError:
    return WorkerError(
        f"a worker process died ({reason(error)}): give it more memory, or fewer workers; a script that starts "
        f'processes must guard its work by if __name__ == "__main__"; then {_AGAIN}'
    )


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {reason(error)}"
