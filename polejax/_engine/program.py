"""The program of a scenario: what its simulation computes, by which a study's scenarios are known."""

import functools

import jax
import numpy as np

from polejax._core.fingerprint import Traced, fingerprint
from polejax._core.keys import key_of
from polejax._core.types import Key
from polejax._engine import poisson
from polejax._engine.runner import Method
from polejax.consensus import chain
from polejax.consensus.history import History
from polejax.consensus.scenario import Scenario, ready
from polejax.consensus.simulate import whole_chain


def program_of(scenario: Scenario, method: Method, memo: Traced | None = None) -> str:
    """SHA-256, in hexadecimal, of what one chain of a scenario computes of its key: two heights, with all arrays.

    Every height is played by the same program, so a longer chain has no other one.

    Args:
      scenario: one, not swept.
      method: of drawing its chains.
      memo: see `fingerprint`; scenarios that differ in array fields alone are traced once.

    Raises:
      Unidentified: the scenario calls a function on the host.
    """
    scenario = jax.tree.map(np.asarray, scenario)
    kind = key_of(0).dtype
    if method == "rounds":
        return fingerprint(_rounds, jax.ShapeDtypeStruct((), kind), scenario, label=method, memo=memo)
    in_flight, race = poisson.rounded_up(poisson.blocks_in_flight(scenario)), poisson.race_of(scenario)
    play = functools.partial(poisson.play, num_blocks=2, in_flight=in_flight)
    keys = jax.ShapeDtypeStruct((1,), kind)
    return fingerprint(play, keys, race, label=f"{method} {in_flight}", memo=memo)


def _rounds(key: Key, scenario: Scenario) -> History:
    return whole_chain(key, ready(scenario), 2, chain.heights_beyond(scenario))
