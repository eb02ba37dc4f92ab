"""Figures: the same bytes on every run, a CSV of exactly what was given, and what each must say."""

import csv
import dataclasses
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from handmade import history
from matplotlib import pyplot

from polejax import Scenario, network
from polejax._core.record import replace
from polejax.analysis import figures, summaries
from polejax.consensus import nodes
from polejax.consensus.claims import Learning
from polejax.mechanisms.pow import PoW

SEEDS, HEIGHTS, POINTS = 4, 30, 6


@dataclasses.dataclass(frozen=True)
class Learner:
    """What `write_all` asks of a mechanism that learns."""

    recipe: Any
    rules: Any


@pytest.fixture(scope="module")
def histories():
    rng = np.random.default_rng(5)
    shape = (SEEDS, HEIGHTS)
    settled = np.arange(HEIGHTS) < np.array([30, 29, 30, 27])[:, None]
    ends = rng.integers(2, POINTS + 1, shape)
    curve = np.where(np.arange(POINTS) < ends[..., None], np.linspace(0.3, 0.9, POINTS), 0.0).astype(np.float32)
    zeros = np.zeros(shape, np.float32)
    learning = Learning(claimed=zeros, rejected=zeros.astype(np.int32), diverged=zeros.astype(bool), curve=curve)

    def draw(interval, **fields):
        producer = rng.integers(0, 3, shape).astype(np.int32)
        stale = rng.random(shape) < 0.1
        return history(interval, producer=producer, stale=stale, settled=settled, **fields)

    return {
        "PoW": draw(rng.exponential(600.0, shape)),
        "PoLe": draw(rng.gamma(50.0, 12.0, shape), learning=learning),
    }


@pytest.fixture(scope="module")
def scenarios():
    powers, delays = nodes.from_shares([50, 30, 20]), network.clique(3, 2.0)
    pow_ = Scenario(powers, delays, PoW(work=600.0))
    pole = replace(pow_, mechanism=Learner(SimpleNamespace(evaluate_every=5), SimpleNamespace(threshold=0.9)))
    return {"PoLe": pole, "PoW": pow_}


@pytest.fixture(scope="module")
def plots(histories, scenarios):
    powers = {label: scenario.nodes for label, scenario in scenarios.items()}
    of_all = {label: summaries.summarise(each, powers[label]) for label, each in histories.items()}
    return {
        "survival": figures.interval_survival(histories),
        "quantiles": figures.interval_quantiles(histories),
        "series": figures.interval_series(histories, seed=3),
        "rates": figures.variation_and_stale_blocks(of_all, "4 seeds × 30 blocks each"),
        "wins": figures.win_shares(of_all, powers, "4 seeds × 30 blocks each"),
        "equal": figures.win_shares(of_all, dict.fromkeys(of_all, nodes.equal(3)), "4 seeds × 30 blocks each"),
        "unequal": figures.win_shares(of_all, dict.fromkeys(of_all, nodes.from_shares([90, 9, 1])), "4 seeds × 30"),
        "learning": figures.learning_curves(histories["PoLe"], evaluate_every=5, threshold=0.9),
    }


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_every_file_has_the_same_bytes_on_a_second_run(histories, scenarios, tmp_path):
    matplotlib.rcParams["font.size"] = 30  # the user's style is neither used nor changed
    first = figures.write_all(histories, scenarios, tmp_path / "one")
    matplotlib.rcdefaults()
    second = figures.write_all(histories, scenarios, tmp_path / "two")
    assert [path.name for path in first] == [path.name for path in second]
    assert {path.suffix for path in first} == {".pdf", ".png", ".svg", ".csv"}
    assert len(first) == 4 * 6
    assert "learning_curves_pole.pdf" in {path.name for path in first}
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
        assert len(one.read_bytes()) > 100
        content = one.read_bytes().lower().replace(b"matplotlib.axis_", b"")  # names of elements of SVG
        assert b"matplotlib" not in content, one.name  # no version of the program
    assert pyplot.get_fignums() == []


def test_figures_are_a_column_wide_and_say_sample_size_and_units(plots):
    for name, plot in plots.items():
        assert plot.figure.get_figwidth() == 3.5, name
        assert f"{SEEDS} seeds × {HEIGHTS}" in texts(plot.figure), name
        for axes in plot.figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                assert axis.label.get_fontsize() <= 8
        labels = texts(plot.figure)
        assert "[" in labels or name == "survival", name
    assert "95% DKW band, n = 116" in texts(plots["survival"].figure)
    assert "95% intervals" in texts(plots["rates"].figure)


def test_mechanisms_differ_in_colour_line_and_marker(plots):
    lines = [line for line in plots["survival"].figure.axes[0].lines if "mean" in str(line.get_label())]
    assert len({line.get_color() for line in lines}) == len({line.get_linestyle() for line in lines}) == 2
    points = [line for line in plots["quantiles"].figure.axes[0].lines if "mean" in str(line.get_label())]
    assert len({line.get_color() for line in points}) == len({line.get_marker() for line in points}) == 2


