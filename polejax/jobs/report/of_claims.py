"""The page of a folder of `polejax claims`."""

import json
from pathlib import Path

import numpy as np

from polejax._core.folder import Folder
from polejax._core.tables import Table
from polejax.analysis.figure_style import as_svg
from polejax.jobs.claims import job
from polejax.jobs.claims import page as claims_page
from polejax.jobs.claims.section import Section
from polejax.jobs.report import files, provenance
from polejax.jobs.web_page import Download, Page, Part, Picture, as_csv


def page(folder: Path) -> Page:
    """What the sections on disk say; figures are drawn from their numbers.

    Raises:
      StudyError: the folder is damaged.
      files.Foreign: a section is not as `polejax claims` writes it.
    """
    kept = Folder(folder, "claims")
    manifest = kept.manifest(("quick", "curves", "seed"))
    sections = [_section(kept, name) for name in job.SECTIONS if kept.has(f"{name}.nc")]
    missing = [name for name in job.SECTIONS if not kept.has(f"{name}.nc")]
    verdicts = Table(["claim", "verdict"], [[one.title, one.verdict] for one in sections])
    lead = [
        "Each claim of the paper, measured by `polejax claims`. Every number has a 95% interval that includes the "
        "error of the bank of learning curves."
    ]
    if missing:
        lead.append(f"**Not finished:** {', '.join(missing)}; the same command goes on.")
    parts = [Part("Verdicts", tables=[verdicts]), *map(part, sections)]
    about = [("command", f"polejax claims{' --quick' * bool(manifest['quick'])} --seed {manifest['seed']}")]
    about += [(name, provenance.in_words(manifest[name])) for name in ("curves", "seed", "quick")]
    if files.exists(folder / "about.json"):
        told = files.entries(folder / "about.json")
        about += provenance.told(told, {"about": "written by", "versions": "versions", "machine": "machine"})
    downloads: list[Download] = []
    for one in filter(lambda section: section.rows, sections):
        header, *body = claims_page.table(one.rows)
        downloads.append(as_csv(f"{one.name}.csv", Table(header, body)))
    return Page("The claims of Proof of Learning, measured", lead, about, [], parts, downloads)


def part(section: Section) -> Part:
    """A section of the page: the claim, what was measured, the verdict and what it depends on."""
    first, *rest = claims_page.unlinked(section.measured).split("\n\n")
    texts = [f"What the paper says: {section.claim}", f"What was measured: {first}", *rest]
    tables = [] if section.table is None else [Table(section.table[0], section.table[1:])]
    header, *body = claims_page.table(section.rows)
    pictures = [] if section.plot is None else [Picture(section.title, "svg", as_svg(section.plot.figure))]
    return Part(
        section.title,
        [*texts, f"**Verdict: {section.verdict}**"],
        tables=tables,
        pictures=pictures,
        points=[("It depends on", section.depends), ("Not measured", section.not_measured)],
        folded=[Table(header, body, "All numbers")] if section.rows else [],
    )


def _section(kept: Folder, name: str) -> Section:
    variables, _ = kept.read(f"{name}.nc", {"section": list(job.SECTIONS).index(name)})
    try:
        rows = json.loads(np.asarray(variables["rows_json"]).tobytes())["rows"]
        section: Section = job.SECTIONS[name].tell(rows)
    except (KeyError, IndexError, TypeError, ValueError, StopIteration) as error:
        raise files.Foreign(f"parts/{name}.nc does not hold what this version measures ({error!r:.60})") from None
    return section
