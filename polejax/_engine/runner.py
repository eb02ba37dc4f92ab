"""Many chains on all devices: simulated to histories, or summed up, by rounds or as one Poisson process."""

import functools
from typing import Any, Literal

import numpy as np

from polejax._core import checks, lanes, limits
from polejax._core.progress import Callback, Meter
from polejax._core.switches import steady
from polejax._core.types import Key
from polejax._engine import demand, poisson, poisson_sums, running, segments
from polejax._engine.canonical_arrivals import Kept
from polejax._engine.running import Running
from polejax.analysis.seed_tally import Tally, pool, tally
from polejax.consensus import chain
from polejax.consensus.history import History
from polejax.consensus.scenario import Scenario, check_one, ready

Method = Literal["rounds", "poisson"]
METHODS: tuple[Method, ...] = ("rounds", "poisson")
"""How chains are drawn."""


def simulate_many(
    keys: Key,
    scenario: Scenario,
    num_blocks: int,
    *,
    method: Method = "rounds",
    segment: int | None = None,
    chains: int | None = None,
    devices: list[Any] | None = None,
    progress: Callback | None = None,
) -> History:
    """Simulate one chain per key on all devices, any number of blocks, carrying only the unsettled suffix.

    A chain's blocks depend on its key alone: neither on the other keys, nor on `segment`, `chains` or `devices`.

    Args:
      keys: typed keys [S].
      scenario: as for `simulate`.
      num_blocks: heights H above genesis.
      method: "rounds": every node draws its own work at every height, as in `simulate`; "poisson": block arrivals of
        all nodes as one Poisson process, for Proof of Work at constant power and difficulty with fixed delays: the same
        law and other realisations, two random numbers a block whatever the number of nodes.
      segment: heights per compiled call of rounds; None: all up to 4,096, fewer where rounds are long.
      chains: chains that advance in lockstep on a device; None: one block of lanes that stays in the processor's cache
        (CPU), or as many as a quarter of the memory holds (GPU, TPU).
      devices: to split the seeds over; None: all local ones.
      progress: called with `Progress` in blocks, after every segment of rounds, or at the end.

    Returns:
      `History` of NumPy arrays with leading axis S; [S, H] intervals and so on. Its `settled` marks whole heights.

    Raises:
      ValueError: no keys, a count below 1, an unknown method, or a scenario that "poisson" does not allow.
    """
    return start(
        keys,
        scenario,
        num_blocks,
        method=method,
        segment=segment,
        chains=chains,
        devices=devices,
        progress=progress,
    ).result()


def tally_many(
    keys: Key,
    scenario: Scenario,
    num_blocks: int,
    *,
    method: Method = "rounds",
    pooled: int = 1,
    chains: int | None = None,
    devices: list[Any] | None = None,
    progress: Callback | None = None,
) -> Tally:
    """Sum up one chain per key, on all devices, as `polejax.simulate_many` simulates it, without keeping its blocks.

    With method "poisson" the sums are made on the devices, at three to five times the rate of histories.

    Args:
      keys: typed keys [S].
      scenario: as for `simulate_many`.
      num_blocks: heights H above genesis.
      method: as for `simulate_many`.
      pooled: consecutive chains, a divisor of S, whose sums are added up into one row. Rows stay independent of each
        other, so that all statistics hold: the jackknife then leaves out a group of chains at a time (Wolter 2007,
        Introduction to Variance Estimation, chapter 4: the random and the delete-a-group jackknife). Keep some dozens
        of rows. Of thousands of nodes the counts outweigh the chains, unless they are pooled.
      chains: chains that advance in lockstep on a device; None: as `simulate_many`.
      devices: to split the seeds over; None: all local ones.
      progress: called with `Progress` in blocks, as by `simulate_many`.

    Returns:
      `Tally` [S / pooled], which `polejax.summarise` and `polejax.compare` take: that of `simulate_many`'s history of
      the same arguments, exactly in all counts and to rounding in seconds. Counts by node are whole numbers.

    Raises:
      ValueError: no keys, a count below 1, chains that cannot be pooled, an unknown method, or a scenario that
        "poisson" does not allow.
    """
    return start_tally(
        keys,
        scenario,
        num_blocks,
        method=method,
        pooled=pooled,
        chains=chains,
        devices=devices,
        progress=progress,
    ).result()


