"""Parameters: the descriptions of scenarios as columns and coordinates, one value a scenario."""

from typing import Any

import numpy as np


def flat(description: Any, path: str = "") -> dict[str, Any]:
    """A scenario's numbers, words and lists of numbers by path; what is large (data, banks) is left out."""
    if isinstance(description, dict):
        if "sha256" in description:
            return {}
        parts = (
            flat(part, f"{path}.{name}" if path else name)
            for name, part in description.items()
            if path or name != "type"
        )
        return {name: value for part in parts for name, value in part.items()}
    return {path: description} if path and not (isinstance(description, str) and len(description) > 100) else {}


def column(values: list[Any]) -> np.ndarray:
    """One parameter's values [scenarios]: numbers where all are (None: NaN), else words."""
    numbers = [float(v) if v in ("inf", "-inf") else np.nan if v is None else v for v in values]
    if all(isinstance(value, bool | int | float) for value in numbers):
        return np.asarray(numbers)
    return np.asarray(["" if value is None else str(value) for value in values])
