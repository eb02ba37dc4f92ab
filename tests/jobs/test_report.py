"""Reports: one page of any folder, everything from outside escaped, nothing loaded, looked at in a browser."""

import base64
import json
import re
import types

import browser
import calls_of_results
import calls_of_scenarios
import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

import polejax as pj
from polejax._core.folder import Folder
from polejax._core.record import replace
from polejax.analysis import figure_style
from polejax.analysis.figure_style import Plot
from polejax.attacks import matrix
from polejax.attacks.detection import Honesty, Measures, Roc
from polejax.jobs import attack, attack_report, cli, compare, compare_files
from polejax.jobs.claims import job as claims
from polejax.jobs.claims.section import Section
from polejax.jobs.report import job as report
from polejax.jobs.report.of_attack import with_intervals
from polejax.jobs.report.provenance import command, plain
from polejax.jobs.web_page import Page, Part, from_csv, render

EVIL = "<script>throw Error('outside')</script>"
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 250 100"><script>throw Error("drawn")</script>'
    '<image href="http://127.0.0.1:9/x.png" width="9" height="9"/><rect width="200" height="90" fill="red"/></svg>'
)
NUMBER = calls_of_results.SUMMARY.interval_mean


def write_study(folder):
    near, far = (
        pj.Scenario(calls_of_scenarios.NODES, pj.network.clique(3, seconds), pj.PoW(600.0)) for seconds in (1.0, 90.0)
    )
    pj.study([near, far], 3, 8, folder, names=[EVIL, "far"])


def write_compare(folder):
    difficulty = np.full(calls_of_results.INTERVALS.shape, 600.0, np.float32)
    one, other = (
        replace(history, difficulty=difficulty) for history in (calls_of_results.HISTORY, calls_of_results.CURSED)
    )
    histories = {"PoW": one, "PoLe": other, EVIL: one}
    summaries = {label: pj.summarise(history, calls_of_scenarios.NODES) for label, history in histories.items()}
    scenarios = dict.fromkeys(histories, calls_of_scenarios.SCENARIO) | {
        "PoLe": pj.Scenario(calls_of_scenarios.NODES, pj.network.clique(3, 1.0), calls_of_results.POLE)
    }
    outcome = compare.Outcome(
        histories, scenarios, summaries, calls_of_results.AT_LOADS, (), {"PoW": 1.0}, {"PoW": 0.5}
    )
    compare_files.save(outcome, compare.Settings(seeds=4, zipf=0.5, out=folder), 1.0)
    (folder / "figures" / "evil.svg").write_text(DRAWING)
    (folder / "figures" / "only.png").write_bytes((folder / "figures" / "win_shares.png").read_bytes())


