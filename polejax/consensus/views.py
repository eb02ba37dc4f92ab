"""Views: what each node knows of the chain while it works on the next block."""

from polejax._core.record import record
from polejax._core.types import Array, Tree


@record
class Views:
    """Every node's own view of the chain while it works on a block of one height. Leading axis N throughout.

    Times are in seconds from an origin that moves with the chain (the first arrival at the height before), because
    float32 cannot resolve intervals on a clock that only grows.

    Attributes:
      height: i32[], of the block that nodes work on; genesis has height 0.
      start: f32[N], seconds, when the node took its tip (first seen: on receiving it) and began to work.
      stamp: f32[N], seconds, when that tip was published.
      tip: u32[N, 8], the tip's SHA-256 hash; None: the mechanism needs no hashes.
      difficulty: f32[N], of the next block on that branch (expected hashes; accuracy threshold).
      controller: the difficulty rule's state on that branch, each leaf [N, ...].
      flawed: bool[], whether a claim at an earlier height was flawed (`Round.flawed`).
      rivals: i32[], number of stale blocks at the tip's height; None: the difficulty rule does not count uncles.
      branch: the mechanism's state of that branch (`Mechanism.begin_branch`), each leaf [N, ...]; None: no state.
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
