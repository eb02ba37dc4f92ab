"""The presets of `polejax.jobs.relatives`: each tuned to one mean canonical interval, where its rule allows that."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from polejax import network
from polejax.consensus.nodes import Nodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms import protocols
from polejax.mechanisms.bank import Bank
from polejax.network.base import Network

Build = Callable[[Bank], Scenario]
Measure = Callable[[Build], float]
"""From how a scenario is built to its mean canonical interval, s."""

_ENCODING = 0.1  # of SEDULity's power, ours: what the source says of it could not be read
_CLOCK = (
    "the clock makes blocks: a private chain keeps pace whatever its power; branches are not chosen by length alone"
)


class Preset(NamedTuple):
    """A preset as it is compared.

    Attributes:
      name: of the protocol.
      source: who published it.
      build: from a bank of curves to the scenario.
      learns: whether the bank matters: its blocks carry models.
      unraced: why no private chain races it; empty: one does.
      miners: of the protocol, whose fairness counts.
      trains: share of the work, hashing of a `HashTrainingHash` apart, that is training.
    """

    name: str
    source: str
    build: Build
    learns: bool
    unraced: str
    miners: Nodes
    trains: float = 1.0


class Setting(NamedTuple):
    """What all presets share.

    Attributes:
      nodes: miners of unequal power, training steps a second.
      delay: s, from any node to any other.
      threshold: validation accuracy that PoLe asks for; it sets the mean interval of all.
      bank: `Bank` of curves.
    """

    nodes: Nodes
    delay: float
    threshold: float
    bank: Bank

    def connected(self, count: int) -> Network:
        """So many nodes, all `delay` apart."""
        return network.clique(count, self.delay)


NAMES = ("PoLe", "PoW", "SEDULity", "Coin.AI", "D-PoDL", "PoFL", "PoDL", "WekaCoin", "DLBC")


def tuned(setting: Setting, measure: Measure, chosen: Sequence[str] = NAMES) -> list[Preset]:
    """The chosen presets and PoLe, which is first: its mean interval is what the others are tuned to."""
    nodes, net = setting.nodes, setting.connected(setting.nodes.count)

    def pole(bank: Bank) -> Scenario:
        return protocols.pole(nodes, net, bank, setting.threshold)

    target = measure(pole)
    found = [Preset("PoLe", "Lan, Liu, Li 2020", pole, True, "", nodes)]
    makers = {**_hashed(setting), **_to_a_threshold(setting, target), **_by_the_clock(setting, target)}
    return found + [makers[name](measure, target) for name in NAMES[1:] if name in chosen]


def tune(make: Callable[[float], Build], measure: Measure, target: float, low: float, high: float) -> Build:
    """The scenario whose interval is the target, by false position; at an end, where the rule cannot reach it.

    The interval must rise with the number that `make` takes; it is met within 1%, or as closely as nine tries come.
    """
    ends = [(low, measure(make(low)) - target), (high, measure(make(high)) - target)]
    if ends[0][1] >= 0.0 or ends[1][1] <= 0.0:
        return make(low if ends[0][1] >= 0.0 else high)
    weight = [1.0, 1.0]
    best = min(ends, key=lambda end: abs(end[1]))
    for _ in range(7):
        (a, below), (b, above) = ends
        below, above = below * weight[0], above * weight[1]
        middle = (a * above - b * below) / (above - below)
        miss = measure(make(middle)) - target
        best = min(best, (middle, miss), key=lambda end: abs(end[1]))
        if abs(miss) < 0.01 * target:
            break
        side = 0 if miss < 0.0 else 1
        ends[side] = (middle, miss)
        weight[side], weight[1 - side] = 1.0, weight[1 - side] / 2  # Illinois: or one end never moves
    return make(best[0])


Maker = Callable[[Measure, float], Preset]
"""From how to measure, and the interval asked for, to the preset tuned to it."""


def _hashed(setting: Setting) -> dict[str, Maker]:
    """Memoryless work."""
    nodes, net = setting.nodes, setting.connected(setting.nodes.count)
    total = float(np.sum(nodes.power, dtype=np.float64))

    def proof_of_work(work: float) -> Build:
        return lambda bank: protocols.pow(nodes, net, work)

    def sedulity(work: float) -> Build:
        return lambda bank: protocols.sedulity(nodes, net, work, check=setting.delay, overhead=_ENCODING)

    def made(
        measure: Measure, target: float, name: str, source: str, make: Callable[[float], Build], trains: float
    ) -> Preset:
        build = tune(make, measure, target, 0.5 * target * total, 1.1 * target * total)
        return Preset(name, source, build, False, "", nodes, trains)

    return {
        # Hashes train nothing, by definition.
        "PoW": functools.partial(made, name="PoW", source="Nakamoto 2008", make=proof_of_work, trains=0.0),
        "SEDULity": functools.partial(
            made, name="SEDULity", source="Cao et al. 2025", make=sedulity, trains=1.0 - _ENCODING
        ),
    }


def _to_a_threshold(setting: Setting, target: float) -> dict[str, Maker]:
    """Presets in which the first model at a threshold makes the block."""
    nodes, net, threshold = setting.nodes, setting.connected(setting.nodes.count), setting.threshold
    count = max(2, nodes.count // 4)
    talk = 0.25 * setting.bank.evaluate_every * count / float(np.sum(nodes.power, dtype=np.float64))

    def coin_ai(bank: Bank) -> Scenario:  # of factors of mean 1: as long as PoLe's on average
        return protocols.coin_ai(nodes, net, bank, threshold, spread=0.5)

    def d_podl(before: float) -> Build:
        return lambda bank: protocols.d_podl(nodes, net, bank, threshold - 0.02, before=before, after=2.0)

    def pofl(asked: float) -> Build:
        return lambda bank: protocols.pofl(nodes, setting.connected(count), bank, asked, communication=talk)

    def make_d_podl(measure: Measure, target: float) -> Preset:
        build = tune(d_podl, measure, target, 0.0, 4.0 * target * float(np.max(nodes.power)))
        return Preset("D-PoDL", "Su et al.", build, True, "", nodes)

    def make_pofl(measure: Measure, target: float) -> Preset:
        build = tune(pofl, measure, target, threshold, max(threshold, highest(setting.bank)))
        pools = build(setting.bank).nodes
        assert isinstance(pools, Nodes)
        return Preset("PoFL", "Qu et al. 2019", build, True, "", pools)

    return {
        "Coin.AI": lambda measure, target: Preset("Coin.AI", "Baldominos, Saez 2019", coin_ai, True, "", nodes),
        "D-PoDL": make_d_podl,
        "PoFL": make_pofl,
    }


def highest(bank: Bank) -> float:
    """The highest threshold, in steps of 0.005, that all but 0.2% of the curves reach: a lone node needs them."""
    return max(float(level) for level in np.arange(0.0, 1.0, 0.005) if bank.share_reaching(level) >= 0.998)


def _by_the_clock(setting: Setting, target: float) -> dict[str, Maker]:
    """Presets in which the best model after a phase makes the block."""
    nodes, net = setting.nodes, setting.connected(setting.nodes.count)
    window, appear = max(3.0 * setting.delay, 0.05 * target), 0.2 * target
    longest = 0.999 * setting.bank.num_steps / float(np.max(nodes.power))

    def podl(training: float) -> Build:
        return lambda bank: protocols.podl(nodes, net, bank, training, window)

    def wekacoin(training: float) -> Build:
        return lambda bank: protocols.wekacoin(nodes, net, bank, training, appear, window, appear_cv=0.5)

    def dlbc(training: float) -> Build:
        phases, rates = [training, 2.0 * training], [0.4 / target] * 2
        return lambda bank: protocols.dlbc(nodes, net, [bank, bank], phases, window, rates, ranks=[1.0, 2.0])

    def made(
        measure: Measure, target: float, name: str, source: str, make: Callable[[float], Build], most: float
    ) -> Preset:
        high = min(1.1 * target, most)
        build = tune(make, measure, target, min(0.2 * target, high), high)
        return Preset(name, source, build, True, _CLOCK, nodes)

    makers = (
        ("PoDL", "Chenli et al. 2019", podl, longest),
        ("WekaCoin", "Bravo-Marquez et al. 2019", wekacoin, longest),
        ("DLBC", "Li et al. 2019", dlbc, longest / 2),
    )
    return {
        name: functools.partial(made, name=name, source=source, make=make, most=most)
        for name, source, make, most in makers
    }
