"""The claims page: claims.md with its figures, claims.html in one file, and a CSV of every number."""

import base64
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

from polejax._core.devices import machine, versions
from polejax._core.netcdf import write_whole
from polejax._core.paths import checked
from polejax.analysis.csv_files import write_csv
from polejax.analysis.figure_style import save as save_figure
from polejax.jobs.claims.section import Section, word
from polejax.jobs.claims.workbench import Row

_PLAIN = ("statistic", "value", "low", "high", "unit", "seeds", "blocks", "law")
_TITLE = "The claims of Proof of Learning, measured"
_HOW = (
    "**For a reviewer who tries to break it.** Each section says what the paper says (of which the abstract could be "
    "read, the full text not), what was measured, a verdict, a figure, what the verdict depends on and what was not "
    "measured. Verdicts are computed from the numbers: something *holds* or *fails* only where two 95% intervals do "
    "not overlap, and is *undecided* where they do. All numbers stand below each section, and in CSV files beside the "
    "job's results.",
    "**What is simulated.** Nodes train the digits of scikit-learn (a network of 32 hidden units, momentum, at most "
    "2,000 steps, an evaluation every 5) behind a gaussian Secure Mapping Layer of their own; the first whose "
    "validation accuracy reaches the threshold, and whose test accuracy is at most 0.05 lower, makes the block. Half "
    "of the test samples decide nothing. Nodes are equal and 2 s from each other unless said otherwise, a training "
    "step takes one second, and time is work / power, with a log-normal factor of sigma 0.02 a node and round. What "
    "the paper leaves open is read as README's table of readings says. All of it is polejax's defaults: change one, "
    "and run again.",
    "**Where intervals come from.** Chains replay one bank of really trained learning curves. Replayed blocks repeat "
    "the same curves, so that an interval from chains alone would be too short. Here chains and bank are split "
    "into parts that share no curve; each part gives one value, Student's t of the parts is the interval, and the "
    "whole bank's value is corrected by the parts' for having few curves a node (`pj.bank_estimate`). Live rounds, in "
    "which every node really trains, are the control.",
)
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 0.8rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #8888; padding: 0.2rem 0.6rem; text-align: left; }
img { max-width: 100%; background: white; }
.verdict { font-weight: bold; }
"""


def save(sections: list[Section], folder: Path, about: str) -> list[Path]:
    """Write claims.md, claims.html, about.json, figures/ and a CSV for each section; return the paths.

    Args:
      sections: in the order of the page.
      folder: to write into; made if missing.
      about: what was run, one line.

    Raises:
      ValueError: the folder cannot be written to.
    """
    folder = Path(checked("out", folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths: list[Path] = []
        images: dict[str, bytes] = {}
        for section in sections:
            if section.rows:
                paths.append(_write_rows(folder / f"{section.name}.csv", section.rows))
            if section.plot is not None:
                place = folder / "figures" / f"claims_{section.name}"
                drawn = save_figure(section.plot.figure, place, section.plot.columns)
                images[section.name] = next(path for path in drawn if path.suffix == ".png").read_bytes()
                paths += drawn
        for name, text in (
            ("claims.md", "\n".join(markdown(sections, about))),
            ("claims.html", "\n".join(web_page(sections, about, images))),
            ("about.json", json.dumps({"about": about, "versions": versions(), "machine": machine()}, indent=2)),
        ):
            write_whole(str(folder / name), (text + "\n").encode())
            paths.append(folder / name)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"out must be a folder that can be written to, got {folder} ({reason})") from None
    return paths


def lines(sections: list[Section]) -> Iterator[str]:
    """Each claim and its verdict, for the terminal."""
    for section in sections:
        yield f"{section.title}: {section.verdict}"


def markdown(sections: list[Section], about: str, figures: str = "figures") -> Iterator[str]:
    """The page in Markdown; `figures` is the folder of its images."""
    yield f"# {_TITLE}\n"
    yield f"Written by `make claims`, do not edit. {about}.\n"
    yield from (f"{paragraph}\n" for paragraph in _HOW)
    yield "| claim | verdict |"
    yield "|---|---|"
    for section in sections:
        yield f"| [{section.title}](#{_anchor(section.title)}) | {section.verdict} |"
    yield ""
    for section in sections:
        yield f"## {section.title}\n"
        yield f"*What the paper says.* {section.claim}\n"
        yield f"*What was measured.* {section.measured}\n"
        if section.table is not None:
            yield from _lines(section.table)
            yield ""
        yield f"*Verdict.* **{section.verdict}**\n"
        if section.plot is not None:
            yield f"![{section.title}]({figures}/claims_{section.name}.png)\n"
        yield "*It depends on*\n"
        yield from (f"- {one}" for one in section.depends)
        yield "\n*Not measured*\n"
        yield from (f"- {one}" for one in section.not_measured)
        yield ""
        if section.rows:
            yield f"<details><summary>All {len(section.rows)} numbers</summary>\n"
            yield from _lines(table(section.rows))
            yield "\n</details>\n"


def _lines(cells: list[list[str]]) -> Iterator[str]:
    """A table in Markdown."""
    for number, line in enumerate(cells):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
        if not number:
            yield "|" + "---|" * len(line)


def web_page(sections: list[Section], about: str, images: dict[str, bytes]) -> Iterator[str]:
    """The page in HTML, its images within; `images` are PNG by the section's name."""
    yield "<!doctype html><html lang=en><meta charset=utf-8>"
    yield "<meta name=viewport content='width=device-width, initial-scale=1'>"
    yield f"<title>{_TITLE}</title><style>{_STYLE}</style>"
    yield f"<h1>{_TITLE}</h1>"
    yield f"<p>{html.escape(about)}.</p>"
    yield from (f"<p>{_inline(paragraph)}</p>" for paragraph in _HOW)
    yield "<ul>"
    for section in sections:
        yield f"<li><a href='#{section.name}'>{html.escape(section.title)}</a>: {_inline(section.verdict)}</li>"
    yield "</ul>"
    for section in sections:
        yield f"<h2 id='{section.name}'>{html.escape(section.title)}</h2>"
        yield f"<p><i>What the paper says.</i> {_inline(section.claim)}</p>"
        first, *rest = section.measured.split("\n\n")
        yield f"<p><i>What was measured.</i> {_inline(first)}</p>"
        yield from (f"<p>{_inline(paragraph)}</p>" for paragraph in rest)
        if section.table is not None:
            yield from _cells(section.table)
        yield f"<p class=verdict>Verdict: {_inline(section.verdict)}</p>"
        if section.name in images:
            data = base64.b64encode(images[section.name]).decode()
            yield f"<img alt='{html.escape(section.title)}' src='data:image/png;base64,{data}'>"
        for head, found in (("It depends on", section.depends), ("Not measured", section.not_measured)):
            yield f"<p><i>{head}</i></p><ul>" + "".join(f"<li>{_inline(one)}</li>" for one in found) + "</ul>"
        if section.rows:
            yield f"<details><summary>All {len(section.rows)} numbers</summary>"
            yield from _cells(table(section.rows))
            yield "</details>"
    yield "</html>"


