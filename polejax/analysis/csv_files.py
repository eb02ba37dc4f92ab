"""Tables as CSV files that spreadsheets read as what they are: numbers and words, no formulas."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from polejax._core.netcdf import write_whole
from polejax._core.printable import printable

_FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001  # wide ones count as well


def write_csv(path: Path, names: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table whole or not at all; `csv_text` says what becomes of its cells.

    Raises:
      OSError: the file cannot be written.
    """
    write_whole(str(path), csv_text(names, rows).encode(errors="backslashreplace"))


def csv_text(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV.

    Args:
      names: of the columns.
      rows: cells, words or what `str` makes of them. A word that begins as a formula does gets an apostrophe in front,
        by which spreadsheets show it as it is (OWASP, "CSV Injection"); words that are numbers stay.
        Tabs, ends of lines and what else is not printable are written as in Python.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_cell, names))
    writer.writerows(map(_cell, row) for row in rows)
    return text.getvalue()


def _cell(entry: Any) -> str:
    word = printable(str(entry)).replace("\n", r"\n")
    return f"'{word}" if word.startswith(_FORMULAS) and not _is_number(word) else word


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return word == word.strip()
