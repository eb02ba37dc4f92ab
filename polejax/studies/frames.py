"""Frames: a study's blocks as rows of a data frame, in columns as narrow as their values."""

from typing import TYPE_CHECKING, Any

import numpy as np

from polejax.studies.shards import Arrays, Shard, dimensions
from polejax.studies.stored import Stored

if TYPE_CHECKING:
    from pandas import DataFrame


def rows(stored: Stored, parameters: dict[str, np.ndarray]) -> "DataFrame":
    """One row per settled block, or per chain where blocks are not kept; see `Results.to_pandas`."""
    import pandas

    names = list(stored.manifest["names"])
    lengths: list[int] = []
    parts: dict[str, dict[int, np.ndarray]] = {}  # by column and number of the shard
    owners: list[int] = []
    for scenario in range(len(names)):
        for shard, arrays in stored.shards_of(scenario):
            columns, count = _columns(stored.manifest["records"], shard, arrays)
            for name, values in columns.items():
                parts.setdefault(name, {})[len(lengths)] = values
            lengths.append(count)
            owners.append(scenario)
    if not lengths:
        return pandas.DataFrame()
    owner = np.repeat(np.asarray(owners, _least(len(names))), lengths)
    whole: dict[str, Any] = {"scenario": pandas.Categorical.from_codes(owner, categories=pandas.Index(names))}
    for name, values in parameters.items():
        whole[name] = _spread(values, owner)
    for name in list(parts):  # column by column, so that no more than one is there twice
        whole[name] = _joined(parts.pop(name), lengths)
    return pandas.DataFrame(whole, copy=False)


def _columns(records: str, shard: Shard, arrays: Arrays) -> tuple[dict[str, np.ndarray], int]:
    """Columns of a shard's rows, and how many rows there are."""
    seeds, place = np.arange(shard.count), {}
    if records == "blocks":
        seeds, heights = np.nonzero(arrays.pop("settled"))
        place = {"height": _narrow(heights + 1)}
    columns = {
        name: array[seeds, heights] if array.ndim == 2 else array
        for name, array in arrays.items()
        if "node" not in dimensions(name, array.ndim)
    }
    return {"seed": _narrow(seeds + shard.first), **place, **columns}, len(seeds)


def _joined(parts: dict[int, np.ndarray], lengths: list[int]) -> Any:
    """One column; rows of shards that have no such variable are NaN, or missing."""
    import pandas

    kind = np.result_type(*{part.dtype for part in parts.values()})
    if len(parts) == len(lengths):
        return np.concatenate([parts.pop(place) for place in list(parts)], dtype=kind)
    known = np.repeat([place in parts for place in range(len(lengths))], lengths)
    empty = np.nan if kind.kind == "f" else 0
    values = np.full(known.size, empty, kind)
    ends = np.cumsum(lengths)
    for place in list(parts):
        part = parts.pop(place)
        values[ends[place] - len(part) : ends[place]] = part
    if kind.kind == "f":
        return values
    made = pandas.arrays.BooleanArray if kind.kind == "b" else pandas.arrays.IntegerArray
    return made(values, ~known)


def _spread(values: np.ndarray, owner: np.ndarray) -> Any:
    """A parameter's values [scenarios], one for each row."""
    import pandas

    if values.dtype.kind not in "biuf":
        words, codes = np.unique(values, return_inverse=True)
        return pandas.Categorical.from_codes(codes.astype(_least(len(words)))[owner], categories=pandas.Index(words))
    return values[owner]


def _narrow(whole: np.ndarray) -> np.ndarray:
    """Numbers of seeds or heights in 32 bits, if they fit: in fewer, sums and differences would wrap without a word."""
    return whole.astype(np.int32) if not whole.size or whole.max() < 2**31 else whole


def _least(count: int) -> Any:
    """The narrowest signed type for codes below a count."""
    return np.int8 if count < 2**7 else np.int16 if count < 2**15 else np.int32
