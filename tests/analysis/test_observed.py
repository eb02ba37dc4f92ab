"""Real chains: the same summary and figures from time stamps, what is odd about them told, intervals that cover."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from calls_of_results import HISTORY
from scipy import signal, special

import polejax as pj
from polejax._core.tables import Table

GENERATOR = np.random.default_rng(0)
STAMPS = np.cumsum(GENERATOR.exponential(600.0, 401))


def told(blocks, **options):
    return pj.analysis.observed(blocks, **options)


def test_the_summary_is_that_of_the_intervals():
    chain = told(STAMPS)
    interval = np.diff(STAMPS)
    np.testing.assert_array_equal(chain.interval, interval)
    found = chain.summary
    assert found.interval_mean.value == pytest.approx(interval.mean(), rel=1e-12)
    assert found.interval_cv.value == pytest.approx(interval.std(ddof=1) / interval.mean(), rel=1e-12)
    assert found.interval_mean.low < interval.mean() < found.interval_mean.high
    assert (found.num_seeds, found.num_blocks, chain.num_batches, chain.doubt) == (1, 400, 20, None)
    means = np.array([part.mean() for part in np.array_split(interval, 20)])
    half = 2.093 * means.std(ddof=1) / np.sqrt(20)  # batch means, Student's t with 19 degrees of freedom
    assert found.interval_mean.high - found.interval_mean.value == pytest.approx(half, rel=1e-3)


def test_what_stamps_do_not_tell_is_not_invented():
    found = told(STAMPS).summary
    for name in ("stale_per_block", "stale_per_main", "score", "fallback_share"):
        assert np.isnan(tuple(getattr(found, name))).all(), name
    for name in ("claimed", "optimism", "rejected_per_block", "diverged_share", "useful_share", "fairness"):
        assert getattr(found, name) is None, name
    assert found.win_share.value.shape == (0,)
    text = str(told(STAMPS))
    assert "stale blocks are not told by stamps" in text
    assert "stale / " not in text
    assert "nan" not in text


def test_a_csv_gives_what_its_columns_do(tmp_path):
    heights, miners = np.arange(100, 100 + STAMPS.size), np.where(np.arange(STAMPS.size) % 4, "big, pool", "<small>")
    rows = [
        f'{height},{time!r},"{miner}"' for height, time, miner in zip(heights, STAMPS.tolist(), miners, strict=True)
    ]
    path = tmp_path / "blocks.csv"
    path.write_text("\n".join(["Height,Time,Miner", *rows[::-1], ""]), encoding="utf-8")
    chain = told(path)
    assert chain.miners == ("big, pool", "<small>")
    np.testing.assert_allclose(chain.summary.win_share.value, [0.75, 0.25])
    assert chain.summary.interval_mean.value == pytest.approx(np.diff(STAMPS).mean())
    assert "blocks out of order: 400 (" in chain.doubt
    assert "&lt;small&gt;" in chain._repr_html_()
    again = told(STAMPS, miners=miners.tolist(), heights=heights)
    assert str(again.summary) == str(chain.summary)
    dates = np.datetime64("2020-01-01") + (1e9 * STAMPS).astype("timedelta64[ns]")
    path.write_text("\n".join(["n;time", *(f"1;{date}Z" for date in dates.astype("datetime64[us]"))]))
    assert told(path).summary.interval_mean.value == pytest.approx(told(dates).summary.interval_mean.value, rel=1e-8)
    assert told(dates).summary.interval_mean.value == pytest.approx(np.diff(STAMPS).mean(), rel=1e-8)


def test_what_is_odd_is_counted_and_told():
    times = STAMPS.copy()
    times[10] = times[11] + 5.0  # a clock that is fast
    times[20] = times[21]
    heights = np.arange(times.size)
    heights[31] = 30  # two blocks of height 30, none of 31
    gone = np.isin(heights, [50, 51, 70], invert=True)
    chain = told(times[gone], heights=heights[gone])
    assert (chain.num_negative, chain.num_equal, chain.num_repeated) == (1, 1, 1)
    assert chain.num_missing == 4  # 31, 50, 51, 70
    assert chain.num_blocks == 400 - (3 + 3 + 2)
    for words in ("negative intervals: 1 (", "intervals of 0: 1 (", "missing blocks: 4 (", "more than once: 1 ("):
        assert words in chain.doubt
    assert chain.doubt in str(chain)
    unknown = STAMPS.copy()
    unknown[[5, 6, 400]] = np.nan
    assert (told(unknown).num_missing, told(unknown).num_blocks) == (2, 400 - 4)
    telescoped = told(times)
    assert telescoped.summary.interval_mean.value == pytest.approx(np.diff(STAMPS).mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("blocks", "options", "words"),
    [
        ([1.0, 2.0], {}, "blocks must leave at least two intervals, got 1 of 2 stamps"),
        ([], {}, "at least two intervals, got 0 of 0"),
        (STAMPS[::-1], {}, "blocks must have stamps that rise, got 400 of 400 intervals below 0"),
        (np.ones(9), {}, "blocks must have stamps that rise"),
        (STAMPS * 1e9, {}, "stamps in seconds, got .*: divide milliseconds by 1,000"),
        (STAMPS, {"miners": ["a"]}, "miners must be 401 words, one a block"),
        (STAMPS, {"heights": STAMPS}, "heights must be 401 whole numbers"),
        (np.ones((3, 3)), {}, "blocks must be time stamps along one axis"),
        ([0.0, np.inf, 3.0], {}, "blocks must be finite stamps"),
        ("missing.csv", {}, "blocks must be a CSV file, got 'missing.csv'"),
        ("height,when\n1,2\n", {}, "blocks must have a column named time"),
        ("time\n1\nyesterday\n", {}, "time must be seconds or an ISO 8601 date, got 'yesterday' in line 3"),
        ("time,height\n1,1.5\n", {}, "height must be a whole number, got '1.5' in line 2"),
        ("time,height\n1,1\n\n2,-4\n", {}, "height must be a whole number, got '-4' in line 4"),
        ("", {}, "blocks must have a column named time"),
        ("time\n", {}, "at least two intervals, got 0 of 0"),
    ],
)
def test_nonsense_is_refused_in_one_line(blocks, options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(blocks, str) and not blocks.endswith(".csv"):
        (tmp_path / "blocks.csv").write_text(blocks)
        blocks = "blocks.csv"
    with pytest.raises(ValueError, match=words) as refusal:
        told(blocks, **options)
    assert "\n" not in str(refusal.value)


def test_short_chains_say_that_they_do_not_tell_how_exact_they_are():
    chain = told(STAMPS[:6])
    assert (chain.num_batches, chain.summary.interval_mean.high) == (0, np.inf)
    assert "fewer than 10 intervals" in chain.doubt
    slow = np.cumsum(np.repeat([100.0, 900.0], 500))  # a change of law within the chain
    assert "neighbouring batches resemble each other" in told(slow).doubt


def test_few_independent_intervals_are_told():
    """Of log-normal intervals whose logarithms' neighbours correlate by 0.9, 2,000 tell as much as some 150."""
    draw = np.random.default_rng(4)
    noise = draw.normal(size=2_000)
    state = np.empty(2_000)
    state[0] = noise[0]
    for at in range(1, 2_000):
        state[at] = 0.9 * state[at - 1] + np.sqrt(1 - 0.9**2) * noise[at]
    slow = told(np.cumsum(np.exp(0.8 * state)))
    assert 50 < slow.num_independent < 300
    assert "independent intervals" in slow.doubt
    mixed = told(np.cumsum(draw.permutation(np.exp(0.8 * state))))
    assert mixed.num_independent > 1_200
    assert mixed.doubt is None


