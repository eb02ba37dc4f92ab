"""Running: what devices are computing while the host goes on, and what the host makes of it in the end."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import jax

from polejax._core import timing

Result = TypeVar("Result")
Other = TypeVar("Other")
Computed = TypeVar("Computed")


@dataclasses.dataclass(frozen=True)
class Running(Generic[Result]):
    """Computation under way on devices.

    Attributes:
      computed: arrays that the devices compute.
      finish: makes the result of them on the host, once.
      begun: time at which the work began, s, by `time.perf_counter`.
      compile_seconds: seconds of tracing and compiling since then.
    """

    computed: Any
    finish: Callable[[], Result]
    begun: float
    compile_seconds: float

    def wait(self) -> float:
        """Return when the devices have computed all of it: the time, s, by `time.perf_counter`."""
        jax.block_until_ready(self.computed)
        return time.perf_counter()

    def times(self, ready: float, free: float = 0.0) -> dict[str, float]:
        """Seconds of compiling and of running: {"compile_seconds", "run_seconds"}.

        Args:
          ready: time at which the devices had computed all of it, s.
          free: time until which the devices were busy with other work, s.
        """
        run = ready - max(self.begun + self.compile_seconds, free)
        return {"compile_seconds": self.compile_seconds, "run_seconds": max(run, 0.0)}

    def result(self) -> Result:
        """What the host makes of it."""
        return self.finish()

    def then(self, function: Callable[[Result], Other]) -> "Running[Other]":
        """The same, whose result is what a function makes of this one's."""
        return Running(self.computed, lambda: function(self.finish()), self.begun, self.compile_seconds)


def start(compute: Callable[[], Computed], finish: Callable[[Computed], Result]) -> Running[Result]:
    """Begin to compute, and come back while the devices still work.

    Args:
      compute: calls compiled programs and returns their results, without waiting for them.
      finish: makes the result of these on the host.
    """
    with timing.compilation() as compiling:
        begun = time.perf_counter()
        computed = compute()
    return Running(computed, lambda: finish(computed), begun, compiling.seconds)
