"""Claims: what nodes hold at the end of a race, and what a block that carries a model says of it."""

from typing import NamedTuple

from polejax._core.record import record
from polejax._core.types import Array, Tree


@record
class Learning:
    """What a block that carries a model says of it. Leading axis N, one entry per node's claim.

    Attributes:
      claimed: f32[N], fraction, validation accuracy as the claimant measured it.
      rejected: i32[N], claims of this node that verification turned down before.
      diverged: bool[N], whether the network had non-finite parameters when training ended.
      curve: f32[N, K], fraction, validation accuracy at each evaluation; 0 from where training ended (K = 0: not kept).
      holdout: f32[N], fraction, accuracy on samples that decide nothing; None: none are held out.
    """

    claimed: Array
    rejected: Array
    diverged: Array
    curve: Array
    holdout: Array | None = None


class Evidence(NamedTuple):
    """What `Mechanism.look_up` tells of claims.

    Attributes:
      score: f32[...], as `Claims.score`.
      learning: leaves [..., ...], as `Claims.learning`; None of a mechanism without models.
    """

    score: Array
    learning: Learning | None


@record
class Claims:
    """What a race returns: for every node the work it needs before it holds a publishable claim, and the claim.

    Attributes:
      work: f32[N], hashes or training steps, at least 0; inf for a node that never finishes. A claim whose work is NaN
        or negative is never published, and the height is marked (`History.flawed`).
      score: f32[N], how good the claim is (PoLe: verified test accuracy; PoW: 1).
      valid: bool[N], whether the node ever publishes.
      commitment: u32[N, 8], what the block's header commits to (a model's parameters, a proof); None: no hashes.
      computed: f32[N], work the program really did for the node, idle lanes included; None: the law was drawn.
      fallback: bool[], nobody finished before the deadline; None: there is no deadline.
      learning: of claims with a model, each leaf [N, ...]; None: no models.
      reference: i32[N], a number from which `Mechanism.look_up` tells score and learning again. Of N claims of a round
        one becomes canonical: where there is a reference, rounds keep it alone, and history looks up the canonical
        blocks' claims. None: score and learning are kept as they are.
      carried: what the block carries for its branch (`Mechanism.extend_branch`), each leaf [N, ...]; None: nothing.
    """

    work: Array
    score: Array
    valid: Array
    commitment: Array | None = None
    computed: Array | None = None
    fallback: Array | None = None
    learning: Learning | None = None
    reference: Array | None = None
    carried: Tree = None


@record
class Taken:
    """What a branch has done with its tasks when its next block is begun; leading axis N, or heights [H] in a history.

    posted = served + waiting + dropped, always.

    Attributes:
      task: i32, number of the task that the block works on; T: none was waiting, so the idle mechanism's block.
      reward: f32, coins that the block earns; 0 of an idle one.
      waiting: i32, tasks left in the queue.
      posted: i32, tasks posted on the branch so far.
      served: i32, tasks taken so far, this one included.
      dropped: i32, tasks turned away so far as the queue was full.
    """

    task: Array
    reward: Array
    waiting: Array
    posted: Array
    served: Array
    dropped: Array
