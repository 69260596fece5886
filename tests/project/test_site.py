"""The site in a browser, wide and narrow, light and dark: some pages in CI, all pages in `make long`."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from support import LOOKS, ROOT, Project, Visit

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from bs4 import BeautifulSoup  # noqa: E402

pytestmark = pytest.mark.site

SITE = ROOT / "_docs"
# The front page, a report and a page of the reference, for a person to look at.
SCREENSHOTS = ROOT / "_site/screenshots"
PAGES = sorted(
    path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "_static" not in path.parts
)
SHOWN = ["index.html", "pipeline/compare.html", "api/features/definition.html"]


@pytest.fixture(scope="module")
def address():
    "The site, served on this machine."
    if not PAGES:
        pytest.skip("there is no site: `make docs` makes it")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


ALL_PAGES = [
    path if path in SHOWN else pytest.param(path, marks=pytest.mark.long) for path in PAGES or SHOWN[:1]
]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", ALL_PAGES)
def test_page(browser, address, path, look):
    visit = Visit(browser, address, look)
    page = visit.open(path)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page is wider than the window"
    )
    for picture in page.locator("article img").all():
        assert len(picture.get_attribute("alt") or "") > 5, f"no words for {picture.get_attribute('src')}"
    # axe would fetch style sheets otherwise.
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    faults = [fault for fault in violations if fault["impact"] in ("serious", "critical")]
    assert not faults, [(fault["id"], fault["nodes"][0]["html"][:300]) for fault in faults]
    if path in SHOWN:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{path.removesuffix('.html').replace('/', '-')}-{look}.png")
    page.context.close()
    assert not visit.wrong


@pytest.mark.parametrize("look", LOOKS)
def test_search_finds_average_precision(browser, address, look):
    visit = Visit(browser, address, look)
    page = visit.open("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("average precision")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    page.wait_for_function("document.querySelectorAll('#search-results li').length > 5")
    titles = page.locator("#search-results li > a").all_inner_texts()
    assert any("lossary" in title or "average precision" in title for title in titles), titles
    assert not visit.wrong


class Links(HTMLParser):
    "Read the names of a page's places, and the addresses that it links to."

    def __init__(self, page: str):
        super().__init__()
        self.names, self.addresses = set(), []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names.add(given.get("id"))
        if tag in ("a", "img", "script", "link"):
            self.addresses.append(given.get("href") or given.get("src") or "")


def test_the_reference_shows_fields_and_short_names(address):
    pages = [path for path in PAGES if path.startswith("api/")]
    assert len(pages) > 70
    assert not [path for path in pages if "__main__" in (SITE / path).read_text()]
    judgement = BeautifulSoup((SITE / "api/evaluation/judgement.html").read_text(), "html.parser")
    signatures = [code.text for code in judgement.select("article pre") if code.text.startswith("class ")]
    assert any("Decisions(NamedTuple)" in text and "saved: pd.DataFrame" in text for text in signatures)


def test_links_lead_somewhere():
    if not PAGES:
        pytest.skip("there is no site: `make docs` makes it")
    pages = {path: Links((SITE / path).read_text()) for path in PAGES}
    broken = []
    for path, page in pages.items():
        for url in map(urlparse, page.addresses):
            if url.scheme or url.netloc or not (url.path or url.fragment):
                continue
            target = os.path.normpath(Path(path).parent / unquote(url.path)) if url.path else path
            there = (
                not url.fragment or unquote(url.fragment) in pages[target].names
                if target in pages
                else (SITE / target).is_file()
            )
            if not there:
                broken.append(f"{path}: {url.geturl()}")
    assert not broken


def figures(site: Path) -> list[str]:
    "Read the cells of the front page's tables that hold a measured figure."
    numbers = []
    for table in BeautifulSoup((site / "index.html").read_text(), "html.parser").select(".cell_output table"):
        heads = [head.text for head in table.find_all("th")]
        for row in table.select("tbody tr"):
            cells = [cell.text for cell in row.find_all("td")]
            numbers += [
                cell
                for head, cell in zip(heads, cells, strict=True)
                if head != "model" and "published" not in head and cell != "–"
            ]
    return numbers


FRONT_PAGE = """
import sys
from pathlib import Path
sys.path.insert(0, "docs/site")
from build import front_page, sphinx, write
write(front_page(Path.cwd()), Path("_site/index.ipynb"))
sys.exit(sphinx(["-q", "-c", "docs/site", "_site", "_docs"]))
"""  # the page alone takes a fraction of the time of the whole site


def test_every_figure_of_the_front_page_is_read_from_metrics(address, tmp_path):
    copy = Project(tmp_path / "copy")
    copy.root.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if not name.startswith("reports/"): # only one report is in git
            (copy.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy.root / name, follow_symlinks=False)
    for folder in ("prepared", "features", "models", "predictions", "reports"):
        (copy.root / folder).symlink_to(ROOT / folder)
    for name in ("compare", "savings"):
        path = copy.root / f"metrics/{name}.json"
        path.write_text(json.dumps(halved(json.loads(path.read_text()))))
    copy.run(f"git init --quiet && {sys.executable} -c '{FRONT_PAGE}'")
    before, after = figures(SITE), figures(copy.root / "_docs")
    assert len(before) == len(after) > 30
    same = [one for one, other in zip(before, after, strict=True) if one == other]
    assert not same


def halved(value: object) -> object:
    "Halve every number of the metrics."
    if isinstance(value, dict):
        return {key: halved(inner) for key, inner in value.items()}
    return value / 2 if isinstance(value, int | float) else value
