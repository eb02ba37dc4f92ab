"""Observed: the blocks of a real chain, from their time stamps to the same summary and figures as simulated ones."""

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polejax._core import checks, paths
from polejax._core.brief import sizes
from polejax._core.record import record, static
from polejax._core.tables import Table, Tabled
from polejax._core.types import Array
from polejax.analysis.batch_means import FEWEST, SHORTEST, batches_of, independent, summary_of
from polejax.analysis.block_files import NOT_TOLD, Stamps, read_blocks
from polejax.analysis.estimate_tables import entries_table, estimate_table
from polejax.analysis.summaries import Summary, rows

_MILLISECONDS = 1e11  # s: beyond it lie the years from 5138 on, and milliseconds since 1973


@record
class Observed(Tabled):
    """A measured chain: its intervals in order, what is odd about its stamps, and its summary.

    Figures of intervals take it in place of a `History`, beside simulated ones.

    Attributes:
      interval: f64[H], s between the stamps of successive blocks, negative ones included; intervals over missing blocks
        are left out.
      producer: i32[H], place of the block's miner in `miners`; None: miners are not known.
      settled: bool[H], all true: every interval counts.
      summary: `Summary` of one chain. What block stamps do not tell is NaN, or None: stale blocks, scores, fallbacks;
        without miners `win_share` is empty.
      miners: names, the one with most blocks first.
      num_rows: blocks given.
      num_negative: intervals below 0, as stamps are miners' own clocks.
      num_equal: intervals of 0.
      num_missing: blocks that were left out or have no stamp, between the first and the last.
      num_repeated: heights given more than once, which are left out, as one of the blocks must be stale.
      num_unsorted: blocks that were not in the order of their heights, and were sorted.
      num_batches: that intervals were estimated from; 0: the chain is too short for any.
      num_independent: independent intervals that would tell as much of the mean and of the CV.
      correlated: whether neighbouring batches still resemble each other, so that intervals are too narrow.
    """

    interval: Array
    producer: Array | None
    settled: Array
    summary: Summary
    miners: tuple[str, ...] = static()
    num_rows: int = static()
    num_negative: int = static()
    num_equal: int = static()
    num_missing: int = static()
    num_repeated: int = static()
    num_unsorted: int = static()
    num_batches: int = static()
    num_independent: int = static()
    correlated: bool = static()

    def __repr__(self) -> str:
        """Its size."""
        miners = f", {len(self.miners):,} miners" if self.miners else ""
        return f"Observed({sizes(np.shape(self.interval), 'intervals')}{miners})"

    @property
    def num_blocks(self) -> int:
        """Number of intervals H."""
        return self.interval.shape[-1]

    @property
    def doubt(self) -> str | None:
        """One line that belongs beside every number: what is odd about the stamps, and about the intervals; or None."""
        odd = [
            ("negative intervals", self.num_negative, "stamps are miners' own clocks, whose errors the CV includes"),
            ("intervals of 0", self.num_equal, "stamps are equal"),
            ("missing blocks", self.num_missing, "the intervals over them are left out"),
            ("heights given more than once", self.num_repeated, "they are left out, as one block of each is stale"),
            ("blocks out of order", self.num_unsorted, "they were sorted by height"),
        ]
        told = [f"{what}: {count:,} ({why})" for what, count, why in odd if count]
        if not self.num_batches:
            told.append(f"fewer than {2 * SHORTEST} intervals: they do not tell how exact the numbers are")
        elif self.num_independent < FEWEST:
            told.append(
                f"the chain tells as much as {self.num_independent:,} independent intervals, and below {FEWEST:,} the "
                "interval of the CV is too narrow: of 95%, it may hold the truth in 80% to 90%"
            )
        if self.correlated:
            told.append("neighbouring batches resemble each other: intervals are too narrow")
        return "; ".join(told) or None

    def tables(self) -> list[Table]:
        """What stamps tell, with intervals, and what is odd about them."""
        length = self.num_blocks // self.num_batches if self.num_batches else 0
        way = f", intervals from {self.num_batches} batches of {length:,}" if self.num_batches else ""
        title = f"one measured chain, {sizes(np.shape(self.interval), 'intervals')}{way}"
        notes = ["stale blocks are not told by stamps", *([] if self.doubt is None else [self.doubt])]
        known = [row for row in rows(self.summary) if not np.isnan(row[2].value).any()]
        told = [estimate_table(known, self.summary.confidence, title, notes)]
        if self.miners:
            shares = {"share of the blocks": self.summary.win_share}
            told.append(entries_table(shares, self.summary.confidence, "miner", self.miners))
        return told


