"""The cases of `polejax validate` from other simulators and from measured networks, as published.

Of simulators whose runs are given to the last parameter the same scenario is simulated, and the difference is held
against the errors of both runs. Where a published run leaves something out that matters, or is of a model that is known
to differ, the case says within what tolerance the two are compared.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from polejax import network, theory
from polejax._core.types import Array
from polejax.attacks import selfish
from polejax.consensus import nodes
from polejax.consensus.scenario import Scenario
from polejax.jobs import measures, validation_pools
from polejax.jobs.measures import Case, Measured
from polejax.mechanisms.pow import PoW
from polejax.network import Network


def _count_error(share: float, blocks: int) -> float:
    """Standard error of a share that was counted among so many blocks, as if they were independent."""
    return math.sqrt(share * (1.0 - share) / blocks)


def _scenario(shares: Sequence[float] | np.ndarray, connected: Network, interval: float) -> Scenario:
    return Scenario(nodes.from_shares(shares), connected, PoW(interval))


def simulators(scale: int) -> list[Case]:
    """Runs of other simulators that can be repeated here."""
    return [*_cpr(scale), *_andresen(scale), *_darosior(scale), *validation_pools.selfish_pools(scale)]


# github.com/pkel/cpr, data/honest_net.tsv at 7e224b1: "10 nodes, compute 1..10, simple dissemination, uniform
# propagation delay 0.5 .. 1.5", Nakamoto consensus, 1,000,000 activations; blocks on the main chain by node.
_CPR = {
    30.0: (17407, 35320, 52892, 70276, 88203, 105884, 123574, 141655, 159332, 177308),
    60.0: (17748, 35965, 53795, 71431, 89529, 107449, 125329, 143502, 161398, 179460),
    120.0: (17903, 36242, 54267, 72020, 90172, 108268, 126251, 144461, 162498, 180632),
}
# data/withholding.tsv at 0691eec: two agents, alpha 0.4, no delay, "Eyal and Sirer 2014"; the one defender never mines
# on the attacker's block (gamma 0). Blocks of both after 10,000 activations; the error is what our own chains of that
# length scatter by.
_CPR_SELFISH, _CPR_SELFISH_ERROR = 3450 / 7034, 0.0093


def _cpr(scale: int) -> list[Case]:
    source = "pkel/cpr, honest_net.tsv 7e224b1"
    delays = network.random_delays(network.instant(10), network.uniform_delay(0.5, 1.5))
    found = []
    for interval, blocks in _CPR.items():
        run = measures.chains(_scenario(np.arange(1, 11), delays, interval), seeds=512 * scale, blocks=500)
        stale = 1.0 - sum(blocks) / 1_000_000
        error = _count_error(stale, 1_000_000)
        found.append(
            Case(f"CPR: stale blocks, 10 nodes, {interval:g} s", source, stale, run(measures.stale_per_block), error)
        )
    share = _CPR[30.0][-1] / sum(_CPR[30.0])
    run = measures.chains(_scenario(np.arange(1, 11), delays, 30.0), seeds=512 * scale, blocks=500)
    largest = run(functools.partial(measures.win_share, 9))
    found.append(Case("CPR: largest node's share, 30 s", source, share, largest, _count_error(share, sum(_CPR[30.0]))))

    def revenue(key: Array) -> Measured:
        earned = selfish.mine_many(jax.random.split(key, 64 * scale), 0.4, 0.0, 50_000)
        return measures.ratio(earned.pool, earned.pool + earned.honest)

    source = "pkel/cpr, withholding.tsv 0691eec"
    return [*found, Case("CPR: selfish mining, alpha 0.4", source, _CPR_SELFISH, revenue, _CPR_SELFISH_ERROR)]


# github.com/gavinandresen/bitcoin_miningsim, README at 8794c3c: `--latency 20 --config mining_30.cfg --runs 100`, 2,016
# blocks a run. A block leaves its finder after 20 s and takes 10 ms a hop; miner 0, with 30%, is linked to 1, 2 and 3,
# and the seven others, of 10%, to each other. Its jitter of 10 microseconds is left out.
def _andresen(scale: int) -> list[Case]:
    hops = np.ones((8, 8)) - np.eye(8)
    hops[0, 4:] = hops[4:, 0] = 2.0
    delay = 20.0 * (hops > 0) + 0.01 * hops
    run = measures.chains(_scenario([30] + [10] * 7, network.from_matrix(delay), 600.0), 512 * scale, 500)
    source, blocks = "gavinandresen/bitcoin_miningsim, README 8794c3c", 201_600
    return [
        Case(
            "miningsim: orphans, 8 miners, 20 s",
            source,
            0.02715,
            run(measures.stale_per_block),
            _count_error(0.02715, blocks),
        ),
        Case(
            "miningsim: share of the 30% miner",
            source,
            0.3025,
            run(functools.partial(measures.win_share, 0)),
            _count_error(0.3025, blocks),
        ),
    ]


# github.com/darosior/miningsimulation, README at dcc0c66: one year, miners of 10, 20, 20, 20 and 30%, 10 s from anyone
# to everyone else: (share of the main chain, stale / main) of each, percent. A year has 52,560 blocks.
_DAROSIOR = ((9.45217, 2.07065), (20.1055, 1.06891), (20.2418, 1.33662), (20.1727, 1.25559), (30.0297, 1.05431))


def _darosior(scale: int) -> list[Case]:
    power = [10, 20, 20, 20, 30]
    run = measures.chains(_scenario(power, network.clique(5, 10.0), 600.0), seeds=512 * scale, blocks=500)
    per_main = sum(share * stale for share, stale in _DAROSIOR) / 1e4
    stale = per_main / (1.0 + per_main)
    return [
        Case(
            "miningsimulation: stale blocks, 5 miners, 10 s",
            "darosior/miningsimulation, README dcc0c66",
            stale,
            run(measures.stale_per_block),
            _count_error(stale, 52_560),
        )
    ]


def networks(scale: int) -> list[Case]:
    """Measured networks, and simulators whose model is another or not told in full."""
    return [*_bitcoin_2012(scale), *_bitcoin_simulator(scale), *_simblock()]


def _bitcoin_2012(scale: int) -> list[Case]:
    """Decker and Wattenhofer measured how Bitcoin's blocks spread, and how many forked, in one period.

    To first order forks depend on the mean time until a miner hears alone, so that an exponential law stands for the
    measured one. The tolerance is for the second order, 0.0003, and for 128 miners, not many, 0.00014.
    """
    source, uninformed, interval = "Decker, Wattenhofer 2013, s. 4", 11.37, 633.68
    spreading = network.random_delays(network.instant(128), network.exponential_delay(uninformed))
    run = measures.chains(_scenario(np.ones(128), spreading, interval), seeds=128 * scale, blocks=1_000)
    law = theory.propagation_fork_probability(uninformed, interval)
    forked = run(measures.forked_share)
    return [
        Case("Bitcoin 2012: forks, from blocks' spreading", source, law, forked, tolerance=0.0006),
        Case("Bitcoin 2012: forks, as counted", source, 0.0169, forked, _count_error(0.0169, 10_000)),
    ]


# github.com/arthurgervais/Bitcoin-Simulator, results.html at 3caab70 (Gervais et al. 2016): stale blocks, and the time
# in which a tenth of all nodes has a block, under unsolicited pushing. The miners' own delays, which decide forks, are
# not told; miners are linked best, so that the time of the fastest tenth stands for them (ours), and the tolerance is
# two fifths of the value. Shares of the miners: scratch/bitcoin-test.cc.
_POOLS = (
    0.289,
    0.196,
    0.159,
    0.133,
    0.066,
    0.054,
    0.029,
    0.016,
    0.012,
    0.012,
    0.012,
    0.009,
    0.005,
    0.005,
    0.002,
    0.002,
)


def _bitcoin_simulator(scale: int) -> list[Case]:
    found = []
    for interval, tenth, stale in ((1.0, 0.25, 0.1244), (0.5, 0.24, 0.2062)):
        run = measures.chains(_scenario(_POOLS, network.clique(16, tenth), interval), seeds=64 * scale, blocks=500)
        name = f"Bitcoin-Simulator: stale blocks, {interval:g} s"
        source = "Gervais et al. 2016, results.html 3caab70"
        found.append(Case(name, source, stale, run(measures.stale_per_block), tolerance=0.4 * stale))
    return found


# What Nagayama, Banno and Shudo 2020 (arXiv 1912.05208) say in the abstract of SimBlock's 50% delay. There nodes gossip
# over 8 links each and send to one neighbour at a time; here everyone is one hop away (`network.internet`).
def _simblock() -> list[Case]:
    def fall(year: int, num_bytes: float, key: Array) -> Measured:
        before, after = (_median_delay(*net) for net in ((2015, network.BITCOIN_BLOCK), (year, num_bytes)))
        return 1.0 - after / before, 0.0

    source = "Nagayama, Banno, Shudo 2020, abstract"
    years = functools.partial(fall, 2019, network.BITCOIN_BLOCK)
    compact = functools.partial(fall, 2015, network.COMPACT_BLOCK)
    return [
        Case("SimBlock: median delay, fall 2015 to 2019", source, 0.645, years, tolerance=0.25),
        Case("SimBlock: median delay, fall by compact blocks", source, 0.901, compact, tolerance=0.3),
    ]


def _median_delay(year: int, num_bytes: float) -> float:
    """Median of the seconds from a node to another, of 300 on the internet of a year; a hop takes three messages."""
    connected = jax.tree.map(jnp.asarray, network.internet(300, year, num_bytes=num_bytes, messages=3))
    return float(np.median(jax.vmap(connected.delays_from)(jnp.arange(300))))
