"""Progress of long work: nothing before it begins, bars in a terminal, sparse lines elsewhere."""

import io

import pytest
from rich.console import Console

from polejax._core.progress import Meter
from polejax.jobs import progress_bars


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, highlight=False)


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_is_written_before_work_is_reported(terminal):
    where = console(terminal)
    with pytest.raises(ValueError, match="refused"), progress_bars.shown(where):
        raise ValueError("refused")
    assert where.file.getvalue() == ""


def test_files_and_pipes_get_a_line_for_each_part_and_one_in_a_while(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress_bars.time, "monotonic", lambda: clock[0])
    where = console(False)
    with progress_bars.shown(where) as report:
        for label in ("PoLe", "PoW"):
            meter = Meter(report, 100, "blocks", label=label)
            meter.add(0)
            for _ in range(100):
                clock[0] += 1.0
                meter.add(1)
    lines = where.file.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        *(f"PoLe: {done} of 100 blocks ({done}%)" for done in (30, 60, 90, 100)),
        *(f"PoW: {done} of 100 blocks ({done}%)" for done in (30, 60, 90, 100)),
    ]


def test_a_terminal_has_a_bar_for_what_is_under_way_and_a_line_for_what_is_done():
    where = console(True)
    with progress_bars.shown(where) as report:
        for label in ("dense", "evil\x1b[2J"):
            meter = Meter(report, 3, "attacks", label=label)
            meter.add(0)
            meter.add(1)
            assert label == "dense" or "compiling" in where.file.getvalue()
            meter.add(2)
        Meter(report, 2, "curves", before=2).add(0)  # all on disk already
    text = where.file.getvalue()
    assert "dense: 3 of 3 attacks (100%)" in text
    assert "2 of 2 curves (100%)" in text
    assert "\x1b[2J" not in text


def test_two_parts_at_once():
    where = console(True)
    with progress_bars.shown(where) as report:
        first, second = (Meter(report, 2, "blocks", label=label) for label in ("one", "two"))
        for meter in (first, second, second, first):
            meter.add(1)
    text = where.file.getvalue()
    assert text.index("two: 2 of 2") < text.index("one: 2 of 2")