def write_attack(folder):
    names = (*matrix.STRATEGIES, "liar, no margin", "early key")
    rates = pj.Estimate(*np.linspace([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 4).T)
    cell = attack.Cell(
        *[Honesty(*[pj.Estimate(0.75, 0.5, 0.9)] * 4)] * 2,
        *[NUMBER] * 2,
        1.0,
        dict.fromkeys(names, Measures(*[pj.Estimate(0.5, 0.25, 0.75)] * 9, None)),
        dict.fromkeys(names, Roc(np.arange(4.0), rates, rates, NUMBER)),
        {},
        {EVIL: NUMBER},
    )
    Folder(folder, "attack").begin({"seeds": 4}, ("seeds",))
    attack_report.save({("dense", "none"): cell, ("dense", EVIL): cell}, attack.Settings(quick=True, out=folder), 1.0)


def write_claims(folder):
    kept = Folder(folder, "claims")
    manifest = {"quick": True, "curves": 512, "seed": 7}
    kept.begin(manifest, tuple(manifest))
    text = json.dumps({"rows": [{"statistic": EVIL, "value": 1.25, "low": 1.0, "high": 1.5, "law": None}]})
    content = {"rows_json": (("character",), np.frombuffer(text.encode(), np.uint8))}
    (folder / "about.json").write_text(json.dumps({"about": EVIL, "versions": {"jax": jax.__version__}}))
    kept.write("forks.nc", content, {"section": list(claims.SECTIONS).index("forks")})


def told(rows):
    figure = Figure(figsize=(7.0, 1.0))
    figure.subplots().plot([0, 1])
    rows = [{**row, "unit": "ratio", "seeds": 64, "blocks": 128} for row in rows]
    words = ("forks", f"Forks {EVIL}", "`code`", "first\n\nsecond **strong**", "holds", ("a",), ("b",))
    return Section(*words, rows, Plot(figure, {}))


WRITERS = {"study": write_study, "compare": write_compare, "attack": write_attack, "claims": write_claims}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(claims.SECTIONS, "forks", types.SimpleNamespace(tell=told))
        patch.setitem(figure_style.STYLE, "savefig.dpi", 40)  # pages take PNG only where there is no SVG
        for name, write in WRITERS.items():
            (folder / name).mkdir()
            write(folder / name)
            assert report.run(report.Settings(folder / name)) == folder / name / "report.html"
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_a_page_escapes_what_is_from_outside_and_stands_alone(folders, name):
    page = (folders / name / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;throw Error(&#39;outside&#39;)&lt;/script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    images = [address for address in addresses if address.startswith("data:image/")]
    drawn = {"study": 4, "compare": 9, "attack": 3, "claims": 1}[name]
    assert len(images) == drawn
    assert sum(address.startswith("data:image/png") for address in images) == (name == "compare")


def saved(page):
    """CSV files that a page offers, by name."""
    found = re.findall(r'download="([^"]*)" href="data:text/csv;charset=utf-8;base64,([^"]*)"', page)
    return {name: base64.b64decode(content).decode() for name, content in found}


def test_pages_say_what_was_run_and_found(folders):
    pages = {name: (folders / name / "report.html").read_text(encoding="utf-8") for name in WRITERS}
    assert f"polejax compare --seeds 4 --zipf 0.5 --out {folders / 'compare'}" in pages["compare"]
    assert f"polejax attack --quick --out {folders / 'attack'}" in pages["attack"]
    assert "polejax claims --quick --seed 7" in pages["claims"]
    for name in WRITERS:
        assert f"jax {jax.__version__}" in pages[name]
    for page in (pages["compare"], pages["attack"]):
        assert str(NUMBER) in page
    results = pj.open_study(folders / "study")
    assert str(results.summarise("far").stale_per_main) in pages["study"]
    numbers = from_csv(saved(pages["study"])["scenarios.csv"])
    row = next(row for row in numbers.rows if row[:2] == ["far", "interval, mean"])
    assert float(row[3]) == pytest.approx(results.summarise("far").interval_mean.value)
    assert ["1: " + EVIL, "1"] in from_csv(saved(pages["study"])["parameters.csv"]).rows
    assert "load 0.5" in saved(pages["compare"])["service.csv"]
    assert saved(pages["attack"])["layers.csv"] == (folders / "attack" / "layers.csv").read_text()
    assert "<code>code</code>" in pages["claims"]
    assert "<strong>strong</strong>" in pages["claims"]


def test_an_unfinished_study_says_so(folders, tmp_path):
    import shutil

    shutil.copytree(folders / "study", tmp_path / "half")
    next((tmp_path / "half" / "parts").glob("scenario-0001*")).unlink()
    page = report.run(report.Settings(tmp_path / "half", tmp_path / "new" / "page.html")).read_text()
    assert "<strong>Not finished:</strong> 1 shards of 1 scenarios are missing" in page
    shutil.rmtree(tmp_path / "half" / "parts")
    assert "2 shards" in report.run(report.Settings(tmp_path / "half")).read_text()


def break_summary(text):
    return lambda folder: (folder / "summary.json").write_text(text)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: None, "holds no results of compare, study, claims or attack"),
        (break_summary("{"), "summary.json is no JSON"),
        (break_summary("[1]"), "summary.json holds no JSON object"),
        (break_summary("[" * 100_000), "summary.json is no JSON"),
        (break_summary('{"settings": {"learning": {}}}'), "summary.json tells of no mechanism"),
        (break_summary('{"settings": {}}'), "summary.json tells of no mechanism"),
        (break_summary("{}"), "summary.json is other (KeyError"),
        (break_summary('{"settings": {"learning": {}}, "PoW": {"a": 1}}'), "a Summary without interval_mean"),
        (break_summary('{"settings": 3, "PoW": 4}'), "no Summary but int"),
        (lambda folder: (folder / "summary.json").write_bytes(b"\xff\xfe"), "summary.json is no text"),
        (lambda folder: (folder / "summary.json").mkdir(), "summary.json cannot be read"),
        (lambda folder: (folder / "study.json").write_text("{}"), "study.json is damaged"),
        (lambda folder: (folder / "attack.json").write_text("{}"), "about.json is missing"),
        (lambda folder: (folder / "claims.json").write_text("x"), "claims.json is damaged"),
    ],
)
def test_foreign_folders_are_refused_in_one_line(break_it, words, tmp_path, capsys):
    break_it(tmp_path)
    with pytest.raises(SystemExit) as stop:
        cli.main(["report", str(tmp_path)])
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert not (tmp_path / "report.html").exists()


