"""Blocks of a real chain, read from a CSV file: the height, the time and the miner of each."""

import csv
import datetime
import io
import math
from typing import NamedTuple

import numpy as np

from polejax._core import checks, paths
from polejax._core.brief import brief
from polejax._core.types import Array

COLUMNS = ("height", "time", "miner")
NOT_TOLD = "(not told)"
"""The miner of a block whose cell is empty."""


class Stamps(NamedTuple):
    """What is known of each block, in the order of the file.

    Attributes:
      time: f64[H], s since some moment; NaN where the cell is empty.
      height: i64[H]; None: the file has no such column.
      miner: a word for each block; None: the file has no such column.
    """

    time: Array
    height: Array | None
    miner: list[str] | None

    def __repr__(self) -> str:
        return brief(self)


def read_blocks(path: str) -> Stamps:
    """Read a CSV file whose first line names its columns: time, and height and miner where they are known.

    Times are seconds, or dates and times as ISO 8601 writes them (of UTC where they name no zone). Cells are divided by
    commas, semicolons or tabs; other columns are left out.

    Raises:
      ValueError: no such file, no column of times, or a cell that cannot be read.
    """
    try:
        with paths.open_regular(path) as file:
            text = file.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"blocks must be a CSV file, got {path!r} ({paths.reason(error)}): check the path") from None
    first = text.partition("\n")[0]
    divider = next((mark for mark in ",;\t" if "time" in _names(first, mark)), None)
    if divider is None:
        raise ValueError(f"blocks must have a column named time, got {checks.shown(first)} in {path!r}: name it")
    try:
        _, *rows = csv.reader(io.StringIO(text), delimiter=divider)
    except csv.Error as error:
        raise ValueError(f"blocks must be a CSV file, got {path!r} ({paths.reason(error)}): check it") from None
    names = _names(first, divider)
    cells = {name: [_cell(row, names.index(name)) for row in rows if row] for name in COLUMNS if name in names}
    lines = [number for number, row in enumerate(rows, 2) if row]
    times = [_seconds(word, line) for word, line in zip(cells["time"], lines, strict=True)]
    heights = [_height(word, line) for word, line in zip(cells.get("height", ()), lines, strict=False)]
    return Stamps(
        time=np.array(times, np.float64),
        height=np.array(heights, np.int64) if "height" in cells else None,
        miner=[word or NOT_TOLD for word in cells["miner"]] if "miner" in cells else None,
    )


def _names(line: str, divider: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in line.split(divider)]


def _cell(row: list[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _seconds(word: str, line: int) -> float:
    if not word:
        return math.nan
    try:
        return float(word)
    except ValueError:
        pass
    try:
        moment = datetime.datetime.fromisoformat(word)
    except ValueError:
        raise ValueError(
            f"time must be seconds or an ISO 8601 date, got {checks.shown(word)} in line {line} of blocks: correct it"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _height(word: str, line: int) -> int:
    try:
        return checks.whole("height", int(word))
    except ValueError:
        raise ValueError(
            f"height must be a whole number, got {checks.shown(word)} in line {line} of blocks: correct it"
        ) from None
