"""The report in a real browser: its size, how long it takes to open, and what the browser's console says.

    python -m benchmarks.house.report_in_browser [--chromium /usr/bin/chromium] [--pictures FOLDER] [--times 5] [--json]
        [PAGE …]

Needs `pip install playwright` and a Chromium. Without pages named, it makes two: that of the largest study there is,
which made the `default` recipe (120 candidates on 66 tasks, from `results/default_study.db.xz`, its held-out tasks
evaluated), and that of the smallest (two candidates on two tasks). Each is opened as a phone, 390 pixels wide, and as a
desktop, 1280, light and dark, and printed.

`opened` is the median over so many visits, with a new profile each, of the time from the request to the end of the load
event; `painted` that until something is seen. `errors` are those of the console and of scripts; `loads` what the page
asked for beside itself; `wider` by how many pixels it is wider than the window; `hints` how many tables say that they
scroll, of how many that do.
"""

import argparse
import dataclasses
import json
import lzma
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import metaopt
from benchmarks.corpora.development_corpus import DATA
from benchmarks.recipes.default_recipe import PEERS, starter_and_development, unseen_tasks
from benchmarks.tuning.ledger_scale import tasks as tiny_tasks
from metaopt.report import write_report
from metaopt.tuning import rebuild

LEDGER = Path(__file__).parents[1] / "results" / "default_study.db.xz"
#: Its name there.
STUDY = "muon"
MOST_BYTES, MOST_SECONDS = 2e6, 1.0
WIDTHS = {"phone": 390, "desktop": 1280}
SCHEMES = ("light", "dark")
#: Of a browser that looks nothing up by itself.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMES = """() => {
    const visit = performance.getEntriesByType("navigation")[0];
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return [visit.loadEventEnd, paint ? paint.startTime : null];
}"""
SCROLLING = """() => {
    const regions = [...document.querySelectorAll(".scroller")].filter(each => each.checkVisibility());
    const scrolls = each => each.firstElementChild.scrollWidth > each.firstElementChild.clientWidth;
    const says = each => getComputedStyle(each.querySelector(".hint")).visibility === "visible";
    return [regions.filter(scrolls).length, regions.filter(each => scrolls(each) && says(each)).length,
            regions.filter(each => !scrolls(each) && says(each)).length];
}"""


@dataclass(frozen=True)
class Seen:
    """A page as one device shows it."""

    page: str
    device: str
    scheme: str
    size: int
    opened: float
    painted: float
    errors: list[str]
    loads: list[str]
    wider: int
    scrolling: int
    hints: int
    wrong_hints: int

    @property
    def is_fine(self) -> bool:
        quiet = not self.errors and not self.loads and self.wider <= 0
        right = self.hints == self.scrolling and not self.wrong_hints
        return quiet and right and self.size <= MOST_BYTES and self.opened <= MOST_SECONDS


def largest(folder: Path) -> Path:
    """The page of the study that made the default recipe."""
    file = folder / "default.db"
    file.write_bytes(lzma.decompress(LEDGER.read_bytes()))
    url = f"sqlite:///{file}"
    result = rebuild(url, STUDY, corpus=starter_and_development(DATA))
    unseen = metaopt.evaluate(result.recipe, unseen_tasks(), against=PEERS, storage=url, announce=lambda line: None)
    return write_report(dataclasses.replace(result, comparison=unseen, held_out_by="families"), folder / "largest")


def smallest(folder: Path) -> Path:
    """The page of two candidates on two tiny tasks."""
    result = metaopt.tune(tiny_tasks()[:2], n_trials=2, optimizers=["adamw"], announce=lambda line: None)
    return write_report(result, folder / "smallest")


def look(browser: Any, page: Path, device: str, scheme: str, times: int, pictures: Path | None) -> Seen:
    opened, painted, scrolling = [], [], [0, 0, 0]
    errors: list[str] = []
    loads: list[str] = []
    wider = 0
    for visit in range(times):
        context = browser.new_context(viewport={"width": WIDTHS[device], "height": 900}, color_scheme=scheme)
        tab = context.new_page()
        tab.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("request", lambda request: loads.append(request.url) if not request.is_navigation_request() else None)
        tab.goto(page.resolve().as_uri(), wait_until="load")
        tab.wait_for_timeout(100)
        ended, first = tab.evaluate(TIMES)
        opened.append(ended / 1e3)
        painted.append((first or ended) / 1e3)
        if visit == times - 1:
            wider = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            scrolling = tab.evaluate(SCROLLING)
            if pictures is not None:
                name = f"{page.parent.name}_{device}_{scheme}"
                tab.screenshot(path=pictures / f"{name}.png", full_page=True)
                if device == "desktop" and scheme == "dark":  # paper is light whatever the screen is
                    tab.pdf(path=pictures / f"{name}.pdf", format="A4")
        context.close()
    size = page.stat().st_size
    middle = statistics.median
    return Seen(
        page.parent.name, device, scheme, size, middle(opened), middle(painted), errors, loads, wider, *scrolling
    )


def show(seen: Seen) -> None:
    row = (
        f"{seen.page:>10}{seen.device:>9}{seen.scheme:>7}{seen.size / 1e3:8.0f}{seen.opened:11.2f}{seen.painted:12.2f}"
    )
    print(f"{row}{len(seen.errors):8}{len(seen.loads):7}{seen.wider:7}{seen.hints:6} of {seen.scrolling}", flush=True)
    for problem in (*seen.errors, *seen.loads):
        print(f"    {problem:.200}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="report.html files; two are made if none")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser")
    parser.add_argument("--times", type=int, default=5, help="visits of each")
    parser.add_argument("--pictures", type=Path, help="folder for screenshots, and what is printed")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("This needs a browser's driver: pip install playwright")
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        pages = options.pages or [largest(Path(folder)), smallest(Path(folder))]
        browser = driver.chromium.launch(executable_path=options.chromium, args=list(FLAGS))
        print(f"Chromium {browser.version}, {options.times} visits each")
        print(
            f"{'page':>10}{'device':>9}{'scheme':>7}{'KB':>8}{'opened, s':>11}{'painted, s':>12}{'errors':>8}", end=""
        )
        print(f"{'loads':>7}{'wider':>7}{'hints':>11}")
        all_seen = []
        for page in pages:
            for device in WIDTHS:
                for scheme in SCHEMES:
                    all_seen.append(look(browser, page, device, scheme, options.times, options.pictures))
                    show(all_seen[-1])
        browser.close()
    largest_page, slowest = max(seen.size for seen in all_seen), max(seen.opened for seen in all_seen)
    print(
        f"largest page {largest_page / 1e6:.2f} MB (reach {MOST_BYTES / 1e6:g}), slowest {slowest:.2f} s (reach "
        f"{MOST_SECONDS:g}), {sum(len(seen.errors) for seen in all_seen)} errors (reach none)"
    )
    if options.json:
        print(json.dumps({"pages": [asdict(seen) for seen in all_seen], "fine": all(s.is_fine for s in all_seen)}))


if __name__ == "__main__":
    main()
