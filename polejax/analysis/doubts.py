"""Doubts: what must be said beside a number, in the same place, because its interval does not cover it."""

from collections.abc import Iterable

FEW = 64
"""Curves a node below which a bank's own bias is told: it falls as 1 / curves (`polejax.bank_estimate`)."""


def replayed(curves: int | None, nodes: int) -> str | None:
    """What intervals of chains that repeat recorded curves leave out; None: of chains that repeat none.

    Blocks of one bank repeat its curves, so that more of them tell the bank's value and not the law's. Of N nodes the
    fastest decides, and among few curves the fastest of N are all alike: the CV of the interval is too small. Measured
    on the digits with 16 nodes, by 10% at 4 curves a node, 3% at 16 and 1% at 64, and the mean too large by 1% at 4.

    Args:
      curves: of the smallest bank (`History.curves`).
      nodes: N.
    """
    if curves is None:
        return None
    told = f"without the bank's error: intervals leave out that of its {curves:,} curves, pj.bank_estimate covers it"
    each = curves / nodes
    if each < FEW:
        told += f"; few curves: {each:.3g} a node make the CV too small, by 10% at 4 a node, 3% at 16, 1% at {FEW}"
    return told


def of_both(first: str | None, second: str | None) -> str | None:
    """The doubts of two numbers that are compared, each once."""
    return joined(dict.fromkeys(doubt for doubt in (first, second) if doubt))


def lines(*doubts: str | None) -> list[str]:
    """Those doubts that there are, for the notes of a table."""
    return [doubt for doubt in doubts if doubt]


def joined(doubts: Iterable[str]) -> str | None:
    """Doubts in one line; None where there are none."""
    return "; ".join(doubts) or None
