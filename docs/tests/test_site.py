"""The built site in a headless Chromium, opened from disk: search, images, widths, both colour schemes, no network.

`make docs-test` builds the site and runs this; the screenshots are in build/docs-screenshots. The browser is the
system's (Debian: `apt-get install chromium`).
"""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

SITE = Path(__file__).parents[2] / "build" / "docs"
PICTURES = SITE.parent / "docs-screenshots"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
LOOKED_AT = (
    *("index", "start", "model", "tutorials/intervals", "how-to/results", "validation", "generated/gallery/index"),
    *("generated/gallery/win_shares", "generated/api/polejax", "generated/config_keys"),
)
WIDTHS = (400, 1_400)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
MEASURES = """() => ({
  width: document.documentElement.scrollWidth,
  broken: [...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src),
  small: [...document.querySelectorAll('article p, article td, article li, article dd')].filter(one =>
    one.innerText && parseFloat(getComputedStyle(one).fontSize) < 11).length,
  paper: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
})"""


class Links(HTMLParser):
    """Addresses and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.found, self.loaded, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {value for name, value in attrs if name in ("id", "name") and value}
        if tag == "a" and given.get("href"):
            self.found.append(given["href"])
        if given.get("src") or (tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload")):
            self.loaded.append(given.get("src") or given["href"])


@pytest.fixture(scope="module")
def parsed():
    assert len(PAGES) > 60, "build the site first: make docs"
    return {page: Links((SITE / page).read_text(encoding="utf-8")) for page in PAGES}


def test_internal_links_lead_somewhere(parsed):
    checked = 0
    for page, links in parsed.items():
        for link in links.found:
            path, _, anchor = unquote(link).partition("#")
            if re.match(r"[a-z]+:", link):
                assert link.startswith(("https://", "mailto:")), (page, link)
                continue
            target = ((SITE / page).parent / path).resolve() if path else (SITE / page).resolve()
            assert target.exists(), (page, link)
            inside = target.relative_to(SITE.resolve()).as_posix()
            if anchor and inside in parsed:
                assert anchor in parsed[inside].anchors, (page, link)
            checked += 1
    assert checked > 5_000


def test_nothing_is_loaded_from_elsewhere(parsed):
    for page, links in parsed.items():
        for address in links.loaded:
            assert not re.match(r"(https?:)?//", address), (page, address)


def test_the_site_is_small_and_the_gallery_large_enough():
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) < 25e6
    gallery = Path(__file__).parents[1] / "gallery"
    scripts = sorted(gallery.glob("*.py"))
    assert len(scripts) >= 12
    for script in scripts:
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 40, script
        assert (SITE / "generated" / "gallery" / f"{script.stem}.html").exists()
        assert list((SITE / "_images").glob(f"sphx_glr_{script.stem}_thumb.png")), script


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make docs-env")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def opened(browser, page, width, scheme):
    """A page in a window, and what its scripts complain of or load from elsewhere."""
    window = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults = []
    window.on("console", lambda told: faults.append(told.text) if told.type in ("error", "warning") else None)
    window.on("pageerror", lambda error: faults.append(str(error)))
    window.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    window.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else faults.append(asked.url))
    window.goto((SITE / page).as_uri())
    return window, faults


def light(colour):
    """Lightness of a colour such as rgb(1, 2, 3), from 0 to 1."""
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_are_readable(browser, width, scheme):
    PICTURES.mkdir(exist_ok=True)
    for page in LOOKED_AT:
        window, faults = opened(browser, f"{page}.html", width, scheme)
        measured = window.evaluate(MEASURES)
        window.screenshot(path=PICTURES / f"{page.replace('/', '-')}-{width}-{scheme}.png")
        assert not faults, (page, faults)
        assert not measured["broken"], (page, measured["broken"])
        assert measured["width"] <= width, (page, measured["width"])
        assert measured["small"] == 0, page
        paper, ink = light(measured["paper"]), light(measured["ink"])
        assert (paper > 0.9 and ink < 0.3) if scheme == "light" else (paper < 0.2 and ink > 0.6), (page, paper, ink)
        window.close()


@pytest.mark.parametrize("word", ["stale", "withholding", "min-plus"])
def test_search_finds(browser, word):
    window, faults = opened(browser, "search.html", 1_400, "light")
    window.goto(f"{(SITE / 'search.html').as_uri()}?q={word}")
    window.wait_for_selector("#search-results ul.search li a", timeout=20_000)
    found = window.locator("#search-results ul.search li a").all_inner_texts()
    window.screenshot(path=PICTURES / f"search-{word}.png")
    assert len(found) >= 1
    assert not faults
    window.close()
