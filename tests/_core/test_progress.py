"""Progress: one record for every long call, which prints as a line."""

import pytest

from polejax._core.progress import Meter, Progress


@pytest.mark.smoke
def test_a_line_says_how_far_it_is():
    told = Progress(4_096_000, 8_192_000, "blocks", 3.5, 1_170_000.0, 3.5)
    assert str(told) == "4,096,000 of 8,192,000 blocks (50%), 1,170,000 blocks/s, 4 s left"
    assert str(Progress(0, 8, "curves", 0.0, 0.0, float("inf"), "bank")) == "bank: 0 of 8 curves (0%)"
    assert str(Progress(1, 8, "curves", 2.0, 0.5, 14.0)) == "1 of 8 curves (12%), 0.5 curves/s, 14 s left"


def test_a_meter_counts_what_this_call_has_done():
    seen = []
    meter = Meter(seen.append, 100, "blocks", before=40)
    for count in (0, 20, 40):
        meter.add(count)
    assert [told.done for told in seen] == [40, 60, 100]
    assert (seen[0].rate, seen[0].left) == (0.0, float("inf"))
    assert seen[1].rate == pytest.approx(20 / seen[1].seconds)
    assert seen[1].left == pytest.approx(2 * seen[1].seconds)
    assert seen[2].left == 0.0
    Meter(None, 1, "blocks").add(1)
