"""What was run: the command that repeats it, its parameters, versions and machine, in words."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

About = list[tuple[str, str]]
"""Names and their values in words."""


def command(name: str, settings: Mapping[str, Any], defaults: object) -> str:
    """The command line that gives these settings: options that differ from their defaults.

    Args:
      name: of the command.
      settings: as JSON holds them, nested where the job's are.
      defaults: the job's settings, an object of a dataclass.
    """
    return " ".join(["polejax", name, *_options(settings, plain(defaults), "")])


def plain(settings: object) -> dict[str, Any]:
    """Settings as JSON holds them."""
    return {name: _plain(value) for name, value in dataclasses.asdict(settings).items()}  # type: ignore[call-overload]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _options(settings: Mapping[str, Any], defaults: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, value in settings.items():
        known = defaults.get(name)
        option = f"{path}{name}".replace("_", "-")
        if isinstance(value, dict):
            yield from _options(value, known if isinstance(known, dict) else {}, f"{path}{name}.")
        elif value == known or value is None:
            continue
        elif isinstance(value, bool):
            prefix, _, last = option.rpartition(".")
            yield f"--{option}" if value else f"--{prefix}{'.' * bool(prefix)}no-{last}"
        else:
            listed = value if isinstance(value, list) else [value]
            yield " ".join([f"--{option}", *(shlex.quote(str(part)) for part in listed)])


def in_words(value: Any) -> str:
    """A JSON value in a line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if _large(value) else str(value)


def _large(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000


def told(about: Mapping[str, Any], names: Mapping[str, str]) -> About:
    """Entries of a JSON object that are there, under other names."""
    return [(shown, in_words(about[name])) for name, shown in names.items() if name in about]
