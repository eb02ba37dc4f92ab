"""Web pages of results: one file without scripts that loads nothing, light or dark as the reader's system is.

Everything that is not a page's own layout is escaped (jinja2's autoescape); figures are images in `data:` addresses, in
which a drawing's scripts do not run; a content security policy forbids the page to load anything.
"""

import base64
import csv
import dataclasses
import io
import math
import re
from collections.abc import Sequence

import markupsafe

from polejax._core.printable import printable
from polejax._core.tables import Table
from polejax.analysis.csv_files import csv_text
from polejax.analysis.figure_style import WIDTH

_DOTS = 300  # an inch, of PNG
KINDS = {"svg": "image/svg+xml", "png": "image/png"}
"""Kinds of figures, and what browsers call them."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
      name: of it, in words.
      kind: "svg" or "png".
      content: bytes of its file.
    """

    name: str
    kind: str
    content: bytes

    @property
    def wide(self) -> bool:
        """Whether it has several panels side by side, or is of an unknown size; others are a column of a paper wide."""
        if self.kind == "png":
            inches = int.from_bytes(self.content[16:20]) / _DOTS
        else:
            found = re.search(rb'viewBox="0 0 ([0-9.]+) ', self.content[:2_000])
            inches = float(found.group(1)) / 72 if found else math.inf
        return inches > 1.2 * WIDTH

    @property
    def address(self) -> str:
        """The figure itself as an address."""
        return f"data:{KINDS[self.kind]};base64,{base64.b64encode(self.content).decode()}"


@dataclasses.dataclass(frozen=True)
class Download:
    """A CSV file that readers can save.

    Attributes:
      name: of the file.
      content: bytes of it.
    """

    name: str
    content: bytes

    @property
    def address(self) -> str:
        """The file itself as an address."""
        return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(self.content).decode()}"


@dataclasses.dataclass(frozen=True)
class Part:
    """A section of a page.

    Attributes:
      title: of it.
      texts: paragraphs, in which `code` and **strong words** are marked as in Markdown.
      tables: shown at once.
      pictures: figures.
      folded: tables that readers open.
      points: lists, each with a line above it.
    """

    title: str
    texts: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    folded: Sequence[Table] = ()
    points: Sequence[tuple[str, Sequence[str]]] = ()


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of results.

    Attributes:
      title: of it.
      lead: paragraphs below the title, marked as those of `Part`.
      about: what was run: names, and their values in words.
      settings: all parameters likewise, which readers open.
      parts: sections, in order.
      downloads: CSV files to save.
    """

    title: str
    lead: Sequence[str]
    about: Sequence[tuple[str, str]]
    settings: Sequence[tuple[str, str]]
    parts: Sequence[Part]
    downloads: Sequence[Download] = ()


def render(page: Page) -> str:
    """The page as HTML."""
    import jinja2

    loader = jinja2.PackageLoader("polejax.jobs", ".")
    world = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    world.filters |= {"marked": marked, "plain": printable}
    return world.get_template("web_page.html").render(page=page)


def marked(text: str) -> markupsafe.Markup:
    """A paragraph as HTML: escaped, then its `code` and **strong words** marked; of links only the words are kept."""
    escaped = str(markupsafe.escape(printable(text)))
    escaped = re.sub(r"`([^`]*)`", r"<code>\1</code>", escaped)
    escaped = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", escaped)
    return markupsafe.Markup(re.sub(r"\*\*([^*]*)\*\*", r"<strong>\1</strong>", escaped))


def as_csv(name: str, table: Table) -> Download:
    """A table as a CSV file to save."""
    return Download(name, csv_text(table.head, table.rows).encode(errors="backslashreplace"))


def from_csv(text: str, title: str = "") -> Table:
    """The table that a CSV file holds; short rows end in empty cells.

    Raises:
      ValueError: it is no CSV, or a row is longer than the first.
    """
    try:
        head, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return Table(head, [[*row, *[""] * (len(head) - len(row))] for row in rows], title)
