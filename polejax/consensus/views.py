"""Views: what each node knows of the chain while it works on the next block."""

from polejax._core.record import record
from polejax._core.types import Array, Tree


@record
class Views:
    """Every node's own view of the chain while it works on a block of one height. Leading axis N throughout.

    Times are in seconds from an origin that moves with the chain (the first arrival of the height before), because a
    float32 clock that only grows would stall.

    Attributes:
      height: i32[], of the block that is worked on; genesis has height 0.
      start: f32[N], s, when the node took its tip (first seen: on hearing of it), and so began.
      stamp: f32[N], s, when that tip was published.
      tip: u32[N, 8], the tip's SHA-256 hash; None where the mechanism needs no hashes.
      difficulty: f32[N], what the next block on that branch demands (expected hashes; accuracy threshold).
      controller: the difficulty rule's state on that branch, each leaf [N, ...].
      flawed: bool[], whether a claim at a height before was no claim (`Round.flawed`).
      rivals: i32[], stale blocks at the tip's height; None where no difficulty rule counts uncles.
      branch: what the mechanism keeps of that branch (`Mechanism.begin_branch`), each leaf [N, ...]; None: nothing.
    """

    height: Array
    start: Array
    stamp: Array
    tip: Array | None
    difficulty: Array
    controller: Tree
    flawed: Array
    rivals: Array | None = None
    branch: Tree = None
