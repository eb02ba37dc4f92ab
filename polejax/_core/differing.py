"""Differing: what of a record, and of the records in it, is other than by default, as a table."""

from collections.abc import Iterator
from typing import Any

from polejax._core.brief import brief, changed, defaults, in_words, is_record
from polejax._core.tables import Table


def differing(value: Any, title: str) -> Table:
    """A row for each field that has no default or differs from it, and for each such field of the records in them."""
    return Table(("field", "value", "default"), list(_rows(value, "", True)), title)


def _rows(value: Any, path: str, deeper: bool) -> Iterator[tuple[str, str, str]]:
    known = defaults(type(value))
    for name, part in changed(value):
        plain: Any = type(part).__repr__
        expands = deeper and is_record(part) and plain is brief  # others tell their sizes in a word
        word = type(part).__name__ if expands else in_words(part)
        yield f"{path}{name}", word, in_words(known[name]) if name in known else ""
        if expands:
            yield from _rows(part, f"{path}{name}.", False)
