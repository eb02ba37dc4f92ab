"""Proof of Learning among its relatives: published protocols on one engine, at one mean interval, in one table."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from polejax._core import checks
from polejax._core.progress import Callback, Meter
from polejax._core.types import Key
from polejax._engine.runner import simulate_many
from polejax.analysis.estimate import Estimate
from polejax.analysis.fairness_exponent import MOST
from polejax.consensus import nodes
from polejax.consensus.nodes import Nodes
from polejax.jobs.relatives_numbers import CONFIRMATIONS, RISKS, Counts, Numbers, Side, numbers_of
from polejax.jobs.relatives_presets import NAMES, Build, Preset, Setting, tuned
from polejax.mechanisms.bank import Bank, join
from polejax.studies import bank_error

_PUBLIC = 0  # folded into the key


class Row(NamedTuple):
    """One protocol's numbers; each `Estimate` [] or None where the protocol has no such number, which `why` explains.

    Attributes:
      name: of the protocol.
      source: who published it.
      interval: s, mean canonical interval.
      cv: ratio, of the interval.
      stale: share, stale / all published blocks; where the best model wins, those that lose count, not forks alone.
      exponent: ratio, of win share = power^k (`analysis.fairness_exponent`); of PoFL, of pools.
      risks: by the attacker's share of the power and the confirmations, chance of a double spend by a private chain of
        one node that is one block ahead at the payment.
      latency: s, mean, to the first confirmation at 0.9 of the chain's own capacity.
      accuracy: fraction, of winners' models on samples that decided nothing.
      useful: share of all nodes' work that trained the models on the chain.
      why: by field name, why it is None, or what else to know of it.
    """

    name: str
    source: str
    interval: Estimate
    cv: Estimate
    stale: Estimate
    exponent: Estimate
    risks: dict[tuple[float, int], Estimate | None]
    latency: Estimate | None
    accuracy: Estimate | None
    useful: Estimate | None
    why: dict[str, str]


def run(
    bank: Bank,
    seeds: int,
    blocks: int,
    key: Key,
    *,
    threshold: float = 0.9,
    miners: Nodes | None = None,
    delay: float = 2.0,
    parts: int = 8,
    horizon: int = 64,
    capacity: int = 1_000,
    chosen: Sequence[str] = NAMES,
    progress: Callback = lambda told: None,
) -> list[Row]:
    """Tune every preset to PoLe's mean interval, simulate it, and measure it.

    Args:
      bank: `Bank` of curves, best with a holdout.
      seeds: chains of each protocol, spread over the parts.
      blocks: heights of each; latencies need some 500.
      key: typed key.
      threshold: validation accuracy that PoLe asks for.
      miners: of unequal power; None: 16, log-normal with sigma 0.5, one training step a second on average.
      delay: s, from any node to any other.
      parts: G, at least 2; each replays a part of the bank, so that the parts' scatter holds the bank's error as well
        as chance. The estimate is the whole bank's, corrected by the parts' (see `bank_estimate`); intervals are
        Student's t with G - 1 degrees of freedom. A part has at least 4 curves a node.
      horizon: blocks of a race of a private against the public chain, of which a chain gives blocks / horizon.
      capacity: transactions per block.
      chosen: names of protocols, of `relatives_presets.NAMES`; PoLe, to whose interval they are tuned, is always first.
      progress: called with `Progress` in protocols.

    Returns:
      One `Row` per protocol, PoLe first.

    Raises:
      ValueError: a number out of range, fewer seeds or curves than parts, a horizon beyond the blocks, or a bank whose
        curves do not reach the threshold.
    """
    checks.key("key", key)
    parts = checks.whole("parts", parts, low=2)
    each = checks.whole("seeds", seeds, low=parts) // parts
    blocks = checks.whole("blocks", blocks, low=2 * max(CONFIRMATIONS))
    checks.whole("horizon", horizon, low=max(CONFIRMATIONS) + 1, high=blocks)
    for name in chosen:
        checks.one_of("chosen", name, NAMES)
    if not isinstance(bank, Bank):
        raise ValueError(f"bank must be a polejax.Bank, got {type(bank).__name__}: see polejax.learning_curves")
    reached = bank.share_reaching(float(checks.real("threshold", threshold, low=0.0, high=1.0, ndim=0)))
    if reached < 0.99:
        raise ValueError(f"bank must reach the threshold {threshold:g}, got {reached:.0%} of its curves: lower it")
    shared = Setting(miners or nodes.lognormal(16, 0.5, total=16.0), delay, threshold, bank)
    bank_error.check_parts(bank, parts, shared.nodes.count)
    pieces = bank.split(parts)
    whole = join(pieces)
    keys = jax.random.split(jax.random.fold_in(key, _PUBLIC), parts * each).reshape(parts, each)

    def mean_interval(build: Build) -> float:
        history = simulate_many(keys[0], build(whole), blocks)
        return float(history.interval[history.settled].mean(dtype=np.float64))

    presets = tuned(shared, mean_interval, chosen)
    meter = Meter(progress, len(presets), "protocols", label="relatives")
    rows: list[Row] = []
    for preset in presets:
        found = []
        for part in range(-1, parts):  # the whole first; parts are tiled: all of one shape, so of one program
            side = Side(preset.build(whole if part < 0 else join([pieces[part]] * parts)), keys, part)
            found.append(numbers_of(preset, side, blocks, key, horizon, capacity))
        row = _row(preset, found)
        if rows and abs(row.interval.value / rows[0].interval.value - 1.0) > 0.05:
            row.why["interval"] = "its rule reaches no mean interval closer to the others', with this bank"
        rows.append(row)
        meter.add(1)
    return rows


def _row(preset: Preset, found: Sequence[Numbers]) -> Row:
    """The row of a preset: the whole bank's numbers, corrected by the parts', whose scatter gives the intervals."""
    risks: dict[tuple[float, int], Estimate | None] = dict.fromkeys(RISKS)
    chances = [one.risks for one in found if one.risks is not None]
    if chances:
        all_risks = _share(chances)
        risks = {RISKS[i]: Estimate(all_risks.value[i], all_risks.low[i], all_risks.high[i]) for i in range(len(RISKS))}
    latency = [one.latency for one in found if one.latency is not None]
    accuracy = [one.accuracy for one in found if one.accuracy is not None]
    why = {name: reason for one in found for name, reason in one.why.items()}
    return Row(
        preset.name,
        preset.source,
        interval=_over([one.interval for one in found], low=0.0),
        cv=_over([one.cv for one in found], low=0.0),
        stale=_share([one.stale for one in found]),
        exponent=_over([one.exponent for one in found], -MOST, MOST),
        risks=risks,
        latency=_over(latency, low=0.0) if len(latency) == len(found) else None,
        accuracy=_over(accuracy, 0.0, 1.0) if len(accuracy) == len(found) else None,
        useful=_over([one.useful for one in found], 0.0, 1.0),
        why=why,
    )


def _over(values: Sequence[float], low: float = -np.inf, high: float = np.inf) -> Estimate:
    """The whole's value, first of those given, corrected by the parts', with its 95% interval; all in what can be."""
    found = np.asarray(values, np.float64)
    return bank_error.corrected(found[0], found[1:], 0.95, low=low, high=high)


def _share(counts: Sequence[Counts]) -> Estimate:
    """As `_over`, of shares."""
    hits, trials = (np.stack(arrays) for arrays in zip(*counts, strict=True))
    return bank_error.corrected_share(hits[0], trials[0], hits[1:], trials[1:], 0.95)
