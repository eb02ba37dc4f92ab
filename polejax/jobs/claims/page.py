"""The claims page: claims.md with its figures, claims.html in one file, and a CSV of every number."""

import base64
import html
import json
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
        yield f"    {section.measured}"


def markdown(sections: list[Section], about: str, figures: str = "figures") -> Iterator[str]:
    """The page in Markdown; `figures` is the folder of its images."""
    yield "# The claims of Proof of Learning, measured\n"
    yield f"Written by `polejax claims`: {about}. Every number has a 95% interval that includes the error of the bank"
    yield "of learning curves; readings of the protocol are ours where the paper leaves them open (README).\n"
    yield "| claim | verdict |"
    yield "|---|---|"
    for section in sections:
        yield f"| [{section.title}](#{_anchor(section.title)}) | {section.verdict} |"
    yield ""
    for section in sections:
        yield f"## {section.title}\n"
        yield f"*What the paper says.* {section.claim}\n"
        yield f"*What was measured.* {section.measured}\n"
        yield f"*Verdict.* **{section.verdict}**\n"
        if section.plot is not None:
            yield f"![{section.title}]({figures}/claims_{section.name}.png)\n"
        yield f"*It depends on* {'; '.join(section.depends)}.\n"
        yield f"*Not measured:* {'; '.join(section.not_measured)}.\n"
        header, *body = table(section.rows)
        yield f"<details><summary>All {len(body)} numbers</summary>\n"
        yield "| " + " | ".join(header) + " |"
        yield "|" + "---|" * len(header)
        for cells in body:
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield "\n</details>\n"


def web_page(sections: list[Section], about: str, images: dict[str, bytes]) -> Iterator[str]:
    """The page in HTML, its images within; `images` are PNG by the section's name."""
    yield "<!doctype html><html lang=en><meta charset=utf-8>"
    yield "<meta name=viewport content='width=device-width, initial-scale=1'>"
    yield f"<title>Claims of Proof of Learning</title><style>{_STYLE}</style>"
    yield "<h1>The claims of Proof of Learning, measured</h1>"
    yield f"<p>Written by <code>polejax claims</code>: {html.escape(about)}."
    yield "Every number has a 95% interval that includes the error of the bank of learning curves.</p><ul>"
    for section in sections:
        yield f"<li><a href='#{section.name}'>{html.escape(section.title)}</a>: {html.escape(section.verdict)}</li>"
    yield "</ul>"
    for section in sections:
        yield f"<h2 id='{section.name}'>{html.escape(section.title)}</h2>"
        yield f"<p><i>What the paper says.</i> {html.escape(section.claim)}</p>"
        yield f"<p><i>What was measured.</i> {html.escape(section.measured)}</p>"
        yield f"<p class=verdict>Verdict: {html.escape(section.verdict)}</p>"
        if section.name in images:
            data = base64.b64encode(images[section.name]).decode()
            yield f"<img alt='{html.escape(section.title)}' src='data:image/png;base64,{data}'>"
        yield f"<p>It depends on {html.escape('; '.join(section.depends))}.</p>"
        yield f"<p>Not measured: {html.escape('; '.join(section.not_measured))}.</p>"
        header, *body = table(section.rows)
        yield f"<details><summary>All {len(body)} numbers</summary><table><tr>"
        yield "".join(f"<th>{html.escape(cell)}</th>" for cell in header) + "</tr>"
        for cells in body:
            yield "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        yield "</table></details>"
    yield "</html>"


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
    return title.lower().replace(" ", "-").replace(",", "")


def _write_rows(path: Path, rows: list[Row]) -> Path:
    parameters = list(dict.fromkeys(name for one in rows for name in one))
    write_csv(path, parameters, ([_cell(one.get(name, "")) for name in parameters] for one in rows))
    return path
