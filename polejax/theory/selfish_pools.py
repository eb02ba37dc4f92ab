"""Selfish pools beside each other: their revenue in the limit, by following the expected blocks of every branch."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from polejax._core import checks
from polejax._core.types import Array
from polejax.theory import arguments


class _State(NamedTuple):
    """What decides the next move, from a block on that all agree on.

    Attributes:
      lead: of each pool's hidden branch over the longest public ones, in blocks; None: it hides nothing.
      tied: whether each pool's branch is one of several longest public ones.
      free: whether one of these is bound to no pool.
    """

    lead: tuple[int | None, ...]
    tied: tuple[bool, ...]
    free: bool


class _Flow(NamedTuple):
    """How likely a state is, and the expected blocks [K + 1, K + 1] of each branch by finder, times that probability.

    Rows are the pools' branches and, last, the public branch bound to no pool.
    """

    chance: float
    blocks: Array


def selfish_pools_revenue(shares: Sequence[float], accuracy: float = 1e-9) -> tuple[float, ...]:
    """Shares of the main chain of pools that all mine selfishly, where tied branches are equally likely to be mined on.

    Args: shares: of the power, one for each pool, positive, together below 1, and each below the others' power, or its
    lead grows without end; accuracy: probability below which a state is left out, at least 1e-12. Returns fractions.
    From a block on that all agree on, every course of events is followed until all agree again; a pool's revenue is its
    expected blocks over everybody's. Of one pool it is `selfish_revenue` at gamma 1/2. Source: the rules are those of
    Bai et al. 2018 (arXiv 1811.08263), as `attacks.selfish_pools.mine` reads them; following expected blocks is ours.
    """
    power = arguments.vector("shares", shares, above=0.0, below=0.5).tolist()
    accuracy = float(checks.real("accuracy", accuracy, low=1e-12, below=1.0, ndim=0))
    if not power or sum(power) >= 1.0:
        raise ValueError(f"shares must be of at least one pool and below 1 together, got {list(shares)}: lower them")
    pools = len(power)
    agreed = _State((None,) * pools, (False,) * pools, True)
    flows = {agreed: _Flow(1.0, np.zeros((pools + 1, pools + 1)))}
    credit = np.zeros(pools + 1)
    while flows:
        following: dict[_State, _Flow] = {}
        for state, flow in flows.items():
            for after, part in _successors(state, flow, power):
                if after == agreed:
                    credit += part.blocks[-1]
                else:
                    known = following.get(after)
                    joined = part if known is None else _Flow(known.chance + part.chance, known.blocks + part.blocks)
                    following[after] = joined
        flows = {state: flow for state, flow in following.items() if flow.chance > accuracy}
    return tuple((credit[:pools] / credit.sum()).tolist())


def _successors(state: _State, flow: _Flow, power: Sequence[float]) -> Iterator[tuple[_State, _Flow]]:
    """The states after the next block, and their flows."""
    pools = len(power)
    public = [pool for pool in range(pools) if state.tied[pool]] + [pools] * state.free
    for finder, share in enumerate([*power, 1.0 - sum(power)]):
        hides = finder < pools and state.lead[finder] is not None
        bound = hides or (finder < pools and state.tied[finder])
        parents = [finder] if bound else public
        for parent in parents:
            chance = flow.chance * share / len(parents)
            blocks = flow.blocks * (share / len(parents))
            block = blocks[parent].copy()
            block[finder] += chance
            if finder == pools or (bound and not hides):
                blocks[pools] = block
                yield _publish(state, _Flow(chance, blocks))
            else:
                blocks[finder] = block
                lead = tuple((own or 0) + 1 if pool == finder else own for pool, own in enumerate(state.lead))
                yield state._replace(lead=lead), _Flow(chance, blocks)


def _publish(state: _State, flow: _Flow) -> tuple[_State, _Flow]:
    """The state after the free public branch has become the longest by one block, and all pools have answered."""
    pools, blocks = len(state.lead), flow.blocks
    lead = [None if own is None else own - 1 for own in state.lead]
    tied, free = [False] * pools, True
    while 1 in lead:
        ahead = [pool for pool in range(pools) if lead[pool] == 1]
        lead = [None if own is None or own == 1 else own - 1 for own in lead]
        free = len(ahead) == 1
        tied = [not free and pool in ahead for pool in range(pools)]
        if free:
            blocks[pools] = blocks[ahead[0]]
    tied = [own == 0 or was for own, was in zip(lead, tied, strict=True)]
    lead = [None if own is None or own <= 0 else own for own in lead]
    for row in range(pools):  # branches that nobody has are nobody's
        if lead[row] is None and not tied[row]:
            blocks[row] = 0.0
    if not free:
        blocks[pools] = 0.0
    return _State(tuple(lead), tuple(tied), free), _Flow(flow.chance, blocks)