def _cells(cells: list[list[str]]) -> Iterator[str]:
    """A table in HTML."""
    yield "<table>"
    for number, line in enumerate(cells):
        kind = "td" if number else "th"
        yield "<tr>" + "".join(f"<{kind}>{_inline(cell)}</{kind}>" for cell in line) + "</tr>"
    yield "</table>"


def unlinked(text: str) -> str:
    """Markdown with the texts of its links alone: they lead to files that a lone page cannot reach."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def _inline(text: str) -> str:
    """HTML of a line of Markdown: its code, strong words and links' texts."""
    text = html.escape(text)
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
    text = unlinked(text)
    return re.sub(r"\*\*([^*]*)\*\*", r"<b>\1</b>", text)


def table(rows: list[Row]) -> list[list[str]]:
    """A header and a line for each row: what it is of, the number with its interval, the law, the sample."""
    parameters = list(dict.fromkeys(name for one in rows for name in one if name not in _PLAIN))
    found = [[*parameters, "statistic", "estimate [95% interval]", "unit", "law", "chains x blocks"]]
    for one in rows:
        law = "" if one["law"] is None else f"{one['law']:.4g}"
        cells = [_cell(one.get(name, "")) for name in parameters]
        sample = f"{one['seeds']:,} x {one['blocks']:,}"
        found.append([*cells, one["statistic"], word(one), one["unit"], law, sample])
    return found


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _write_rows(path: Path, rows: list[Row]) -> Path:
    parameters = list(dict.fromkeys(name for one in rows for name in one))
    write_csv(path, parameters, ([_cell(one.get(name, "")) for name in parameters] for one in rows))
    return path
