"""The workbench of the claims job: one bank, one way to measure, so that every number has an honest interval."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from polejax import network
from polejax._core.progress import Callback
from polejax._core.types import Array, Key
from polejax._engine.runner import simulate_many
from polejax.analysis.estimate import Estimate
from polejax.consensus import difficulty, nodes
from polejax.consensus.history import History
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.bank import Bank, join
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.replay import Replay
from polejax.studies import bank_error

Row = dict[str, Any]
"""One number: `statistic`, what it is of (`mechanism` and parameters), `value`, `low`, `high`, its `unit`, how many
seeds and blocks it comes from, and `law`, the closed form's value or None."""

Statistic = Callable[[History, Key], Mapping[str, Any]]
"""Numbers, or arrays of one shape, by name: of one part's histories [S / G, H], and a typed key of the part's own for
what they draw."""

NODES, DELAY = 16, 2.0
THRESHOLD = 0.9
CONFIDENCE = 0.95
LEAST_PARTS = 4


@dataclasses.dataclass(frozen=True)
class Bench:
    """What every section measures with.

    Attributes:
      mechanism: `PoLe` whose curves the bank holds.
      bank: of whole curves.
      key: typed key; each measurement folds in its own number.
      parts: G at most, a power of two, into which chains, and with them the bank, are split; intervals are Student's t
        over parts.
      seeds: chains of a measurement, a multiple of `parts`.
      blocks: heights of a chain.
      quick: whether fewer points are measured.
      loads: shares of a chain's own capacity that users ask for, in (0, 1), rising.
      progress: called with `Progress` of what takes long.
    """

    mechanism: PoLe
    bank: Bank
    key: Key
    parts: int
    seeds: int
    blocks: int
    quick: bool
    loads: tuple[float, ...] = (0.5, 0.9)
    progress: Callback = lambda told: None

    def replay(self, threshold: float = THRESHOLD) -> Replay:
        """Replayed learning at a threshold, by the rules of `mechanism`."""
        rules = self.mechanism.rules
        return Replay(self.bank, threshold, margin=rules.margin, jitter=rules.jitter, verification=rules.verification)

    def measure(
        self,
        scenario: Scenario,
        statistic: Statistic,
        purpose: int,
        *,
        blocks: int | None = None,
        most: Mapping[str, float] | None = None,
    ) -> dict[str, Estimate]:
        """Statistics of chains, with intervals that cover the bank's own error as well as chance.

        Args:
          scenario: of which each part is simulated with its own part of every bank.
          statistic: see `Statistic`; of numbers that cannot be negative.
          purpose: of the measurement, folded into the key.
          blocks: heights; None: the bench's.
          most: by name, the largest number that a statistic can be; no interval goes beyond.
        """
        whole, parts = self.values(scenario, statistic, purpose, blocks=blocks)
        ends = most or {}
        return {
            name: bank_error.corrected(value, parts[name], CONFIDENCE, low=0.0, high=ends.get(name, np.inf))
            for name, value in whole.items()
        }

    def values(
        self, scenario: Scenario, statistic: Statistic, purpose: int, *, blocks: int | None = None
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """By name, a statistic's value [...] of all chains on the whole bank, and its values [G, ...] of the parts."""
        heights, parts = blocks or self.blocks, self.parts_of(scenario)
        keys = jax.random.split(jax.random.fold_in(self.key, purpose), self.seeds)
        own = jax.random.split(jax.random.fold_in(jax.random.fold_in(self.key, purpose), 1), parts + 1)
        groups = keys.reshape(parts, -1)
        if replays(scenario):
            chosen = sides(scenario, parts)
            whole = next(chosen)
            history = joined([simulate_many(group, whole, heights) for group in groups])
            found = [
                statistic(simulate_many(group, piece, heights), key)
                for group, piece, key in zip(groups, chosen, own[:-1], strict=True)
            ]
        else:
            history = simulate_many(keys, scenario, heights)
            places = np.split(np.arange(self.seeds), parts)
            found = [
                statistic(jax.tree.map(lambda leaf, place=place: np.asarray(leaf)[place], history), key)
                for place, key in zip(places, own[:-1], strict=True)
            ]
        every = statistic(history, own[-1])
        return (
            {name: np.asarray(value, np.float64) for name, value in every.items()},
            {name: np.array([one[name] for one in found], np.float64) for name in every},
        )

    def parts_of(self, scenario: Scenario) -> int:
        """Parts G of a measurement: fewer where a part of the bank would have too few curves a node.

        Raises:
          ValueError: the bank is too small for as many nodes.
        """
        parts = self.parts
        while replays(scenario) and parts > LEAST_PARTS and not self.enough(scenario.nodes.count, parts):
            parts //= 2
        return parts

    def enough(self, nodes: int, parts: int = 4) -> bool:
        """Whether the bank has curves enough for so many nodes."""
        return self.bank.num_curves // parts >= bank_error.LEAST * nodes

    def rows(
        self,
        scenario: Scenario,
        statistic: Statistic,
        purpose: int,
        *,
        laws: Mapping[str, float] | None = None,
        units: Mapping[str, str] | None = None,
        blocks: int | None = None,
        most: Mapping[str, float] | None = None,
        of: Mapping[str, Any],
    ) -> list[Row]:
        """`measure`, as rows; `of` says what the numbers are of, `laws` and `units` by the statistic's name."""
        found = self.measure(scenario, statistic, purpose, blocks=blocks, most=most)
        return [
            row(
                name,
                value,
                self.seeds,
                blocks or self.blocks,
                (laws or {}).get(name),
                (units or {}).get(name, ""),
                **of,
            )
            for name, value in found.items()
        ]


def replays(scenario: Scenario) -> bool:
    """Whether a scenario resamples a bank, whose error then counts."""
    return any(map(_is_bank, jax.tree.leaves(scenario, is_leaf=_is_bank)))


def sides(scenario: Scenario, parts: int) -> Iterator[Scenario]:
    """The scenario with its whole banks, and then with each of their parts.

    Parts are repeated to the size of the whole, which changes no law, so that all are of one compiled program: that
    takes longer to compile than to run.
    """
    leaves, tree = jax.tree.flatten(scenario, is_leaf=_is_bank)
    yield jax.tree.unflatten(tree, [join(leaf.split(parts)) if _is_bank(leaf) else leaf for leaf in leaves])
    for piece in bank_error.pieces(scenario, parts):
        leaves = jax.tree.leaves(piece, is_leaf=_is_bank)
        yield jax.tree.unflatten(tree, [join([leaf] * parts) if _is_bank(leaf) else leaf for leaf in leaves])


def joined(histories: Sequence[History]) -> History:
    """Chains of several histories in one."""
    found: History = jax.tree.map(lambda *leaves: np.concatenate(leaves), *histories)
    return found


def _is_bank(leaf: Any) -> bool:
    return isinstance(leaf, Bank)


def row(
    statistic: str, value: Estimate, seeds: int, blocks: int, law: float | None = None, unit: str = "", **of: Any
) -> Row:
    """One number as a row."""
    ends = {"value": float(value.value), "low": float(value.low), "high": float(value.high)}
    return {"statistic": statistic, **of, **ends, "unit": unit, "seeds": seeds, "blocks": blocks, "law": law}


def equal_nodes(count: int = NODES) -> Nodes:
    """So many nodes that each make one unit of work a second."""
    return nodes.equal(count, total=float(count))


def scenario(mechanism: Any, count: int = NODES, delay: float = DELAY, **rules: Any) -> Scenario:
    """Equal nodes, `delay` seconds from each other."""
    return Scenario(
        equal_nodes(count), network.clique(count, delay), mechanism, **{"difficulty": difficulty.fixed(), **rules}
    )


def intervals(history: History, key: Key | None = None) -> dict[str, float]:
    """Mean and CV of the interval, the stale rate, and rounds that nobody finished; nothing is drawn."""
    settled = np.asarray(history.settled)
    interval = np.asarray(history.interval, np.float64)[settled]
    published = np.asarray(history.published)[settled].sum()
    blocks = settled.sum()
    mean = interval.mean()
    return {
        "interval mean": float(mean),
        "interval CV": float(interval.std() / mean),
        "stale per canonical": float((published - blocks) / blocks),
        "rounds nobody finished": float(np.asarray(history.fallback)[settled].mean()),
    }


UNITS = {
    "interval mean": "s",
    "interval CV": "ratio",
    "stale per canonical": "ratio",
    "rounds nobody finished": "share",
}
"""Of what `intervals` measures."""
MOST = {"rounds nobody finished": 1.0}
"""Largest values of what `intervals` measures, where there are such."""


def select(rows: list[Row], **wanted: Any) -> list[Row]:
    """The rows whose entries are those wanted."""
    return [one for one in rows if all(one.get(name) == value for name, value in wanted.items())]


def as_estimate(one: Row) -> Estimate:
    """The number of a row."""
    return Estimate(*(np.float64(one[end]) for end in ("value", "low", "high")))


def derived(function: Callable[..., float], *rows: Row) -> Estimate:
    """A function of rows' values, with an interval by the delta method, as if the rows' errors were independent."""
    values = [one["value"] for one in rows]
    half = [(one["high"] - one["low"]) / 2 for one in rows]
    change = []
    for place, error in enumerate(half):
        step = max(error, 1e-9)
        up, down = (function(*(v + sign * step * (i == place) for i, v in enumerate(values))) for sign in (0.5, -0.5))
        change.append((up - down) / step * error)
    value, spread = function(*values), float(np.sqrt(np.square(change).sum()))
    return Estimate(*(np.float64(end) for end in (value, value - spread, value + spread)))
