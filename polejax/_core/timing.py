"""Timing: how long JAX compiled, and how to keep compiled programs for the next process."""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterator

import jax

from polejax._core import paths

_COMPILING = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
_active = threading.local()


class Compilation:
    """What was traced, lowered and compiled so far.

    Attributes:
      programs: number of programs compiled.
    """

    def __init__(self) -> None:
        self.programs = 0
        self._spans: list[tuple[float, float]] = []  # begin and end, s; disjoint, in order of time

    @property
    def seconds(self) -> float:
        """Seconds spent. JAX reports the tracing of an inner function also within its outer one's; it counts once."""
        return sum(end - begin for begin, end in self._spans)

    def add(self, begin: float, end: float) -> None:
        """Count a span that ends after all others; spans inside it are merged into it."""
        while self._spans and self._spans[-1][0] >= begin:
            self._spans.pop()
        self._spans.append((max(begin, self._spans[-1][1]) if self._spans else begin, end))


@contextlib.contextmanager
def compilation() -> Iterator[Compilation]:
    """Count what JAX compiles in this thread inside the `with` block."""
    _listen()
    counter, outer = Compilation(), getattr(_active, "counter", None)
    _active.counter = counter
    try:
        yield counter
    finally:
        _active.counter = outer
        if outer is not None:
            outer.programs += counter.programs
            for span in counter._spans:
                outer.add(*span)


@functools.cache
def _listen() -> None:
    def count(event: str, duration_secs: float, **_: str | int) -> None:
        counter = getattr(_active, "counter", None)
        if counter is not None and event in _COMPILING:
            now = time.perf_counter()
            counter.add(now - duration_secs, now)
            counter.programs += event == _COMPILING[-1]

    jax.monitoring.register_event_duration_secs_listener(count)


def keep_compiled(path: str | os.PathLike[str]) -> None:
    """Keep programs that are compiled from now on in a folder, so that later processes load them; opt-in.

    This turns on JAX's persistent compilation cache for programs of any size. It saves time on TPUs and GPUs; on CPUs,
    XLA may refuse programs that it compiled on another machine.

    Args:
      path: of the folder, made when it is first needed.
    """
    jax.config.update("jax_compilation_cache_dir", paths.checked("path", path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