def test_csv_holds_what_is_drawn_and_that_is_what_was_given(plots, histories, tmp_path):
    for name, plot in plots.items():
        path = figures.save(plot.figure, tmp_path / name, plot.columns)[-1]
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header == list(plot.columns)
        for column, cells in zip(plot.columns.values(), zip(*rows, strict=True), strict=True):
            cells = [cell for cell in cells if cell]
            if column.dtype.kind == "U":
                assert cells == column.tolist()
            else:
                np.testing.assert_allclose(np.array(cells, float), column, rtol=1e-8)
    for label, each in histories.items():
        given = np.sort(each.interval[each.settled])
        np.testing.assert_array_equal(plots["survival"].columns[f"{label}: interval [s]"][1:], given)
        np.testing.assert_array_equal(plots["series"].columns[f"{label}: interval [s]"], each.interval[3, :27])
        np.testing.assert_array_equal(plots["series"].columns[f"{label}: height [blocks]"], np.arange(1, 28))
        assert np.isin(plots["quantiles"].columns[f"{label}: interval quantile [s]"], given).all()
    drawn = plots["survival"].figure.axes[0].lines[0].get_xydata()
    columns = plots["survival"].columns
    np.testing.assert_array_equal(drawn[:, 0], columns["PoW: interval [mean intervals]"])
    np.testing.assert_array_equal(drawn[:, 1], columns["PoW: survival [probability]"])
    assert columns["PoW: survival [probability]"][1] == 1 - 1 / 116


def test_win_shares_are_set_beside_each_other_but_listed_as_they_are(plots):
    for name, powers in (("wins", [0.5, 0.3, 0.2]), ("equal", [1 / 3] * 3), ("unequal", [0.9, 0.09, 0.01])):
        columns = plots[name].columns
        np.testing.assert_allclose(columns["PoW: power share [fraction]"], powers, rtol=1e-6)
        place = "PoW: drawn at [node]" if name == "equal" else "PoW: drawn at [fraction]"
        assert (columns[place] < columns[place.replace("PoW", "PoLe")]).all()
        axes = plots[name].figure.axes[0]
        assert axes.get_xscale() == ("log" if name == "unequal" else "linear")
    assert "node (all of equal power)" in texts(plots["equal"].figure)


def test_winners_keep_their_last_accuracy_and_unsettled_blocks_are_left_out(plots, histories):
    columns, pole = plots["learning"].columns, histories["PoLe"]
    curves = pole.learning.curve[pole.settled]
    held = np.maximum.accumulate(curves, axis=1)  # these only rise
    np.testing.assert_array_equal(columns["training steps"], 5 * np.arange(1, POINTS + 1))
    np.testing.assert_allclose(columns["median [accuracy]"], np.median(held, axis=0), rtol=1e-6)
    np.testing.assert_allclose(columns["10% [accuracy]"], np.quantile(held, 0.1, axis=0), rtol=1e-6)
    np.testing.assert_allclose(columns["still training [share]"], (curves > 0).mean(axis=0))
    single = columns["block 1 [accuracy]"]
    np.testing.assert_array_equal(np.nan_to_num(single), curves[0])


def test_large_samples_are_thinned_without_losing_their_tail():
    interval = np.random.default_rng(6).exponential(600.0, (20, 5_000)).astype(np.float32)
    columns = figures.interval_survival({"PoW": history(interval)}).columns
    drawn, survival = columns["PoW: interval [s]"], columns["PoW: survival [probability]"]
    assert drawn.size <= 401
    np.testing.assert_array_equal(drawn[-3:], np.sort(interval, axis=None)[-3:])
    for x, probability in zip(drawn[1::50], survival[1::50], strict=True):
        np.testing.assert_allclose((interval > x).mean(), probability, atol=1e-12)


def test_one_chain_is_drawn_without_bars(tmp_path):
    alone = {"PoW": history(np.random.default_rng(7).exponential(600.0, 50), producer=np.arange(50) % 3)}
    scenario = Scenario(nodes.equal(3), network.instant(3), PoW(work=600.0))
    assert len(figures.write_all(alone, {"PoW": scenario}, tmp_path)) == 20
    assert "1 seed × 50 blocks" in texts(figures.interval_survival(alone).figure)
    of_all = {"PoW": summaries.summarise(alone["PoW"])}
    for plot in (
        figures.variation_and_stale_blocks(of_all, "1 seed"),
        figures.win_shares(of_all, {"PoW": nodes.equal(3)}, "1 seed"),
    ):
        assert "one chain: no intervals" in texts(plot.figure)  # points without bars look exact


def test_long_names_do_not_run_into_each_other(histories):
    summary = summaries.summarise(histories["PoW"])
    names = ["PoW, difficulty fixed", "PoW, window of 10 blocks", "gamma work of shape 16"]
    figure = figures.variation_and_stale_blocks(dict.fromkeys(names, summary), "4 seeds").figure
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    assert {label.get_text() for axes in figure.axes for label in axes.get_xticklabels()} == {""}


def test_what_cannot_be_drawn_is_named(histories, scenarios, tmp_path):
    bad = [
        (lambda: figures.learning_curves(histories["PoW"], 5, 0.9), "history must record learning curves"),
        (lambda: figures.interval_survival({}), "histories must hold 1 to 7 labels"),
        (lambda: figures.interval_survival({"x": history(np.ones(2), settled=np.zeros(2, bool))}), "settled heights"),
        (lambda: figures.write_all(histories, {"PoW": scenarios["PoW"]}, tmp_path), "scenarios must have the labels"),
    ]
    for call, message in bad:
        with pytest.raises(ValueError, match=message):
            call()
