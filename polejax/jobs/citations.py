"""Citations: BibTeX of exactly the works that a scenario, or any public function, is built on.

Sources stand in docstrings and nowhere else: what a part is built on is what its docstring says after "Source:".
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from polejax._core import checks
from polejax._core.version import __version__
from polejax.consensus import difficulty
from polejax.consensus.scenario import Scenario
from polejax.jobs.references import POLEJAX, REFERENCES, Reference
from polejax.learning import tasks
from polejax.learning.tasks.task import Task

_PARTS = "a polejax.Scenario, a part of one, or a public function or class of polejax"


def cite(*parts: Any) -> str:
    """BibTeX of what to cite for scenarios, parts of them, and functions: polejax, and the sources of each, once.

    A scenario names the classes that it is made of, but not which function made it: pass presets of
    `polejax.protocols`, `polejax.network.internet`, random graphs, attacks and formulas as well.

    Args:
      parts: scenarios, parts of scenarios, and public functions or classes of polejax.

    Returns:
      BibTeX entries, polejax's first; the rest in the order in which the parts name them. Parts that are polejax's own
      work ("ours") add none.

    Raises:
      ValueError: a part that polejax does not define.
    """
    found: dict[str, Reference] = {}
    for index, part in enumerate(parts):
        for one in _documented(part, f"parts[{index}]"):
            found |= {reference.key: reference for reference in sources(one)}
    own = POLEJAX.bibtex.replace("\n}", f",\n  version = {{{__version__}}}\n}}")
    return "\n\n".join([own, *(reference.bibtex for reference in found.values())])


def sources(documented: Any) -> list[Reference]:
    """The works that the docstring of a class or function names after "Source:", in the order of the text."""
    text = source_text(documented)
    places = {
        reference: min((text.find(word) for word in reference.words if word in text), default=-1)
        for reference in REFERENCES
    }
    return sorted((reference for reference, place in places.items() if place >= 0), key=places.__getitem__)


def source_text(documented: Any) -> str:
    """What the docstring of a class or function says after "Source:", on one line; empty where it says nothing."""
    found = re.search(r"Source:(.*?)(?:\n\n|\Z)", inspect.getdoc(documented) or "", re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _documented(part: Any, name: str) -> Iterator[Any]:
    """Classes and functions whose docstrings say what a part is built on."""
    if inspect.isclass(part) or inspect.isroutine(part):
        if not str(part.__module__).startswith("polejax"):
            raise ValueError(f"{name} must be {_PARTS}, got {checks.shown(part)} of {part.__module__}")
        yield part
    elif type(part).__module__.startswith("polejax") and dataclasses.is_dataclass(part):
        yield from _of_record(part)
    elif isinstance(part, Scenario | Task):
        yield from _of_record(part)
    else:
        raise ValueError(f"{name} must be {_PARTS}, got {checks.shown(part)}")


def _of_record(part: Any) -> Iterator[Any]:
    """The class of a record, what made it where its docstring has no source, and the same of all its fields."""
    yield _made_by(part)
    for field in dataclasses.fields(part):
        value = vars(part).get(field.name)
        for inner in value if isinstance(value, tuple | list) else [value]:
            if dataclasses.is_dataclass(inner) and type(inner).__module__.startswith("polejax"):
                yield from _of_record(inner)


def _made_by(part: Any) -> Any:
    """What tells the source of a record: a rule's constructor and a task's reader say more than their classes."""
    match part:
        case difficulty.Ethereum(uncles=uncles):
            return difficulty.byzantium if uncles else difficulty.homestead
        case difficulty.Window():
            return difficulty.window
        case difficulty.Asert():
            return difficulty.asert
        case difficulty.MovingAverage():
            return difficulty.ema
        case Task(name="digits"):
            return tasks.digits
    return type(part)