def test_the_command_line_writes_a_page(folders, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["report", str(folders / "study"), "--out", str(tmp_path / "page.html")])
    assert not stop.value.code
    assert capsys.readouterr().out == f"page     {tmp_path / 'page.html'}\n"
    with pytest.raises(SystemExit) as stop:
        cli.main(["report", str(folders / "study"), "--out", str(folders / "study" / "study.json" / "x.html")])
    assert "out must be a file that can be written" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["report", str(tmp_path / "nowhere")])
    assert "which does not exist" in capsys.readouterr().err


def test_commands_repeat_what_was_run():
    made = compare.Settings(nodes=3, load=(0.5,), learning=compare.Learning(task="my task", convolutional=True))
    line = command("compare", plain(made), compare.Settings())
    assert line == "polejax compare --nodes 3 --load 0.5 --learning.task 'my task' --learning.convolutional"
    words = ["--nodes", "3", "--load", "0.5", "--learning.task", "my task", "--learning.convolutional"]
    assert cli.parse(["compare", *words]) == made
    other = attack.Settings(convolutional=False)
    assert command("attack", plain(other), attack.Settings()) == "polejax attack --no-convolutional"


def test_columns_of_ends_become_intervals():
    table = with_intervals(from_csv("model,cost,cost_low,cost_high,too_low\na,0.5,0.25,0.75,x\nb,,,,y\n"))
    assert table.head == ["model", "cost", "too low"]
    assert table.rows == [["a", "0.50 [0.25, 0.75]", "x"], ["b", "", "y"]]


needs_browser = pytest.mark.skipif(browser.CHROMIUM is None, reason="there is no Chromium to look with (apt: chromium)")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser.opened(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def brightness(colour):
    return np.mean([int(part) for part in re.findall(r"\d+", colour)[:3]])


@needs_browser
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(("width", "dark"), [(400, False), (400, True), (1_400, False), (1_400, True)])
def test_pages_read_well_in_a_browser(folders, chromium, name, width, dark):
    look = chromium.look((folders / name / "report.html").as_uri(), width, dark)
    assert look.errors == []
    assert look.requests == []
    seen = look.measures
    assert seen["broken"] == 0
    assert seen["images"] >= 1
    assert seen["width"] <= width
    assert seen["cut"] == 0
    assert seen["smallest"] >= 13
    bright, faint = (seen["ink"], seen["paper"]) if dark else (seen["paper"], seen["ink"])
    assert brightness(bright) - brightness(faint) > 180
    assert "throw Error('outside')" in seen["text"] or name == "claims"
    assert len(look.picture) > 10_000


@needs_browser
def test_the_browser_sees_what_is_wrong(chromium, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<meta name=viewport content='width=device-width'><script>throw Error('here')</script>"
        "<img src=missing.png><p style='width: 900px; font-size: 5px'>wide</p>"
    )
    look = chromium.look(page.as_uri(), 400)
    assert any("here" in str(error) for error in look.errors)
    assert look.requests
    assert look.measures["broken"] == 1
    assert look.measures["width"] > 400
    assert look.measures["smallest"] == 5


def test_a_page_without_anything_is_a_page():
    page = render(Page("empty", [], [], [], [Part("nothing")]))
    assert "<title>empty</title>" in page
    assert "Numbers to save" not in page
