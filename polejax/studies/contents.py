"""Contents: what a shard must hold, told of arrays that a file or an executor gives before anything is made of them."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from polejax.studies.shards import SUMS, Arrays, dimensions

_BLOCKS = ("interval", "producer", "score", "difficulty", "settled", "published", "published_by", "fallback")


@dataclasses.dataclass(frozen=True)
class Contents:
    """What the arrays of one shard must be.

    Attributes:
      records: "blocks" or "chains".
      num_seeds: S of the shard.
      num_blocks: H.
      num_nodes: N.
    """

    records: str
    num_seeds: int
    num_blocks: int
    num_nodes: int

    def shape_of(self, name: str, ndim: int) -> tuple[int, ...]:
        """Shape of a variable; one of another number of axes has none that is right."""
        lengths: Mapping[str, int] = {"seed": self.num_seeds, "height": self.num_blocks, "node": self.num_nodes}
        of_chain = self.records == "chains" and name not in ("wins", "published_by")
        return tuple(lengths[dim] for dim in dimensions(name, 1 if of_chain else 2))

    def faults(self, arrays: Arrays) -> Iterator[str]:
        """What is wrong with a whole shard's arrays, in words, the first thing first.

        Names and shapes must be right; intervals at settled heights finite and at least 0; counts and producers within
        their ranges; sums finite.
        """
        needed = _BLOCKS if self.records == "blocks" else SUMS
        for name in needed:
            if name not in arrays:
                yield f"it has no {name!r}"
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
                yield f"{name!r} is no array of numbers"
            elif array.shape != self.shape_of(name, array.ndim):
                yield f"{name!r} has shape {array.shape}, not {self.shape_of(name, array.ndim)}"
        yield from self._blocks_faults(arrays) if self.records == "blocks" else self._sums_faults(arrays)

    def _blocks_faults(self, arrays: Arrays) -> Iterator[str]:
        settled = arrays["settled"]
        if settled.dtype != bool:
            yield f"'settled' is {settled.dtype}, not bool"
        yield from _outside("interval", arrays["interval"], 0.0, np.inf, settled)
        yield from _outside("producer", arrays["producer"], 0, self.num_nodes - 1, settled)
        yield from _outside("published", arrays["published"], 1, np.inf, settled)
        yield from _outside("published_by", arrays["published_by"], 0, self.num_blocks, np.True_)
        if (np.isnan(arrays["score"]) & settled).any():
            yield "'score' is nan at a settled height"

    def _sums_faults(self, arrays: Arrays) -> Iterator[str]:
        for name in SUMS:
            low = -np.inf if name in ("score", "claimed", "claimed_score") else 0.0  # scores are a mechanism's own
            yield from _outside(name, arrays[name], low, np.inf, np.True_)
        yield from _outside("settled", arrays["settled"], 0, self.num_blocks, np.True_)
        if (arrays["wins"].sum(axis=1) != arrays["settled"]).any():
            yield "'wins' do not add up to the settled heights"


def _outside(name: str, array: np.ndarray, low: float, high: float, where: np.ndarray | np.bool_) -> Iterator[str]:
    wrong = ~((array >= low) & (array <= high) & np.isfinite(array)) & where
    if wrong.any():
        at = tuple(int(index) for index in np.argwhere(wrong)[0])
        yield f"{name!r} is {array[at]} at index {at}, outside of {low:g} to {high:g}"