def test_a_simulated_law_is_drawn_over_measured_intervals():
    late = STAMPS.copy()
    late[10] = late[11] + 5.0
    chain = told(late)
    plot = pj.figures.interval_survival({"measured": chain, "simulated": HISTORY})
    assert "measured, 400 blocks" in plot.figure.axes[0].get_title(loc="right")
    seconds = plot.columns["measured: interval [s]"]
    assert seconds.min() == 0.0
    labels = [text.get_text() for text in plot.figure.axes[0].get_legend().get_texts()]
    assert any(label.startswith("measured (mean ") for label in labels)
    mean = chain.summary.interval_mean.value
    np.testing.assert_allclose(plot.columns["measured: interval [mean intervals]"], seconds / mean)
    pj.figures.interval_quantiles({"measured": chain, "simulated": HISTORY})
    pj.figures.interval_series({"measured": chain, "simulated": HISTORY}, longest=12)
    summaries = {"measured": chain.summary, "simulated": pj.summarise(HISTORY)}
    drawn = pj.figures.variation_and_stale_blocks(summaries, "two chains")
    assert "none of" not in drawn.figure.get_suptitle()
    assert isinstance(chain.tables()[0], Table)


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```pycon\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blocks.csv").write_text("\n".join(["time,miner", *(f"{time},a" for time in STAMPS)]))
    exec(example.replace(">>> ", ""), {"pj": pj, "batch": HISTORY})
    assert "one measured chain, 400 intervals" in capsys.readouterr().out
    assert (tmp_path / "measured.svg").exists()


def covered(stamps, cv):
    """How often 95% intervals hold a mean of 600 s and the CV, over chains."""
    held = np.zeros(2)
    for chain in stamps:
        found = told(chain).summary
        held += [
            found.interval_mean.low <= 600 <= found.interval_mean.high,
            found.interval_cv.low <= cv <= found.interval_cv.high,
        ]
    return held / len(stamps)


@pytest.mark.usefixtures("light_compilation")
def test_intervals_cover_simulated_proof_of_work():
    """Of 300 chains 95% +- 1.3% are expected; 91% is three standard errors below, and 90% of the CV's 94%."""
    scenario = pj.Scenario(pj.nodes.equal(2), pj.network.clique(2, 0.0), pj.PoW(work=600.0))
    keys = jax.random.split(jax.random.key(0), 300)
    interval = np.asarray(pj.simulate_many(keys, scenario, 1_000).interval, np.float64)
    assert (covered(np.cumsum(interval, axis=1), 1.0) > [0.91, 0.90]).all()


def test_intervals_cover_blocks_that_depend_on_each_other():
    """Exponential intervals whose neighbours correlate: taken for independent, they held the mean in 70%."""
    noise = np.random.default_rng(1).normal(size=(300, 1_200)) * np.sqrt(1 - 0.6**2)
    normal = signal.lfilter([1.0], [1.0, -0.6], noise, axis=1)[:, 200:]
    interval = -600.0 * np.log(special.ndtr(-normal))
    assert (covered(np.cumsum(interval, axis=1), 1.0) > [0.91, 0.89]).all()
    naive = np.abs(interval.mean(axis=1) - 600) < 1.96 * interval.std(axis=1) / np.sqrt(interval.shape[1])
    assert naive.mean() < 0.8
