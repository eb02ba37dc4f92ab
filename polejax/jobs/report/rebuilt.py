"""Summaries rebuilt from what `polejax.analysis.as_dict` made of them."""

import dataclasses
from typing import Any, TypeVar

import numpy as np

from polejax.analysis.estimate import Estimate
from polejax.jobs.report.files import Foreign

_Record = TypeVar("_Record")
_ENDS = {"value": np.nan, "low": -np.inf, "high": np.inf}  # what None stands for


def rebuilt(kind: type[_Record], entries: Any) -> _Record:
    """A record of a kind from a JSON object of its fields.

    Raises:
      Foreign: a field is missing, or there are others.
    """
    if not isinstance(entries, dict):
        raise Foreign(f"no {kind.__name__} but {type(entries).__name__}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    missing = [
        name
        for name, field in fields.items()
        if name not in entries and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    other = sorted(entries.keys() - fields.keys())
    if missing or other:
        raise Foreign(f"a {kind.__name__} without {missing[0]}" if missing else f"a {kind.__name__} with {other[0]!r}")
    return kind(**{name: _value(part) for name, part in entries.items()})


def _value(part: Any) -> Any:
    if isinstance(part, dict):
        if part.keys() != _ENDS.keys():
            raise Foreign("an estimate without value, low and high")
        return Estimate(*(_numbers(part[name], none) for name, none in _ENDS.items()))
    return tuple(part) if isinstance(part, list) else part


def estimate(part: Any) -> Estimate:
    """An estimate from a JSON object; raises Foreign where it is none."""
    found = _value(part)
    if not isinstance(found, Estimate):
        raise Foreign("an estimate without value, low and high")
    return found


def _numbers(part: Any, none: float) -> Any:
    """Numbers of any shape, with `none` where JSON holds null."""

    def filled(value: Any) -> Any:
        return [filled(one) for one in value] if isinstance(value, list) else none if value is None else float(value)

    try:
        return np.asarray(filled(part), np.float64)[()]
    except (TypeError, ValueError, OverflowError):
        raise Foreign("an estimate of what are no numbers") from None
