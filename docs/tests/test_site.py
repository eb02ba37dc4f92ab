"""The built site in a headless Chromium, opened from disk: search, images, widths, both colour schemes, no network.

`make docs-test` builds the site and runs this; the screenshots are in build/docs-screenshots. The browser is the
system's (Debian: `apt-get install chromium`).
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import browser

SITE = Path(__file__).parents[2] / "build" / "docs"
PICTURES = SITE.parent / "docs-screenshots"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
LOOKED_AT = (
    *("index", "start", "model", "tutorials/intervals", "how-to/results", "validation", "generated/gallery/index"),
    *("generated/gallery/win_shares", "generated/api/polejax", "generated/config_keys"),
)
WIDTHS = (400, 1_400)
LOADED = "[...document.images].every(image => image.complete)"
FOUND = "document.querySelectorAll('#search-results ul.search li a').length"


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
def chromium(tmp_path_factory):
    """A browser, or a skip that says why there is none."""
    if browser.CHROMIUM is None:
        pytest.skip("there is no Chromium to look with (apt: chromium)")
    PICTURES.mkdir(exist_ok=True)
    with browser.opened(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def light(colour):
    """Lightness of a colour such as rgb(1, 2, 3), from 0 to 1."""
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


def check(look):
    """What must be true of every page."""
    assert not look.errors
    assert not [address for address in look.requests if not address.startswith("file:")]
    assert look.measures["broken"] == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1_400])
@pytest.mark.parametrize("page", LOOKED_AT)
def test_pages_are_readable(chromium, page, width, dark):
    look = chromium.look((SITE / f"{page}.html").as_uri(), width, dark, until=LOADED)
    (PICTURES / f"{page.replace('/', '-')}-{width}-{'dark' if dark else 'light'}.png").write_bytes(look.picture)
    check(look)
    assert look.measures["width"] <= width
    assert look.measures["smallest"] >= 10.5
    paper, ink = light(look.measures["paper"]), light(look.measures["ink"])
    assert (paper < 0.2 and ink > 0.6) if dark else (paper > 0.9 and ink < 0.3)


@pytest.mark.parametrize("word", ["stale", "withholding", "threshold"])
def test_search_finds(chromium, word):
    """The browser waits for a result, and gives up after half a minute."""
    look = chromium.look(f"{(SITE / 'search.html').as_uri()}?q={word}", 1_400, until=FOUND)
    (PICTURES / f"search-{word}.png").write_bytes(look.picture)
    check(look)
    assert "did not match" not in look.measures["text"]


def test_search_says_when_it_finds_nothing(chromium):
    """Else the test above could not fail."""
    look = chromium.look(
        f"{(SITE / 'search.html').as_uri()}?q=xylophone",
        1_400,
        until="document.body.innerText.includes('did not match')",
    )
    check(look)
