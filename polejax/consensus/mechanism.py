"""What a consensus mechanism is: a law of work, given each node's view of the chain."""

from typing import Any, ClassVar, Protocol

from polejax._core.record import record
from polejax._core.types import Array
from polejax.consensus.nodes import Nodes


@record
class Views:
    """Every node's own view of the chain while it works on a block of height `height`. Leading axis N throughout.

    Times are in seconds from an origin that moves with the chain (the first arrival of the height before), because a
    float32 clock that only grows would stall.
    """

    height: Array  # i32[], of the block that is worked on; genesis has height 0
    start: Array  # f32[N], s: when the node took its tip (first seen: on hearing of it), and so began
    stamp: Array  # f32[N], s: when that tip was published
    tip: Array | None  # u32[N, 8]: the tip's SHA-256 hash; None where the mechanism needs no hashes
    difficulty: Array  # f32[N]: what the next block on that branch demands (expected hashes; accuracy threshold)
    controller: Any  # the difficulty controller's state on that branch, each leaf [N, ...]
    rivals: Array | None = None  # i32[]: stale blocks at the tip's height; None where no controller counts uncles
    queue: Any = (
        None  # tasks posted on that branch, or what else the mechanism keeps of it, each leaf [N, ...]; or None
    )


@record
class Learning:
    """What a block that carries a model says of it. Leading axis N, one entry per node's claim."""

    claimed: Array  # f32[N], fraction: validation accuracy, as the claimant measured it
    rejected: Array  # i32[N]: claims of this node that verification turned down before
    diverged: Array  # bool[N]: the network had non-finite outputs when training ended
    curve: (
        Array  # f32[N, K]: validation accuracy at each evaluation; 0 from where training ended (K = 0: not asked for)
    )
    holdout: Array | None = None  # f32[N], fraction: accuracy on samples that decide nothing; None: none are held out


@record
class Claims:
    """What a race returns: for every node the work it needs before it holds a publishable claim, and the claim."""

    work: Array  # f32[N], hashes or training steps; inf for a node that never finishes
    score: Array  # f32[N], how good the claim is (PoLe: verified test accuracy; PoW: 1)
    valid: Array  # bool[N]: whether the node ever publishes
    commitment: Array | None = None  # u32[N, 8]: what the block's header commits to (a model's parameters, a proof)
    computed: Array | None = None  # f32[N]: work the program really did for the node, idle lanes included
    fallback: Array | None = None  # bool[]: nobody finished before the deadline
    learning: Learning | None = None
    model: Any = None  # what a mechanism that remembers the models of blocks keeps of each, each leaf [N, ...]


class Mechanism(Protocol):
    """A law of work; `time = work / power` (seconds).

    One with a queue of tasks (`polejax.task_stream`) has two methods more: `open_queue(count)`, the queue of all nodes
    at genesis, and `extend_queue(key, queue, interval f32[N], claims)`, their queues after the blocks that they would
    publish so many seconds after the parents; the key is the height's. What a queue's `taken` holds goes on record.

    One whose nodes hold data while they race says how much: `node_bytes`, bytes of a node, 0 unless told.
    """

    hashes_tips: ClassVar[bool]  # whether views carry SHA-256 tips
    segment: ClassVar[int]  # heights that one compiled call plays at most: a call takes seconds, not minutes

    @property
    def cached_lanes(self) -> int:
        """Nodes of chains that a CPU core plays in lockstep, their data in its cache."""
        ...

    @property
    def initial_difficulty(self) -> Array:
        """f32[], what the first block demands."""
        ...

    def race(self, key: Array, views: Views, nodes: Nodes, network: Any = None) -> Claims:
        """Claims of all nodes for the blocks at `views.height`.

        Args:
          key: of this height; every node folds in its own address.
          views: what each node builds on.
          nodes: powers f32[N] and addresses u32[N].
          network: tells a mechanism that really computes when the round is decided, so that it can stop: its
            `hear(publish f32[N])` answers first until when f32[N] (seconds) a node's own claim can matter, if only the
            given claims are published (`Election.listening`). None: every node works on until it finishes or gives up.
        """
        ...
