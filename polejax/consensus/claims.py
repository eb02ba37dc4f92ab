"""Claims: the work each node needs for its next block, and what the block would state."""

from typing import NamedTuple

from polejax._core.brief import brief
from polejax._core.record import record
from polejax._core.types import Array, Tree


@record
class Learning:
    """What is recorded of the model that a block carries. Leading axis N, one entry per node's claim.

    Attributes:
      claimed: f32[N], fraction, validation accuracy as the claimant measured it.
      rejected: i32[N], number of this node's earlier claims that failed verification.
      diverged: bool[N], whether the network had non-finite parameters when training ended.
      curve: f32[N, K], fraction, validation accuracy at each evaluation; 0 from where training ended (K = 0: not kept).
      holdout: f32[N], fraction, accuracy on held-out samples, on which no decision depends; None: none are held out.
    """

    claimed: Array
    rejected: Array
    diverged: Array
    curve: Array
    holdout: Array | None = None


class Evidence(NamedTuple):
    """What `Mechanism.look_up` returns.

    Attributes:
      score: f32[...], as `Claims.score`.
      learning: each leaf [..., ...], as `Claims.learning`; None: the mechanism has no models.
    """

    score: Array
    learning: Learning | None

    def __repr__(self) -> str:
        return brief(self)


@record
class Claims:
    """What `Mechanism.race` returns: for every node the work until it holds a publishable claim, and the claim.

    Attributes:
      work: f32[N], hashes or training steps, at least 0; inf for a node that never finishes. A claim whose work is NaN
        or negative is never published, and the height is marked (`History.flawed`).
      score: f32[N], how good the claim is (PoLe: verified test accuracy; PoW: 1).
      valid: bool[N], whether the node ever publishes.
      commitment: u32[N, 8], what the block's header commits to (a model's parameters, a proof); None: no hashes.
      computed: f32[N], work that the program really computed for the node, idle lanes included; None: work is drawn
        from a law.
      fallback: bool[], whether no node finished before the deadline; None: there is no deadline.
      learning: the claims' models, each leaf [N, ...]; None: claims carry no models.
      reference: i32[N], a number from which `Mechanism.look_up` recovers score and learning. Only one of a round's N
        claims becomes canonical. With a reference, rounds store the reference only, and history looks up the claims of
        canonical blocks. None: rounds store score and learning.
      carried: what the block adds to its branch's state (`Mechanism.extend_branch`), each leaf [N, ...]; None: nothing.
      censored: f32[N], the work at which what is known of a node's work ends, though the node would work on; inf: it is
        known to its end. Heights that this may have changed are marked (`History.censored`). None: all is known.
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
    censored: Array | None = None


@record
class Taken:
    """A branch's task queue when work on its next block begins; leading axis N, or heights [H] in a history.

    At all times posted = served + waiting + dropped.

    Attributes:
      task: i32, number of the task that the block works on; T if none was waiting and the idle mechanism runs.
      reward: f32, coins that the block earns; 0 without a task.
      waiting: i32, number of tasks left in the queue.
      posted: i32, number of tasks posted on the branch so far.
      served: i32, number of tasks taken so far, this one included.
      dropped: i32, number of tasks refused so far because the queue was full.
    """

    task: Array
    reward: Array
    waiting: Array
    posted: Array
    served: Array
    dropped: Array
