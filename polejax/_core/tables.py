"""Tables: what summaries print, in a terminal no wider than it is, and as HTML in notebooks and on pages."""

import abc
import dataclasses
import html
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from polejax._core.printable import printable

_GAP = "  "
_LEAST = 8  # characters of a column at least, where a terminal has room for them


@dataclasses.dataclass(frozen=True)
class Table:
    """Words in rows and columns; whatever is not printable is escaped.

    Attributes:
      head: names of the columns.
      rows: cells of each row, as many as there are columns.
      title: one line above; "": none.
      notes: lines between the title and the table: what a reader must know beside the numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.head) for row in self.rows):
            raise ValueError(f"rows must have {len(self.head)} cells, as head has, got {sorted(map(len, self.rows))}")

    def __str__(self) -> str:
        return self.text()

    def titled(self, title: str) -> "Table":
        """The same under another title."""
        return dataclasses.replace(self, title=title)

    def text(self, width: int | None = None) -> str:
        """The table in lines of at most `width` characters; None: of the terminal, or as they are where there is none.

        Cells that do not fit go on in the next line. Columns for which there is no room at all follow below, with the
        first column repeated.
        """
        room = _terminal() if width is None else max(width, 1)
        lines = [line for text in (self.title, *self.notes) if text for line in _wrapped(printable(text), room)]
        columns = [[_flat(cell) for cell in column] for column in zip(self.head, *self.rows, strict=True)]
        for number, chosen in enumerate(_groups(columns, room)):
            lines += [""] * (number > 0)
            lines += _laid_out([columns[place] for place in chosen], room)
        return "\n".join(lines)

    def html(self) -> str:
        """The table as HTML, its words escaped; it scrolls by itself where it is too wide."""
        told = "".join(f"<p>{_escaped(text)}</p>" for text in self.notes)
        caption = f"<caption>{_escaped(self.title)}</caption>" if self.title else ""
        head = "".join(f"<th scope='col'>{_escaped(cell)}</th>" for cell in self.head)
        rows = "".join(
            f"<tr><th scope='row'>{_escaped(first)}</th>{''.join(f'<td>{_escaped(cell)}</td>' for cell in others)}</tr>"
            for first, *others in self.rows
        )
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"{told}<div style='overflow-x: auto'>{table}</div>"


class Tabled(abc.ABC):
    """What prints as tables: in a terminal, and in a notebook."""

    @abc.abstractmethod
    def tables(self) -> list[Table]:
        """The tables, in the order in which they are printed."""

    def __str__(self) -> str:
        return "\n\n".join(table.text() for table in self.tables())

    def _repr_html_(self) -> str:
        return "".join(table.html() for table in self.tables())


def row_of(cells: Sequence[str], widths: Sequence[int], width: int | None = None) -> str:
    """One row of a table that is printed as it grows: its columns have fixed widths, and `width` is as in `text`."""
    fitted = _fitted(list(widths), _terminal() if width is None else width)
    return "\n".join(_row([_flat(cell) for cell in cells], fitted))


def side_by_side(
    cells: Mapping[str, Mapping[str, str]], head: Sequence[str], title: str = "", notes: Sequence[str] = ()
) -> Table:
    """A table of rows by name, each with cells by column; a row without a column's cell leaves it empty."""
    rows = [[name, *(row.get(column, "") for column in head[1:])] for name, row in cells.items()]
    return Table(head, rows, title, notes)


def _terminal() -> int:
    """Characters of a line in the terminal; many where there is none, as files are searched by line."""
    return shutil.get_terminal_size((10_000, 24)).columns


def _flat(cell: str) -> str:
    return printable(" ".join(cell.split()))


def _escaped(text: str) -> str:
    return html.escape(printable(text)).replace("\n", "<br>")


def _groups(columns: Sequence[Sequence[str]], room: int) -> list[list[int]]:
    """Places of the columns that stand side by side: all, or as many as have room for `_LEAST` characters each."""
    least = [min(max(map(_wide, column), default=0), _LEAST) for column in columns]
    groups, used = [[0]], least[0]
    for place in range(1, len(columns)):
        if used + len(_GAP) + least[place] > room and len(groups[-1]) > 1:
            groups.append([0])
            used = least[0]
        groups[-1].append(place)
        used += len(_GAP) + least[place]
    return groups


def _laid_out(columns: Sequence[Sequence[str]], room: int) -> list[str]:
    widths = _fitted([max(1, *map(_wide, column)) for column in columns], room)
    head, *rows = (_row(row, widths) for row in zip(*columns, strict=True))
    return [*head, _GAP.join("-" * width for width in widths), *(line for row in rows for line in row)]


def _row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of a row."""
    wrapped = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for at in range(max(map(len, wrapped))):
        parts = [cell[at] if at < len(cell) else "" for cell in wrapped]
        padded = (part + " " * (width - _wide(part)) for part, width in zip(parts, widths, strict=True))
        yield _GAP.join(padded).rstrip()


def _fitted(widths: list[int], room: int) -> list[int]:
    """Widths of columns for which there is room; where it is short, the widest columns give way."""
    widths = list(widths)
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    while over > 0 and max(widths) > 1:
        widest = max(range(len(widths)), key=widths.__getitem__)
        second = max((width for place, width in enumerate(widths) if place != widest), default=1)
        step = min(over, max(1, widths[widest] - second), widths[widest] - 1)
        widths[widest] -= step
        over -= step
    return widths


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many characters, broken between words where that can be."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            joined = f"{line} {word}" if line else word
            if _wide(joined) <= width:
                line = joined
                continue
            lines += [line] * bool(line)
            *full, line = _pieces(word, width)
            lines += full
        lines.append(line)
    return lines


def _pieces(word: str, width: int) -> Iterable[str]:
    """A word in pieces of at most so many characters; one of a double width may stand out of a single column."""
    pieces, piece = [], ""
    for letter in word:
        if piece and _wide(piece + letter) > width:
            pieces.append(piece)
            piece = ""
        piece += letter
    return [*pieces, piece]


def _wide(text: str) -> int:
    """Columns that a text takes in a terminal: letters of East Asian scripts take two, combining marks none."""
    if text.isascii():
        return len(text)
    marks = sum(unicodedata.combining(letter) > 0 for letter in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
