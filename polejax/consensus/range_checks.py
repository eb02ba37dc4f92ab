"""Range checks: the sizes of numbers for which a scenario is right in float32, refused or flagged outside of them.

Work, power, the seconds that work takes and delays must be from `LEAST` to `MOST` (`polejax._core.ranges`; a delay may
be 0), and delays at most `LONGEST` mean intervals: after so long a wait an interval is measured to 1% (float32 has 24
bits). A scenario outside is refused when it is built. Where a difficulty rule or growing power leaves the range on the
way, or numbers are known only inside a transformation, the record says so: `flawed`, from that height on (ours).
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks
from polejax._core.ranges import LEAST, MOST
from polejax._core.record import records_in
from polejax._core.types import Array
from polejax.consensus.mechanism import Mechanism
from polejax.consensus.nodes import Nodes, Scheduled

if TYPE_CHECKING:
    from polejax.consensus.scenario import Scenario

LONGEST = 1e5
"""Mean intervals that the longest delay may last."""


def check_ranges(scenario: "Scenario") -> None:
    """Raise a ValueError that names the field unless the numbers of a scenario that are known are in range."""
    power = _known(scenario.nodes.power)
    if power is not None:
        _check("nodes.power", power, "choose another unit of work")
    for path, leaf in jax.tree_util.tree_leaves_with_path(scenario.network):
        if type(scenario.network).__module__.startswith("polejax.") and jnp.issubdtype(
            jnp.result_type(leaf), np.floating
        ):
            if not checks.is_traced(leaf):  # in its own type, as matrices of delays are large
                _check("network" + jax.tree_util.keystr(path), np.asarray(leaf), "choose another unit of time")
    works = [part for part in records_in(scenario) if isinstance(part, Mechanism) and part.difficulty_unit == "work"]
    for part in works:
        name = "mechanism" if part is scenario.mechanism else f"mechanism ({type(part).__name__})"
        work = _known(part.initial_difficulty)
        if work is None:
            continue
        _check(f"{name}.initial_difficulty", work, "choose another unit of work")
        if power is not None and work.size and power.any():
            fastest, slowest = (float(at(power[power > 0])) for at in (np.max, np.min))
            for seconds in (float(work.min()) / fastest, float(work.max()) / slowest):
                _check(
                    f"{name}.initial_difficulty / nodes.power", np.asarray(seconds), "choose units nearer each other"
                )
    if scenario.mechanism.difficulty_unit == "work" and power is not None and scenario.network.fixed:
        _check_delays(scenario, power)


def in_range(scenario: "Scenario", nodes: Nodes, difficulty: Array) -> Array:
    """bool[]: powers, and difficulties that are work, are in range; difficulties of another unit are not NaN."""
    power = nodes.power
    right = ((power == 0.0) | (power >= LEAST)) & (power <= MOST)
    if scenario.mechanism.difficulty_unit == "work":
        return (right & (difficulty >= LEAST) & (difficulty <= MOST)).all()
    return (right & (difficulty == difficulty)).all()


def varies(scenario: "Scenario") -> bool:
    """Whether power or difficulty may change along the chain, so that every round must look."""
    return scenario.difficulty.per_branch or isinstance(scenario.nodes, Scheduled)


def _check(name: str, values: np.ndarray, remedy: str) -> None:
    wrong = (values != 0) & ~((np.abs(values) >= LEAST) & (np.abs(values) <= MOST))
    if wrong.any():
        got = float(values[wrong].flat[0])
        raise ValueError(f"{name} must be from {LEAST:g} to {MOST:g}, float32's safe range, got {got:g}: {remedy}")


def _check_delays(scenario: "Scenario", power: np.ndarray) -> None:
    if not type(scenario.network).__module__.startswith("polejax."):
        return
    longest, work = _known(scenario.network.max_delay), _known(scenario.mechanism.initial_difficulty)
    if longest is None or work is None or not work.size:
        return
    interval = float(work.min()) / float(power.sum(axis=-1).max())
    if longest.max() > LONGEST * interval:
        raise ValueError(
            f"network delays must be at most {LONGEST:g} mean intervals of about {interval:g} s, as times are float32, "
            f"got {float(longest.max()):g} s: shorten them, or ask for more work"
        )


def _known(value: Array) -> np.ndarray | None:
    """The value as float64, or None if it is known only inside a transformation."""
    return None if checks.is_traced(value) else np.asarray(value, np.float64)