@steady
def start(
    keys: Key,
    scenario: Scenario,
    num_blocks: int,
    *,
    method: Method = "rounds",
    segment: int | None = None,
    chains: int | None = None,
    devices: list[Any] | None = None,
    progress: Callback | None = None,
) -> Running[History]:
    """Begin what `simulate_many` does, and come back while the devices still compute.

    Chains of several segments are over when this returns: only those of one program run on in the background.
    """
    num_seeds, num_blocks = _check(keys, scenario, num_blocks, method, chains, devices)
    if segment is not None:
        checks.whole("segment", segment, low=1)
    meter = Meter(progress, num_seeds * num_blocks, "blocks")
    if method == "poisson":
        return _start_poisson(keys, scenario, num_blocks, chains, devices, meter)
    cached = scenario.mechanism.profile.cached_lanes // scenario.nodes.count
    held = segments.chain_bytes(scenario, num_blocks)
    layout = lanes.lay_out(num_seeds, devices, cached=cached, held=held, lanes=chains)

    def compute() -> History:
        beyond = chain.heights_beyond(scenario)
        return segments.play(layout, layout.pad(keys), ready(scenario), num_blocks, beyond, segment, meter)

    def finish(history: History) -> History:
        if isinstance(history.interval, np.ndarray):  # played in segments
            return history
        kept = layout.cut(history)
        meter.add(num_seeds * num_blocks)
        return kept

    return running.start(compute, finish)


@steady
def start_tally(
    keys: Key,
    scenario: Scenario,
    num_blocks: int,
    *,
    method: Method = "rounds",
    pooled: int = 1,
    chains: int | None = None,
    devices: list[Any] | None = None,
    progress: Callback | None = None,
) -> Running[Tally]:
    """Begin what `tally_many` does, and come back while the devices still compute."""
    num_seeds, num_blocks = _check(keys, scenario, num_blocks, method, chains, devices, keeps_blocks=False)
    pooled = checks.whole("pooled", pooled, low=1)
    if num_seeds % pooled:
        raise ValueError(f"pooled must divide the number of keys, {num_seeds}, got {pooled}: use as many keys as fit")
    if method == "rounds":
        histories = start(keys, scenario, num_blocks, chains=chains, devices=devices, progress=progress)
        return histories.then(lambda history: pool(tally(history), pooled))
    meter = Meter(progress, num_seeds * num_blocks, "blocks")
    in_flight, race = poisson.rounded_up(poisson.blocks_in_flight(scenario)), poisson.race_of(scenario)
    held = poisson.chain_bytes(scenario, num_blocks)
    layout, program = poisson_sums.prepare(num_seeds, race, in_flight, num_blocks, pooled, held, chains, devices)

    def finish(sums: poisson_sums.Sums) -> Tally:
        summed = poisson_sums.to_tally(sums, np.float64(race.mean), num_seeds, num_blocks, pooled)
        meter.add(num_seeds * num_blocks)
        return summed

    return running.start(lambda: program(layout.pad(keys), race), finish)


def _check(
    keys: Key,
    scenario: Scenario,
    num_blocks: int,
    method: str,
    chains: int | None,
    devices: list[Any] | None,
    keeps_blocks: bool = True,
) -> tuple[int, int]:
    """The numbers of chains and of blocks, which the machine can hold, once all arguments are checked."""
    if chains is not None:
        checks.whole("chains", chains, low=1)
    lanes.chosen(devices)
    checks.key("keys", keys, ndim=1)
    check_one(scenario)
    checks.one_of("method", method, METHODS)
    num_seeds = checks.whole("number of keys", keys.shape[0], low=1)
    num_blocks = limits.counted("num_blocks", num_blocks, demand.MOST_BLOCKS, "heights are counted in 32 bits")
    demand.check_demand(scenario, num_seeds, num_blocks, method, keeps_blocks)
    return num_seeds, num_blocks


def _start_poisson(
    keys: Key, scenario: Scenario, num_blocks: int, chains: int | None, devices: list[Any] | None, meter: Meter
) -> Running[History]:
    in_flight, race = poisson.rounded_up(poisson.blocks_in_flight(scenario)), poisson.race_of(scenario)
    held = poisson.chain_bytes(scenario, num_blocks)
    layout = lanes.lay_out(keys.shape[0], devices, cached=poisson.CACHED_CHAINS, held=held, lanes=chains)
    program = _poisson(num_blocks, in_flight, layout.lanes, layout.devices)
    work = np.asarray(scenario.mechanism.initial_difficulty)

    def finish(kept: Kept) -> History:
        history = layout.cut(poisson.as_history(poisson.on_host(kept), work, np))
        meter.add(layout.count * num_blocks)
        return history

    return running.start(lambda: program(layout.pad(keys), race), finish)


@functools.cache
def _poisson(num_blocks: int, in_flight: float, chains: int, devices: tuple[Any, ...]) -> Any:
    play = functools.partial(poisson.play, num_blocks=num_blocks, in_flight=in_flight)
    return lanes.sharded(play, chains, devices, (1,), 2, lanes.wide(devices))
