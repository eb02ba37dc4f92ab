"""Words that follow from intervals, so that no verdict can contradict its numbers."""

from collections.abc import Sequence

from polejax.jobs.claims.workbench import Row

HOLDS, FAILS, OPEN = "holds", "fails", "undecided"


def below(one: Row, other: Row) -> str:
    """'holds' where one number's interval lies below the other's, 'fails' where above, 'undecided' where they touch."""
    if one["high"] < other["low"]:
        return HOLDS
    return FAILS if one["low"] > other["high"] else OPEN


def by_place(places: Sequence[str], found: Sequence[str], all_of: str) -> str:
    """As 'holds at every load', or 'holds at 0.9, 0.95, fails at 0.5'.

    Args: places: where each was found; found: words of `below`; all_of: how to say all places, as "at every load".
    """
    if len(set(found)) == 1:
        return f"{found[0]} {all_of}"
    kinds = [kind for kind in (HOLDS, FAILS, OPEN) if kind in found]
    return ", ".join(
        f"{kind} at {', '.join(place for place, one in zip(places, found, strict=True) if one == kind)}"
        for kind in kinds
    )


def times(value: float) -> str:
    """A factor in two or three digits, as '2.4 times'."""
    return f"{value:.2g} times" if value < 100 else f"{value:,.0f} times"
