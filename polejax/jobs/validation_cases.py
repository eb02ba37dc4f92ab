"""The cases of `polejax validate`: closed forms, each with the simulation that should obey it.

To add one, append a `Case` to a group: its name, where the expected value is from, that value, and a function from a
typed key to (estimate, standard error), most easily one of `polejax.jobs.measures`. A group's `scale` multiplies its
seeds.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from polejax import network, theory
from polejax._core.types import Array
from polejax.attacks import adversary, double_spend, selfish
from polejax.consensus import difficulty, nodes
from polejax.consensus.elections import BestAtDeadline, BestInWindow
from polejax.consensus.scenario import Scenario
from polejax.consensus.views import Views
from polejax.crypto import header, sha256
from polejax.jobs import measures, validation_published, validation_replay, validation_users
from polejax.jobs.measures import Case, Measured
from polejax.mechanisms import parametric
from polejax.mechanisms.pow import PoW
from polejax.mechanisms.task_stream import TaskStream


def intervals(scale: int) -> list[Case]:
    """Intervals and winners of Proof of Work, with and without a difficulty rule."""
    memoryless = measures.chains(measures.undelayed(PoW(600.0)), seeds=512 * scale, blocks=1_000)
    controlled = measures.undelayed(PoW(30.0), difficulty=difficulty.window(10, 30.0, clamp=math.inf))
    retarget = measures.chains(controlled, seeds=1_024 * scale, blocks=520, skip=20)
    power, lomax = np.array(measures.SHARES) / 100, "ours (Lomax law)"
    ethereum = measures.undelayed(PoW(10 / math.log(2)), difficulty=difficulty.homestead())
    asert = measures.undelayed(PoW(600.0), difficulty=difficulty.asert(600.0, 7_200.0))
    ema = measures.chains(measures.undelayed(PoW(600.0), difficulty=difficulty.ema(600.0, 10.0)), 512 * scale, 600, 100)
    average = theory.ema_interval(600.0, 10.0)
    crowd, delay = nodes.equal(1_024), 3.0
    forked = theory.byzantium_interval(delay)  # the rule takes thousands of blocks from elsewhere to there
    byzantium = Scenario(crowd, network.clique(1_024, delay), PoW(forked - delay), difficulty=difficulty.byzantium())
    rule = theory.ethereum_interval() * (1 - 0.75 / 2048)  # of the fluctuating difficulty, see `ethereum_interval`
    return [
        Case("PoW interval, mean (s)", "Nakamoto 2008, s. 11", 600.0, memoryless(measures.interval_mean)),
        Case("PoW interval, CV", "Nakamoto 2008, s. 11", 1.0, memoryless(measures.interval_cv)),
        Case(
            "PoW win share of 30% power", "power share", power[0], memoryless(functools.partial(measures.win_share, 0))
        ),
        Case(
            "PoW win share of 1% power", "power share", power[8], memoryless(functools.partial(measures.win_share, 8))
        ),
        Case("retarget W=10, mean (s)", lomax, theory.retarget_mean(10, 30.0), retarget(measures.interval_mean)),
        Case("retarget W=10, CV", lomax, theory.retarget_cv(10), retarget(measures.interval_cv)),
        Case(
            "retarget W=10, P(interval > 90 s)",
            lomax,
            float(theory.retarget_survival(90.0, 10, 30.0)),
            retarget(functools.partial(measures.longer_than, 90.0)),
        ),
        Case(
            "Ethereum Homestead, mean (s)",
            "ours from EIP-2",
            rule,
            measures.chains(ethereum, 256 * scale, 2_000, skip=500)(measures.interval_mean),
        ),
        Case("EMA over 10 blocks, mean (s)", "ours (moving average)", average.mean, ema(measures.interval_mean)),
        Case("EMA over 10 blocks, CV", "ours (moving average)", average.cv, ema(measures.interval_cv)),
        Case(
            "Ethereum Byzantium with uncles, 3 s, mean (s)",
            "ours from EIP-100",
            forked * (1 - 0.75 / 2048),
            measures.chains(byzantium, 32 * scale, 2_000, skip=500)(measures.interval_mean),
            tolerance=0.01,
        ),
        Case(
            "Bitcoin Cash ASERT, mean (s)",
            "aserti3-2d",
            600.0,
            measures.chains(asert, 256 * scale, 1_000, skip=200)(measures.interval_mean),
        ),
    ]


def _near_tie(key: Array, shape: float, delay: float, races: int) -> Measured:
    """Share of Weibull races whose second finishes within `delay` seconds of the first."""
    racing, mechanism = jax.tree.map(
        jnp.asarray, (nodes.from_shares(measures.SHARES), parametric.weibull(600.0, shape))
    )
    zeros = jnp.zeros(len(measures.SHARES))
    views = Views(jnp.int32(1), zeros, zeros, None, zeros + 600.0, None, jnp.bool_(False))

    def gap(key: Array) -> Array:
        finish = jnp.sort(racing.seconds(mechanism.race(key, views, racing).work))
        return finish[1] - finish[0]

    return measures.share(np.asarray(jax.jit(jax.vmap(gap))(jax.random.split(key, races))) < delay)


def races(scale: int) -> list[Case]:
    """Races of parametric works."""
    sizes = (256 * scale, 1_000)
    power, weibull, quadrature = np.array(measures.SHARES) / 100, "moments of a Weibull", "quadrature of E[X^j]"
    steady = measures.chains(measures.undelayed(parametric.weibull(600.0, 4.0)), *sizes)
    gamma = measures.chains(measures.undelayed(parametric.gamma(600.0, 5.0)), *sizes)
    lognormal = measures.chains(measures.undelayed(parametric.lognormal(600.0, 0.5)), *sizes)
    of_gamma = theory.race_moments(lambda work: theory.gamma_survival(work, 5.0, 600.0), power)
    of_lognormal = theory.race_moments(lambda work: theory.lognormal_survival(work, 0.5, 600.0), power)
    win = theory.weibull_win_share(power, 4.0)
    mean, cv = theory.weibull_interval_mean(power, 4.0, 600.0), theory.weibull_interval_cv(4.0)
    tasks = [parametric.weibull(scale, 4.0) for scale in (300.0, 600.0, 1_800.0)]  # so many posted that some wait
    spread = measures.chains(
        measures.undelayed(TaskStream(tasks, [0.1, 0.05, 0.05], [1.0] * 3, PoW(600.0))), *sizes, skip=20
    )
    task_cv = math.sqrt(np.dot([0.5, 0.25, 0.25], [0.25, 1.0, 9.0]) / (0.5 * 0.5 + 0.25 + 0.75) ** 2 - 1)
    tie = theory.tie_probability(20.0, mean, 4.0, win)
    return [
        Case("Weibull(4) race, mean (s)", weibull, mean, steady(measures.interval_mean)),
        Case("Weibull(4) race, CV", weibull, cv, steady(measures.interval_cv)),
        Case(
            "Weibull(4) win share of 30%",
            "proportional hazards",
            float(win[0]),
            steady(functools.partial(measures.win_share, 0)),
        ),
        Case(
            "Weibull(4) near ties, 20 s",
            "ours (fork_theory)",
            tie,
            lambda key: _near_tie(key, 4.0, 20.0, 262_144 * scale),
        ),
        Case("gamma(5) race, mean (s)", quadrature, of_gamma.mean, gamma(measures.interval_mean)),
        Case("gamma(5) race, CV", quadrature, of_gamma.cv, gamma(measures.interval_cv)),
        Case("log-normal(0.5) race, mean (s)", quadrature, of_lognormal.mean, lognormal(measures.interval_mean)),
        Case("log-normal(0.5) race, CV", quadrature, of_lognormal.cv, lognormal(measures.interval_cv)),
        Case(
            "task spread, CV",
            "ours (independent factors)",
            theory.task_spread_cv(cv, task_cv),
            spread(measures.interval_cv),
        ),
    ]


def rules(scale: int) -> list[Case]:
    """Winner rules and the queue of tasks, by Proof of Work without delay."""
    sizes, power, ours = (256 * scale, 1_000), np.array(measures.SHARES) / 100, "ours (memoryless work)"
    window = measures.chains(measures.undelayed(PoW(600.0), election=BestInWindow(300.0)), *sizes)
    deadline = measures.chains(measures.undelayed(PoW(600.0), election=BestAtDeadline(400.0)), *sizes)
    posted = TaskStream([PoW(600.0)], [0.7 / 600.0], [1.0], PoW(600.0), capacity=64)
    line = measures.chains(measures.undelayed(posted), 256 * scale, 2_000, skip=400)
    rivals = ((1 - power) * -np.expm1(-300.0 * power / 600.0)).sum()
    in_time = -np.expm1(-400.0 * power / 600.0).sum() + math.exp(-400.0 / 600.0)
    return [
        Case("best in 300 s, mean (s)", ours, 900.0, window(measures.interval_mean)),
        Case("best in 300 s, stale blocks", ours, rivals / (1 + rivals), window(measures.stale_per_block)),
        Case(
            "best at 400 s, mean (s)", ours, 400.0 + 600.0 * math.exp(-400.0 / 600.0), deadline(measures.interval_mean)
        ),
        Case("best at 400 s, stale blocks", ours, 1 - 1 / in_time, deadline(measures.stale_per_block)),
        Case("tasks waiting at load 0.7", "M/M/1 queue", theory.tasks_waiting(0.7), line(measures.tasks_waiting)),
    ]


def forks(scale: int) -> list[Case]:
    """Forks of Proof of Work on a clique."""

    def clique(racing: nodes.Nodes, seconds: float) -> Scenario:
        return Scenario(racing, network.clique(racing.count, seconds), PoW(600.0))

    pair, crowd, alike = nodes.from_shares([70, 30]), nodes.equal(512), np.ones(512)
    many = measures.chains(clique(crowd, 60.0), seeds=64 * scale, blocks=1_000)
    sompolinsky, pass_ = "Sompolinsky, Zohar 2015", "Pass, Seeman, Shelat 2017"
    return [
        Case(
            f"stale blocks, two nodes, {d:g} s",
            sompolinsky,
            theory.two_node_stale_per_block(d, 600.0, 0.7),
            measures.chains(clique(pair, d), seeds=512 * scale, blocks=1_000)(measures.stale_per_block),
        )
        for d in (30.0, 600.0)
    ] + [
        Case(
            "stale blocks, 512 equal miners, 60 s",
            pass_,
            theory.clique_stale_per_block(60.0, 600.0, alike),
            many(measures.stale_per_block),
        ),
        Case(
            "forked heights, 512 equal miners, 60 s",
            pass_,
            theory.clique_fork_probability(60.0, 600.0, alike),
            many(measures.forked_share),
        ),
    ]


def _selfish_share(key: Array, share: float, tie_share: float, seeds: int) -> Measured:
    revenue = selfish.mine_many(jax.random.split(key, seeds), share, tie_share, 50_000)
    return measures.ratio(revenue.pool, revenue.pool + revenue.honest)


def _double_spend_walk(key: Array, confirmations: int, walks: int) -> Measured:
    chance = double_spend.walks(jax.random.split(key, walks), 0.1, confirmations)
    return measures.share(np.arange(walks) < round(float(chance.value) * walks))


def _double_spend_race(key: Array, confirmations: int, races: int) -> Measured:
    honest, attacker = nodes.equal(9, 0.9), nodes.equal(1, 0.1)
    public = Scenario(honest, network.instant(9), PoW(600.0))
    chance = double_spend.race(jax.random.split(key, races), public, attacker, confirmations, horizon=60)
    return measures.share(np.arange(races) < round(float(chance.value) * races))


def attacks(scale: int) -> list[Case]:
    """Attacks on the chain."""
    eyal, rosenfeld = "Eyal, Sirer 2014, eq. 8", "Rosenfeld 2014"
    leaking, head_start = nodes.from_shares([60, 40]), 400.0
    deviant = adversary.leak(leaking, head_start, [1])
    leaked = Scenario(leaking, network.instant(2), PoW(600.0), adversary=deviant)
    friend = measures.chains(leaked, 256 * scale, 1_000)(functools.partial(measures.win_share, 1))
    found = [
        Case(
            f"selfish mining, alpha {a:.4g}, gamma {g:g}",
            eyal,
            theory.selfish_revenue(a, g),
            functools.partial(_selfish_share, share=a, tie_share=g, seeds=256 * scale),
        )
        for a, g in ((1 / 3, 0.0), (0.4, 0.5), (0.25, 1.0))
    ]
    for z in (1, 2, 6):
        walk = functools.partial(_double_spend_walk, confirmations=z, walks=2**18 * scale)
        found.append(Case(f"double spend by walk, q 0.1, z {z}", rosenfeld, theory.double_spend(0.1, z), walk))
    for z in (1, 2):
        race = functools.partial(_double_spend_race, confirmations=z, races=16_384 * scale)
        found.append(Case(f"double spend by race, q 0.1, z {z}", rosenfeld, theory.double_spend(0.1, z), race))
    ahead = 1 - 0.6 * math.exp(-0.4 * head_start / 600.0)
    return [*found, Case("win share of a task's 400 s leak", "ours (exponential work)", ahead, friend)]


_FIPS = {
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
}
_GENESIS = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
_GENESIS_ROOT = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"


def _vectors(key: Array) -> Measured:
    return float(sum(sha256.digest_bytes(message).hex() == digest for message, digest in _FIPS.items())), 0.0


def _first_block(key: Array) -> Measured:
    root = np.frombuffer(bytes.fromhex(_GENESIS_ROOT)[::-1], dtype=">u4").astype(np.uint32)
    words = header.pow_words(1, np.zeros(8, np.uint32), root, 1231006505, 0x1D00FFFF, 2083236893)
    digest = sha256.reverse_bytes(header.double_digest(words))
    return float(sha256.to_hex(digest) == _GENESIS), 0.0


def hashes(scale: int) -> list[Case]:
    """Published digests, which must agree exactly."""
    return [
        Case("SHA-256 vectors that agree", "FIPS 180-4", float(len(_FIPS)), _vectors),
        Case("Bitcoin's first header hashes to 0...19d668", "Nakamoto 2008, block 0", 1.0, _first_block),
    ]


GROUPS: tuple[Callable[[int], list[Case]], ...] = (
    intervals,
    races,
    rules,
    forks,
    attacks,
    validation_users.users,
    validation_replay.replays,
    validation_published.simulators,
    validation_published.networks,
    hashes,
)
"""All groups of cases, in the order of the table."""
