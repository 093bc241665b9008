"""Take pictures of the report with which `make demo` ends, in Chromium without a network.

Usage::

    python -m docs.screenshots DIRECTORY [--demo REPOSITORY] [--readme]

DIRECTORY gets the whole page as ``report.png``, ``report-dark.png`` and ``report-narrow.png`` (360
pixels). Without ``--demo``, the demo is made in a temporary directory. ``--readme`` also takes
``docs/images/report.png``, the picture in README.md: the round's matrix and a distribution of
latencies.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PICTURE = Path(__file__).with_name("images") / "report.png"
_PAGES = {
    "report": (1200, "light"),
    "report-dark": (1200, "dark"),
    "report-narrow": (360, "light"),
}
# What the README's picture leaves out.
HIDDEN = (
    "#machines, #runs, #comparison, #disturbances, #charts-title, "
    "#drawn > section:not(#charts-latency)"
)
_HIDE = "names => document.querySelectorAll(names).forEach(one => { one.hidden = true; })"
_DRAWN = "body[data-state=ready]"
_LONGEST_MS = 30_000


def main() -> int:
    """Take the pictures; return 1 with the reason where that is not possible."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--demo", type=Path, help="a repository that `mlrepo demo` made")
    parser.add_argument("--readme", action="store_true", help="take the README's picture, too")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("Chromium takes the pictures, and is not here: apt install chromium.\n")
        return 1
    with tempfile.TemporaryDirectory() as made:
        demo = options.demo or Path(made) / "demo"
        if options.demo is None:
            command = [sys.executable, "-m", "mlrepo.cli.main", "demo", str(demo)]
            # On a busy machine the run of Server is INVALID: exit code 1, and a report too.
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        page_file = demo / "mlrepo-report.html"
        if not page_file.exists():
            sys.stderr.write(f"There is no report of the demo: {page_file}.\n")
            return 1
        options.directory.mkdir(parents=True, exist_ok=True)
        _take(chromium, page_file, options.directory, readme=options.readme)
    return 0


def _take(chromium: str, page_file: Path, directory: Path, *, readme: bool) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (width, scheme) in _PAGES.items():
            page = _opened(browser, page_file, width, scheme)
            page.screenshot(path=directory / f"{name}.png", full_page=True)
            sys.stdout.write(f"{directory / name}.png\n")
        if readme:
            page = _opened(browser, page_file, 900, "light")
            page.evaluate(_HIDE, HIDDEN)
            page.locator("main").screenshot(path=PICTURE)
            sys.stdout.write(f"{PICTURE}\n")
        browser.close()


def _opened(browser: Any, page_file: Path, width: int, scheme: str) -> Any:
    """Return the page, with its charts drawn."""
    viewport = {"width": width, "height": 900}
    page = browser.new_page(viewport=viewport, color_scheme=scheme, offline=True)
    page.goto(page_file.resolve().as_uri())
    page.wait_for_selector(_DRAWN, timeout=_LONGEST_MS)
    return page


if __name__ == "__main__":
    sys.exit(main())
