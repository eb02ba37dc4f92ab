"""The page of a folder of `polejax compare`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polejax._core.tables import Table
from polejax.analysis.paired import Comparison
from polejax.analysis.service import ServiceSummary
from polejax.analysis.service_at_loads import ServiceAtLoads
from polejax.analysis.summaries import Summary
from polejax.jobs import compare, compare_tables
from polejax.jobs.compare_files import AGAINST, NOT_MECHANISMS
from polejax.jobs.report import files, provenance
from polejax.jobs.report.rebuilt import estimate, rebuilt
from polejax.jobs.web_page import Download, Page, Part, as_csv


def page(folder: Path) -> Page:
    """What `summary.json` and figures/ say.

    Raises:
      files.Foreign: `summary.json` is not as `polejax compare` writes it.
    """
    told = files.entries(folder / "summary.json")
    settings = told["settings"]
    summaries = {label: rebuilt(Summary, part) for label, part in told.items() if label not in NOT_MECHANISMS}
    if not summaries:
        raise files.Foreign("summary.json tells of no mechanism")
    mechanisms = compare_tables.mechanisms(summaries)
    parts = [Part("Block intervals and stale blocks", tables=[mechanisms])]
    downloads = [as_csv("mechanisms.csv", mechanisms)]
    if AGAINST in told:
        paired = rebuilt(Comparison, told[AGAINST]).tables()
        parts.append(Part("PoLe against PoW, seed by seed", ["Ratios and differences of PoLe to PoW."], paired))
    if "service of" in told:
        service = _service(told["service"], told["service of"])
        parts.append(Part("Transactions", tables=service.tables()))
        downloads.append(as_csv("service.csv", service.tables()[0]))
    nodes = [table for label, one in summaries.items() for table in _by_node(label, one)]
    parts.append(Part("Nodes", folded=nodes))
    parts.append(Part("Figures", pictures=files.pictures(folder / "figures")))
    about = [("command", provenance.command("compare", settings, compare.Settings()))]
    about += provenance.told(settings, {"seed": "seed", "seeds": "chains of each", "blocks": "blocks of a chain"})
    about += provenance.told(told, {"versions": "versions", "machine": "machine", "seconds": "seconds"})
    every = provenance.told(settings, {name: name for name in settings if name != "learning"})
    every += provenance.told(settings["learning"], {name: f"learning: {name}" for name in settings["learning"]})
    lead = ["Really trained **Proof of Learning** against **Proof of Work**, written by `polejax compare`."]
    figures = [Download(f"figure_{one.name}", one.content) for one in files.downloads(folder / "figures")]
    return Page("Proof of Learning against Proof of Work", lead, about, every, parts, [*downloads, *figures])


def _by_node(label: str, summary: Summary) -> list[Table]:
    return [table.titled(f"{label}, {table.title}") for table in summary.tables()[1:]]


def _service(found: Mapping[str, Any], told: Mapping[str, Any]) -> ServiceAtLoads:
    """The service of all mechanisms from JSON, whose keys are words."""
    summaries = {
        label: {float(load): None if one is None else rebuilt(ServiceSummary, one) for load, one in by_load.items()}
        for label, by_load in found.items()
    }
    needed = {label: {float(load): int(one) for load, one in by.items()} for label, by in told["needed"].items()}
    intervals = {label: estimate(one) for label, one in told["intervals"].items()}
    return ServiceAtLoads(summaries, needed, intervals, int(told["capacity"]))
