"""Words that follow from intervals, so that no verdict can contradict its numbers."""

from collections.abc import Mapping, Sequence

from polejax.jobs.claims.workbench import Row

HOLDS, FAILS, OPEN = "holds", "fails", "undecided"


def below(one: Row, other: Row) -> str:
    """'holds' where one number's interval lies below the other's, 'fails' where above, 'undecided' where they touch."""
    if one["high"] < other["low"]:
        return HOLDS
    return FAILS if one["low"] > other["high"] else OPEN


def by_place(places: Sequence[str], found: Sequence[str], all_of: str, noun: str = "") -> str:
    """As 'holds at every load', or 'holds at loads 0.9 and 0.95, fails at load 0.5'.

    Args: places: where each was found; found: words of `below`; all_of: how to say all places, as "at every load";
    noun: what one place is, as "load".
    """
    if len(set(found)) == 1:
        return f"{found[0]} {all_of}"
    told = []
    for kind in (HOLDS, FAILS, OPEN):
        here = [place for place, one in zip(places, found, strict=True) if one == kind]
        if here:
            named = f"{noun}{'s' * (len(here) > 1)} " if noun else ""
            told.append(f"{kind} at {named}{' and '.join(filter(None, (', '.join(here[:-1]), here[-1])))}")
    return ", ".join(told)


def summed_up(told: Mapping[str, Sequence[str]], loads: Sequence[float]) -> str:
    """'holds if compared at equal interval; fails at equal stale rate', with the loads where they matter."""
    places = [f"{load:g}" for load in loads]
    firm = [label for label, found in told.items() if set(found) == {HOLDS}]
    if len(firm) == len(told):
        return f"holds at every load, {', '.join(firm)}"
    others = [
        f"{by_place(places, found, 'at every load', 'load')} if compared {label}"
        for label, found in told.items()
        if label not in firm
    ]
    return "; ".join([f"holds at every load if compared {' or '.join(firm)}"] * bool(firm) + others)


def times(value: float) -> str:
    """A factor in two or three digits, as '2.4 times'."""
    return f"{value:.2g} times" if value < 100 else f"{value:,.0f} times"
