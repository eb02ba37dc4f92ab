"""Totals: what statistics need of many chains, without ever keeping their blocks."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from polejax._core import checks, lanes
from polejax._core.numerics import added_up, rounded
from polejax._core.types import Array
from polejax._engine import poisson_sums
from polejax._engine.block_arrivals import Kept, room_for
from polejax._engine.poisson import CACHED_CHAINS, Race, as_promised, blocks_in_flight, keep_chains, race_of
from polejax._engine.poisson_plan import Plan, plan_for
from polejax._engine.poisson_sums import Sums
from polejax._engine.runner import found_bytes, laid_out, rounded_up, simulate_many
from polejax.analysis.seed_tally import Tally, pool, tally
from polejax.consensus.scenario import Scenario, check_one

_CACHED = 64  # chains that a CPU core advances in lockstep where passes do: their finds stay in its cache


def tally_many(
    keys: Array,
    scenario: Scenario,
    num_blocks: int,
    *,
    chains: int | None = None,
    devices: list[Any] | None = None,
    memoryless: bool = False,
    pooled: int = 1,
) -> Tally:
    """Sum up one chain per key, on all devices, as `polejax.simulate_many` simulates it, without keeping its blocks.

    Drawn find by find (`memoryless`) the sums are made on the devices, at three to five times the rate of histories.

    Args:
      keys: typed keys [S].
      scenario: as for `simulate_many`.
      num_blocks: heights H above genesis.
      chains: chains that advance in lockstep on a device; None: as `simulate_many`.
      devices: to split the seeds over; None: all local ones.
      memoryless: draw the finds of all nodes as one process, as `simulate_memoryless` does.
      pooled: consecutive chains, a divisor of S, whose sums are added up into one row. Rows stay independent of each
        other, so that all statistics hold: the jackknife then leaves out a group of chains at a time (Wolter 2007,
        Introduction to Variance Estimation, chapter 4: the random and the delete-a-group jackknife). Keep some dozens
        of rows. Of thousands of nodes the counts outweigh the chains, unless they are pooled.

    Returns:
      `Tally` [S / pooled], which `polejax.summarise` and `polejax.analysis.paired` take: that of `simulate_many`'s
      history of the same arguments, exactly in all counts and to rounding in seconds. Counts by node are whole numbers.

    Raises:
      ValueError: no keys, a count below 1, chains that cannot be pooled, or a scenario that is not memoryless if it is
        to be.
    """
    checks.key("keys", keys, ndim=1)
    check_one(scenario)
    num_seeds = checks.whole("number of keys", keys.shape[0], low=1)
    num_blocks = checks.whole("num_blocks", num_blocks, low=1)
    pooled = checks.whole("pooled", pooled, low=1)
    if num_seeds % pooled:
        raise ValueError(f"pooled must divide the number of keys, {num_seeds}, got {pooled}: use as many keys as fit")
    if checks.flag("memoryless", memoryless):
        return start_totals(keys, scenario, num_blocks, chains=chains, devices=devices, pooled=pooled).tally()
    history = simulate_many(keys, scenario, num_blocks, chains=chains, devices=devices)
    return pool(tally(history), pooled)


def start_totals(
    keys: Array,
    scenario: Scenario,
    num_blocks: int,
    *,
    chains: int | None = None,
    devices: list[Any] | None = None,
    pooled: int = 1,
) -> "Running":
    """Begin what `tally_many` does of memoryless chains, and come back while the devices still compute."""
    devices = devices or jax.local_devices()
    num_seeds, in_flight = keys.shape[0], rounded_up(blocks_in_flight(scenario))
    race = race_of(scenario)
    plan = _plan(race, in_flight, num_blocks)
    together = 1 if plan is None else math.gcd(pooled, poisson_sums.together(plan, race.network.count))
    # Vectors of bytes should be full: a few chains more take less time.
    whole = _CACHED if plan is not None and chains is None and num_seeds > _CACHED // 4 * len(devices) else 1
    cached = CACHED_CHAINS if plan is None else _CACHED
    held = found_bytes(scenario, num_blocks)
    keys, chains = laid_out(keys, chains, cached, held, devices, math.lcm(together, whole))
    play = _totals(num_blocks, in_flight, together, chains, tuple(devices))
    return Running(num_seeds, pooled, np.float64(race.mean), play(keys, race))


@dataclasses.dataclass(frozen=True)
class Running:
    """Chains that are being summed up."""

    num_seeds: int
    pooled: int
    mean: np.float64  # s
    sums: Sums

    def wait(self) -> None:
        """Return when the devices have computed all of it."""
        jax.block_until_ready(self.sums)

    def tally(self) -> Tally:
        """What `tally_many` returns."""
        sums: Sums = jax.tree.map(np.asarray, self.sums)
        rows = self.num_seeds // self.pooled

        def added(of: np.ndarray, kind: Any = np.float64) -> np.ndarray:
            """From chains, or some of them together, to rows."""
            group = self.pooled * of.shape[0] // sums.settled.shape[0]
            of = of[: rows * group]
            return of.astype(kind, copy=False) if group == 1 else of.reshape(rows, group, -1).sum(axis=1, dtype=kind)

        settled, published = (added(of[:, None])[:, 0] for of in (sums.settled, sums.published))
        interval, square = (
            added(of.sum(axis=1, dtype=np.float64)[:, None])[:, 0] for of in (sums.deviation, sums.square)
        )
        nothing, whole = np.zeros(rows), np.int32 if self.pooled == 1 else np.int64
        about_mean = Tally(
            settled=settled,
            flawed=nothing,
            interval=interval,
            square=square,
            published=published,
            stale=published - settled,
            wins=added(sums.wins, whole),
            published_by=added(sums.published_by, whole),
            score=settled,
            fallback=nothing,
            claims=nothing,
            claimed=nothing,
            claimed_score=nothing,
            rejected=nothing,
            diverged=nothing,
            useful=nothing,
            computed=nothing,
            centre=float(self.mean),
            carries_models=False,
        )
        return about_mean.about(float(self.mean + interval.sum() / max(settled.sum(), 1)))


def _plan(race: Race, in_flight: float, num_blocks: int) -> Plan | None:
    return plan_for(in_flight, num_blocks) if race.network.equidistant else None


@functools.cache
def _totals(num_blocks: int, in_flight: float, together: int, chains: int, devices: tuple[Any, ...]) -> Any:
    on_cpu = devices[0].platform == "cpu"

    def total(keys: Array, race: Race) -> Sums:
        return total_chains(keys, race, num_blocks, in_flight, together, on_cpu)

    return lanes.sharded(total, chains, devices, (1,), 2, lanes.wide(devices))


def total_chains(
    keys: Array, race: Race, num_blocks: int, in_flight: float, together: int, on_cpu: bool = True
) -> Sums:
    """The sums of one chain per key [L], in lockstep, counts by node of so many `together`."""
    room = room_for(in_flight, num_blocks)
    race = jax.tree.map(jnp.asarray, race)
    plan = _plan(race, in_flight, num_blocks)
    count = -(-num_blocks // 64) if plan is None else plan.sums

    def one_by_one(keys: Array) -> Sums:
        return _of_kept(keep_chains(keys, race, num_blocks, in_flight), race.mean, count, together)

    if plan is None:
        return one_by_one(keys)
    sums, right = poisson_sums.total(keys, race, plan, together, on_cpu)
    right &= as_promised(race, room)

    def mended(keys: Array) -> Sums:
        """Of chains that were right their own, as their last bits must not depend on what others needed."""
        others = one_by_one(keys)
        own = {}
        for name in ("settled", "published", "deviation", "square"):
            one, other = getattr(sums, name), getattr(others, name)
            own[name] = jnp.where(right.reshape(-1, *[1] * (one.ndim - 1)), one, other)
        return others._replace(**own)

    return jax.lax.cond(right.all(), lambda keys: sums, mended, keys)


def _of_kept(kept: Kept, mean: Array, count: int, together: int) -> Sums:
    """The sums of whole histories, deviations in `count` parts."""
    chains, heights = kept.interval.shape
    num_nodes = kept.published_by.shape[1]
    deviation = jnp.where(kept.settled, kept.interval - mean, 0.0)
    fill = ((0, 0), (0, -heights % count))

    def parts(of: Array) -> Array:
        return added_up(jnp.pad(of, fill).reshape(chains, count, -1), 2)

    def wins(of: tuple[Array, Array]) -> Array:
        producer, settled = of
        return jnp.zeros(num_nodes, jnp.int32).at[producer].add(settled.astype(jnp.int32), mode="promise_in_bounds")

    def in_groups(of: Array) -> Array:
        return of.astype(jnp.int32).reshape(-1, together, num_nodes).sum(axis=1)

    return Sums(
        settled=kept.settled.sum(axis=1, dtype=jnp.int32),
        published=jnp.where(kept.settled, kept.published, 0).sum(axis=1),
        deviation=parts(deviation),
        square=parts(rounded(deviation * deviation)),
        wins=in_groups(jax.lax.map(wins, (kept.producer, kept.settled))),
        published_by=in_groups(kept.published_by),
    )