def observed(
    blocks: str | os.PathLike[str] | npt.ArrayLike,
    *,
    miners: Sequence[str] | None = None,
    heights: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Observed:
    """Summarise the blocks of a real chain, from their time stamps.

    Args:
      blocks: time stamps [H], s (or `datetime64`), in the order of the chain, NaN where unknown. Or the path of a CSV
        file with a column time (s or ISO 8601) and, where they are known, height and miner.
      miners: a word for each block; None: not known, or in the file.
      heights: of each block, whole numbers in any order; None: successive, or in the file. Heights that are missing,
        or given twice, are left out together with the intervals over them.
      confidence: of the intervals, in (0, 1).

    Returns:
      `Observed`, whose `summary` is as `polejax.summarise` gives it, but for what stamps do not tell. Negative
      intervals count as they are, so that the mean is right; figures draw them as 0. Intervals leave out one of 20 or
      10 batches of consecutive blocks at a time; a chain of fewer than 10 intervals has none.

    Raises:
      ValueError: a file or numbers that cannot be read, stamps in milliseconds, fewer than two intervals left, or
        stamps that fall more often than they rise.

    Source: Schmeiser 1982; Künsch 1989. The number of batches and the test for their independence are ours.

    Example:
      >>> chain = pj.analysis.observed("bitcoin.csv")
      >>> print(chain)
      >>> pj.figures.interval_survival({"Bitcoin": chain, "PoLe, simulated": history})
    """
    confidence = checks.confidence(confidence)
    given = _given(blocks, miners, heights)
    ordered, unsorted = _in_order(given)
    times, names, missing, repeated = _with_gaps(ordered)
    late = times[np.isfinite(times) & (np.abs(times) > _MILLISECONDS)]
    if late.size:
        raise ValueError(f"blocks must have stamps in seconds, got {late[0]:.6g}: divide milliseconds by 1,000")
    interval = np.diff(times)
    kept = np.isfinite(interval)
    interval = interval[kept]
    negative = int((interval < 0).sum())
    if interval.size < 2:
        raise ValueError(f"blocks must leave at least two intervals, got {interval.size} of {given.time.size:,} stamps")
    if interval.sum() <= 0 or negative * 2 > interval.size:
        raise ValueError(
            f"blocks must have stamps that rise, got {negative:,} of {interval.size:,} intervals below 0: sort them"
        )
    words, producer = _miners(names, kept)
    batches, correlated = batches_of(interval)
    return Observed(
        interval=interval,
        producer=producer,
        settled=np.ones(interval.shape, bool),
        summary=summary_of(interval, producer, len(words), batches, confidence),
        miners=words,
        num_rows=given.time.size,
        num_negative=negative,
        num_equal=int((interval == 0).sum()),
        num_missing=missing,
        num_repeated=repeated,
        num_unsorted=unsorted,
        num_batches=batches,
        num_independent=int(independent(interval)),
        correlated=correlated,
    )


def _given(blocks: object, miners: Sequence[str] | None, heights: npt.ArrayLike | None) -> Stamps:
    """Stamps as they are given, in a file or as numbers; arguments beside a file take its columns' place."""
    if isinstance(blocks, str | os.PathLike):
        found = read_blocks(paths.checked("blocks", blocks))
    else:
        found = Stamps(_seconds(blocks), None, None)
    count = found.time.size
    if heights is not None:
        numbers = checks.numbers("heights", heights)
        if numbers.shape != (count,) or not (np.isfinite(numbers) & (numbers == np.round(numbers))).all():
            raise ValueError(f"heights must be {count:,} whole numbers, one a block, got {checks.shown(heights)}")
        found = found._replace(height=numbers.astype(np.int64))
    if miners is not None:
        if isinstance(miners, str) or not isinstance(miners, Sequence | np.ndarray) or len(miners) != count:
            raise ValueError(f"miners must be {count:,} words, one a block, got {checks.shown(miners)}")
        found = found._replace(miner=[checks.text("miners", word) or NOT_TOLD for word in miners])
    return found


def _seconds(blocks: object) -> Array:
    """Stamps f64[H], s; dates since 1970."""
    given = np.asarray(blocks) if isinstance(blocks, np.ndarray) and blocks.dtype.kind == "M" else None
    if given is not None:
        moments = given.astype("datetime64[ns]")
        seconds = moments.astype(np.int64) / 1e9
        stamps = np.where(np.isnat(moments), np.nan, seconds)
    else:
        stamps = checks.numbers("blocks", blocks).astype(np.float64)
    if stamps.ndim != 1:
        raise ValueError(f"blocks must be time stamps along one axis, got shape {stamps.shape}: give one chain")
    if np.isinf(stamps).any():
        raise ValueError("blocks must be finite stamps, got inf: write NaN where one is unknown")
    return stamps


def _in_order(given: Stamps) -> tuple[Stamps, int]:
    """Blocks by height, and how many were not in their place."""
    if given.height is None:
        return given, 0
    order = np.argsort(given.height, kind="stable")
    miner = None if given.miner is None else [given.miner[at] for at in order]
    return Stamps(given.time[order], given.height[order], miner), int((order != np.arange(order.size)).sum())


def _with_gaps(blocks: Stamps) -> tuple[Array, list[str] | None, int, int]:
    """Stamps and miners with a NaN for every run of blocks that are missing; how many are missing and repeated."""
    if blocks.height is None:
        inner = np.flatnonzero(np.isfinite(blocks.time))
        missing = int(np.isnan(blocks.time[inner[0] : inner[-1]]).sum()) if inner.size else 0
        return blocks.time, blocks.miner, missing, 0
    height, counts = np.unique(blocks.height, return_counts=True)
    alone = np.isin(blocks.height, height[counts == 1]) & np.isfinite(blocks.time)
    place = np.flatnonzero(alone)
    kept = blocks.height[alone]
    jumps = np.flatnonzero(np.diff(kept) > 1) + 1
    times = np.insert(blocks.time[alone], jumps, np.nan)
    names = None
    if blocks.miner is not None:
        names = np.insert(np.array([blocks.miner[at] for at in place], object), jumps, "").tolist()
    repeated = int((counts > 1).sum())
    between = int(kept[-1] - kept[0] + 1 - kept.size) if kept.size else 0
    inside = int(((height[counts > 1] > kept[0]) & (height[counts > 1] < kept[-1])).sum()) if kept.size else 0
    return times, names, between - inside, repeated


def _miners(names: list[str] | None, kept: Array) -> tuple[tuple[str, ...], Array | None]:
    """Miners, the one of most intervals first, and which of them made the block that ends each interval."""
    if names is None:
        return (), None
    words, place, counts = np.unique(
        np.array(names[1:], object)[kept].astype(str), return_inverse=True, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return tuple(str(words[at]) for at in order), rank[place].astype(np.int32)
