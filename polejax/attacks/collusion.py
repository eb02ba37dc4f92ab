"""Collusion: what a data node that serves its friend early is worth to it, and what stops that.

The friend trains behind its right layer, so its model is an honest one: no layer tells it apart, only the protocol's
order of events can help. `polejax.attacks.EarlyKey` plays it in any scenario; here it is measured among equal nodes.
"""

import jax
import numpy as np

from polejax import network
from polejax._core import checks
from polejax._core.checked import checked
from polejax._core.keys import key_of
from polejax._core.record import replace
from polejax._core.sweep import single
from polejax._core.switches import steady
from polejax._core.types import Key
from polejax._engine.runner import simulate_many
from polejax.analysis import estimate
from polejax.analysis.estimate import Estimate
from polejax.attacks import detection, paired_scores
from polejax.attacks.adversary import EarlyKey
from polejax.attacks.cheating import honest_bank
from polejax.attacks.head_start import Run
from polejax.attacks.theft import Attempt
from polejax.consensus import nodes
from polejax.consensus.scenario import Scenario
from polejax.mechanisms.pole import PoLe
from polejax.mechanisms.replay import Replay

__all__ = [
    "advantage",
    "early_key",
    "measure",
]

NODES = 10
SEEDS, BLOCKS = 32, 256  # of every simulation: 8,192 blocks put a share of a tenth within 0.65 points (95%)


@checked
@single("mechanism")
@steady
def early_key(mechanism: PoLe, run: Run, lead: int | None = None) -> Attempt:
    """The attempt of a friend that began `lead` evaluation periods before the others, as far as a run of its own goes.

    Who could claim before the tip waits with its first claim, and trains on should verifiers turn that down.

    Args:
      mechanism: the `PoLe` that was run.
      run: honest `Run` of the friends.
      lead: evaluations; None: as many as it takes, so that it opens with a claim wherever the run makes one.
    """
    if lead is not None:
        lead = checks.whole("lead", lead)
    claims = np.asarray(run.validation >= mechanism.rules.threshold)
    seeds, last = np.arange(len(claims)), claims.shape[1] - 1
    first = np.where(claims.any(axis=1), claims.argmax(axis=1), last)
    lead = last if lead is None else min(lead, last)
    ready = (first <= lead) & mechanism.rules.passes(run.validation, run.test)[seeds, first]
    onwards = np.minimum(np.minimum(first, lead)[:, None] + np.arange(last + 1), last)
    index = np.where(ready[:, None], first[:, None], onwards)
    validation, test = (np.take_along_axis(np.asarray(curve), index, axis=1) for curve in (run.validation, run.test))
    return Attempt(validation, test, np.float32(0.0), True)


@checked
@single("mechanism")
@steady
def advantage(
    mechanism: PoLe, run: Run, lead: float, release: float = 0.0, bound: bool = True, key: Key | None = None
) -> Estimate:
    """Share of blocks over share of power of one friend among ten equal nodes that hear of blocks at once, simulated.

    Args:
      mechanism: the `PoLe` that was run.
      run: honest `Run`, whose curves all nodes replay.
      lead, release: in training steps, as powers are 1 step a second; with `bound` as in `EarlyKey`.
      key: typed key; None: key 0.
    """
    lead, release = checks.number("lead", lead, low=0.0), checks.number("release", release, low=0.0)
    if key is not None:
        checks.key("key", key)
    bank = replace(honest_bank(mechanism, run), trained="{}")  # static there: one compiled program for all layers
    rules = mechanism.rules
    replay = Replay(bank, rules.threshold, rules.accept, rules.margin)
    friend = np.arange(NODES) == 0
    adversary = EarlyKey(np.where(friend, lead, 0.0), release, bound)
    scenario = Scenario(nodes.equal(NODES, NODES), network.instant(NODES), replay, adversary=adversary)
    keys = jax.random.split(key_of(0) if key is None else checks.key("key", key), SEEDS)
    history = simulate_many(keys, scenario, BLOCKS)
    wins = ((history.producer == 0) & history.settled).sum(axis=1)
    share = estimate.share(wins, history.settled.sum(axis=1), paired_scores.CONFIDENCE)
    return Estimate(*(NODES * part for part in (share.value, share.low, share.high)))


@checked
@single("mechanism")
@steady
def measure(mechanism: PoLe, run: Run) -> dict[str, Estimate]:
    """The friend's advantage under each rule, leads in parts of an honest node's mean training time.

    Empty where most honest runs never make a claim: rounds would be decided by the fallback.
    """
    steps, finished = detection.honest_steps(mechanism, run)
    if finished.mean() <= 0.5:
        return {}
    mean = float(steps.mean())
    return {
        "free key, lead of a quarter": advantage(mechanism, run, mean / 4, bound=False),
        "free key, lead of a whole": advantage(mechanism, run, mean, bound=False),
        "key bound to the tip, samples out a quarter later": advantage(mechanism, run, mean, mean / 4),
        "key bound to the tip, samples out with it": advantage(mechanism, run, mean),
    }


def __dir__() -> list[str]:
    return __all__
