"""The page of a folder of `polejax attack`."""

from pathlib import Path

from polejax._core.tables import Table
from polejax.analysis.estimate import Estimate
from polejax.jobs import attack
from polejax.jobs.report import files, provenance
from polejax.jobs.web_page import Download, Page, Part

_TABLES = {
    "layers": ("Honest nodes", "What each Secure Mapping Layer costs nodes that follow the protocol."),
    "mending": ("What stops what", "The layer or the rule that stops each strategy at the least cost."),
}
_ENDS = ("_low", "_high")


def page(folder: Path) -> Page:
    """What `about.json`, the tables and figures/ say.

    Raises:
      files.Foreign: one of them is not as `polejax attack` writes it, or the attack has not finished.
    """
    if not files.exists(folder / "about.json"):
        raise files.Foreign("about.json is missing: run polejax attack again with the same options, it goes on")
    told = files.entries(folder / "about.json")
    settings = told["settings"]
    parts = [
        Part(title, [text], [with_intervals(files.table(folder / f"{name}.csv", ""))])
        for name, (title, text) in _TABLES.items()
        if files.exists(folder / f"{name}.csv")
    ]
    parts.append(Part("Figures", pictures=files.pictures(folder / "figures")))
    if files.exists(folder / "attacks.csv"):
        attacks = with_intervals(files.table(folder / "attacks.csv", "All strategies behind all layers"))
        parts.append(Part("Attacks", ["What each strategy achieves; steps are the cheats' own."], folded=[attacks]))
    about = [("command", provenance.command("attack", settings, attack.Settings()))]
    about += provenance.told(settings, {"seed": "seed", "seeds": "pairs of victim and cheat"})
    about += provenance.told(told, {"versions": "versions", "machine": "machine", "seconds": "seconds"})
    lead = ["Every attack on every **Secure Mapping Layer**, written by `polejax attack`; estimate [95% interval]."]
    every = provenance.told(settings, {name: name for name in settings})
    figures = [Download(f"figure_{one.name}", one.content) for one in files.downloads(folder / "figures")]
    downloads = [*files.downloads(folder), *figures]
    return Page("Attacks on the Secure Mapping Layer", lead, about, every, parts, downloads)


def with_intervals(table: Table) -> Table:
    """Columns NAME, NAME_low and NAME_high as one, each number with its interval."""
    head = list(table.head)
    chosen = [name for name in head if not name.endswith(_ENDS) or name[: name.rindex("_")] not in head]
    rows = []
    for row in table.rows:
        cells = dict(zip(head, row, strict=True))
        rows.append([_joined(*(cells.get(f"{name}{end}", "") for end in ("", *_ENDS))) for name in chosen])
    return Table([name.replace("_", " ") for name in chosen], rows, table.title, table.notes)


def _joined(value: str, low: str, high: str) -> str:
    try:
        return str(Estimate(float(value), float(low), float(high)))
    except ValueError:
        return value  # a word, or a number without an interval
