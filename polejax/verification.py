"""Verification: what every node that hears of a claim does before it believes it."""

import enum
from typing import Any

import jax
import jax.numpy as jnp

from polejax import learning
from polejax.checks import Array
from polejax.pole import PoLe
from polejax.record import record


class Reason(enum.IntEnum):
    """Why a claim is accepted or not; of several reasons the first in this order."""

    ACCEPTED = 0
    DIVERGED = 1
    """a parameter is not finite"""
    BELOW_THRESHOLD = 2
    """the accuracy that it claims is below what the branch demands"""
    INACCURATE = 3
    """the accuracy that verifiers measure is below what they accept"""


@record
class Claim:
    """What a block's header and body say of a model; leading axes of claims, if any, on every leaf."""

    params: Any  # the learner's, as it was trained
    tip: Array  # u32[8], hash of the parent block
    address: Array  # u32[], of the claimant
    accuracy: Array  # f32[], fraction: what the claimant says that its validation accuracy is
    difficulty: Array  # f32[], fraction: the validation accuracy that the branch demands


@record
class Verdict:
    """What verifiers make of a claim."""

    accepted: Array  # bool[]
    accuracy: Array  # f32[], fraction: on the test data; 0 for a network whose answers are not finite
    reason: Array  # i32[], a `Reason`


def verify(claim: Claim, mechanism: PoLe) -> Verdict:
    """Judge one claim; `jax.vmap(verify, in_axes=(0, None))` judges many.

    The verifier derives the Secure Mapping Layer from the claim's own header, so that nobody can say whose a model is
    but by training it, and measures it on the published test data, at highest precision, so that all agree.

    Args:
      claim: `Claim`.
      mechanism: the `PoLe` with the published task and its rules: `accepts`, `sml`, `learner`.

    Returns:
      `Verdict`.

    Source: Lan, Liu, Li 2020 (arXiv 2007.15145); the reasons and their order are ours.
    """
    layer = mechanism.layer_variables(claim.tip, claim.address)
    one = jax.tree.map(lambda leaf: leaf[None], (layer, claim.params))
    accuracy = learning.verify(mechanism, *one)[0]
    broken = (
        (Reason.DIVERGED, learning.diverged(one[1])[0]),
        (Reason.BELOW_THRESHOLD, ~(claim.accuracy >= claim.difficulty)),
        (Reason.INACCURATE, ~mechanism.accepts(accuracy, claim.difficulty)),
    )
    reason = jnp.int32(Reason.ACCEPTED)
    for name, found in reversed(broken):
        reason = jnp.where(found, jnp.int32(name), reason)
    return Verdict(reason == Reason.ACCEPTED, accuracy, reason)
