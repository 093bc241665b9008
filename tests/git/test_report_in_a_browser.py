"""The report in Chromium, offline: it draws, filters, sorts and compares, also in the dark."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import distribution, one_run
from mlrepo.cli.main import main
from mlrepo.record import (
    ACCURACY,
    IMPORTED_TAG,
    MODES,
    PUBLISHED,
    SUMMARY_TAG,
    Metric,
    Placement,
    RunRecord,
)
from mlrepo.report.drawing import vega_script
from mlrepo.report.intervals import ratio_interval
from tests.conftest import MadeOnce, make_results_repository
from tests.fast_import import import_runs
from tests.samples import sample_record, sample_run_id

_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="needs Chromium (apt install chromium)")
_HOSTILE = "</script><img src=x onerror=document.title='owned'>"
_NUMBER = 143
# By round and submitter: the result of BERT, and its accuracy; Acme is whose report it is.
_PUBLISHED = {
    ("v5.1", "Acme"): (40.0, 90.1),
    ("v5.1", "Other"): (60.0, 90.3),
    ("v6.1", "Acme"): (90.0, 90.2),
    ("v6.1", "Other"): (80.0, 90.0),
}
_BEFORE, _AFTER = (100.0, 101.0, 99.5, 100.4), (105.0, 106.2, 104.5, 105.1)


def _records() -> Iterator[RunRecord]:
    noise = random.Random(3)
    for number in range(120):
        yield one_run(number, number % 2, number // 2, noise)
    for number, value in enumerate((*_BEFORE, *_AFTER)):
        tag = "before" if number < len(_BEFORE) else "after"
        record = sample_record(sample_run_id(200 + number), result=Metric(value, "samples/s"))
        yield replace(record, experiment="tuned", tags=(tag,))
    for number in range(6):
        late = number >= 3
        record = sample_record(
            sample_run_id(500 + number),
            backend={"name": "onnx", "framework": f"ONNX Runtime 1.{20 + late}"},
            host={"kernel": f"Linux 6.{1 + late}"},
            result=Metric(100.0 + number, "samples/s"),
        )
        yield replace(
            record, benchmark="digits", experiment="moved", system="moved", division="open"
        )
    yield replace(
        sample_record(sample_run_id(300)), experiment="tuned", tags=(_HOSTILE,), reasons=(_HOSTILE,)
    )
    for number, ((round_, submitter), figures) in enumerate(_PUBLISHED.items()):
        for mode, value in zip(MODES, figures, strict=True):
            yield sample_record(
                sample_run_id(400 + 2 * number + (mode == ACCURACY)),
                experiment="import",
                round=round_,
                submitter=submitter,
                benchmark="bert-99",
                mode=mode,
                result=Metric(value, "F1" if mode == ACCURACY else "samples/s"),
                validity=PUBLISHED,
                tags=(IMPORTED_TAG, SUMMARY_TAG),
                placement=Placement(placed=False, reason="imported from summary.json"),
            )


@pytest.fixture(scope="module")
def page_file(made_once: MadeOnce) -> Path:
    """The report of 143 runs; the page is no longer than what it is made of."""

    def make(directory: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            root = make_results_repository(directory / "results").root
            import_runs(root, _records(), distribution)
            patch.chdir(root)
            home = made_once("vega", lambda path: vega_script(path / "compiled" / "vega"))
            patch.setenv("MLREPO_HOME", str(home))
            assert main(["report", "--out", str(directory / "page.html")]) == 0

    return made_once("report-in-a-browser", make) / "page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any, page_file: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that opens the page; it may have said, asked for and raised nothing."""
    said: list[str] = []
    contexts = []

    def open_(state: str = "", *, width: int = 1200, dark: bool = False) -> Any:
        scheme = "dark" if dark else "light"
        size = {"width": width, "height": 800}
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        address = page_file.as_uri()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: said.append(asked.url) if asked.url != address else None)
        page.goto(f"{address}#{state}")
        page.wait_for_selector("body[data-state=ready]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert said == []


_WIDER = "name => (one => one.scrollWidth > one.clientWidth)(document.querySelector(name))"
# Texts of charts that are outside of their picture.
_CUT_OFF = """() => [...document.querySelectorAll('.chart svg')].flatMap(svg => {
    const whole = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')]
        .filter(text => text.getBoundingClientRect().right > whole.right + 1)
        .map(text => text.textContent);
})"""


def _rows(page: Any) -> list[list[str]]:
    rows: list[list[str]] = page.eval_on_selector_all(
        "#table tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
    )
    return rows


def test_every_chart_has_marks_and_a_text(opened: Callable[..., Any]) -> None:
    """One of each kind is drawn at first; its data are there as a table, too."""
    page = opened()
    assert page.title() == "Results of Acme"
    figures = page.eval_on_selector_all(
        "#drawn figure",
        """figures => figures.map(figure => [
            figure.parentElement.id,
            figure.querySelectorAll('[class*=mark-] path, [class*=mark-] line').length,
            figure.querySelector('.chart').getAttribute('aria-label').length,
        ])""",
    )
    kinds = ("history", "rounds", "pareto", "load", "achieved", "latency", "trace")
    assert [name for name, _, _ in figures] == [f"charts-{kind}" for kind in kinds]
    assert [one for one in figures if one[1] < 2 or one[2] < 40] == []
    page.click("#charts-load summary")
    page.wait_for_selector("#charts-load table tbody tr")  # made when it is first opened
    assert page.locator("#charts-load table tbody tr").count() > 10
    page.select_option("#charts-history select[name=by]", "commit")
    page.wait_for_selector("body[data-state=ready]")
    assert "order of commits" in page.text_content("#charts-history svg")


def test_published_rounds_are_lines_and_a_front(opened: Callable[..., Any]) -> None:
    """The submitter's own line is the thick one with diamonds; the front has whom none beats."""
    page = opened("pareto=pareto-bert-99-Offline-accuracy&a=v5.1 Acme&b=v6.1 Acme")
    lines = page.eval_on_selector_all(
        "#charts-rounds svg .mark-line path",
        "paths => paths.map(path => [getComputedStyle(path).strokeWidth, path.getAttribute('d')])",
    )
    assert sorted(width for width, _ in lines) == ["1px", "3px"]
    own = next(path for width, path in lines if width == "3px")
    assert own.count("L") == 1  # from one round to the next
    points = page.eval_on_selector_all(
        "#charts-rounds svg .mark-symbol path[aria-label]",
        "paths => paths.map(path => [path.getAttribute('aria-label'), path.getAttribute('d')])",
    )
    shapes = {label: "A" not in shape for label, shape in points}
    assert sum(shapes.values()) == 2
    assert all(is_own == ("Acme" in label) for label, is_own in shapes.items())
    said = page.get_attribute("#charts-rounds .chart", "aria-label")
    assert "Acme in v5.1: 40, 2 of 2; Acme in v6.1: 90, 1 of 2" in said
    front = page.locator("#charts-pareto svg .mark-line path").get_attribute("d")
    assert front.count("L") == 2 - 1
    figure = page.inner_text("#charts-pareto figcaption")
    assert "2 of them of Acme, 1 on the front" in figure
    assert page.locator("#charts-pareto svg .mark-symbol path[aria-label]").count() == 4
    assert "2.25" in page.inner_text("#compared summary >> nth=0")


def test_the_table_is_filtered_sorted_and_opened(opened: Callable[..., Any]) -> None:
    """By keyboard; the address remembers it, so that a view can be sent to others."""
    page = opened()
    assert page.inner_text("#shown") == f"{_NUMBER} runs of {_NUMBER}; the first 25 are shown."
    assert page.inner_text("#more") == "Show 100 more"
    page.click("#more")
    assert len(_rows(page)) == 125
    page.click("#more")
    assert (len(_rows(page)), page.inner_text("#shown")) == (
        _NUMBER,
        f"{_NUMBER} runs of {_NUMBER}.",
    )
    assert page.is_hidden("#more") and page.is_hidden("#all")
    page.fill("#filter [name=q]", "exp/tuned after")
    assert page.inner_text("#shown") == f"4 runs of {_NUMBER}."
    page.focus("#table button[data-column=result]")
    page.keyboard.press("Enter")
    assert [row[4] for row in _rows(page)] == [f"{v:g} samples/s" for v in sorted(_AFTER)]
    page.keyboard.press("Enter")
    assert page.get_attribute("#table th:nth-child(5)", "aria-sort") == "descending"
    again = opened(page.url.partition("#")[2])
    assert _rows(again) == _rows(page)
    again.click("#table tbody button")
    for summary in again.locator("#table tr.detail summary").all():
        summary.click()
    detail = again.inner_text("#table tr.detail")
    assert "mlrepo bench run" in detail
    assert "12.5 ms" in detail
    assert "host_processor_model_name" in detail and "model" in detail
    assert again.get_attribute("#table tbody button", "aria-expanded") == "true"


def test_why_a_run_is_invalid_is_seen_without_opening_it(opened: Callable[..., Any]) -> None:
    """Beside its verdict, as are its tags and its commit; the order can be chosen from a list."""
    page = opened("q=exp/e0&verdict=INVALID")
    first = _rows(page)[0]
    assert first[5].startswith("INVALID")
    assert "exceeds the limit of 15 ms" in first[5]
    assert first[8] in ("probe", "nightly") and len(first[9]) == 10
    page.select_option("#filter [name=sort]", "-result")
    shown = [float(row[4].split()[0]) for row in _rows(page)]
    assert shown == sorted(shown, reverse=True)
    whose = page.locator("#filter [name=submitter] option").all_inner_texts()
    assert whose == ["all", "Acme", "Other"]


def test_a_command_is_copied_by_a_button(opened: Callable[..., Any]) -> None:
    """That which repeats a run, and the one that fills a gap of the round."""
    page = opened("q=exp/tuned after")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#table tbody button")
    for place in ("#table tr.detail", "#matrix p.next"):
        button = page.locator(f"{place} button.copier").first
        button.click()
        page.wait_for_function(
            "button => button.textContent === 'Copied'", arg=button.element_handle()
        )
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator(f"{place} code.copy").first.inner_text()
        assert copied.startswith("mlrepo bench ")


def test_a_gap_of_the_round_has_its_own_command(opened: Callable[..., Any]) -> None:
    """For its scenario alone; what the states mean is beside the matrix."""
    page = opened()
    gap = page.locator("#matrix td.command").first
    gap.locator("summary").click()
    command = gap.locator("code").inner_text()
    scenario = page.locator("#matrix tr").first.locator("th").inner_text()
    assert command.startswith("mlrepo bench suite --benchmark ")
    assert command.endswith(f" --scenario {scenario}") and command.count("--scenario") == 1
    assert "no run yet" in page.inner_text("#matrix .states")


def test_what_changed_is_written_beside_its_mark(opened: Callable[..., Any]) -> None:
    """Framework and kernel; and the legend has no verdict that no run has."""
    name = "history-digits-Offline-performance-moved-onnx"
    page = opened(f"history={name}")
    figure = page.locator("#charts-history figure")
    assert figure.get_attribute("data-chart") == name
    assert "kernel: Linux 6.1 → Linux 6.2" in figure.inner_text()
    drawn = figure.locator("svg").text_content()
    assert "framework, kernel" in drawn
    assert "VALID" in drawn and "INTERRUPTED" not in drawn and "INVALID" not in drawn
    assert re.search(r"\d\d:\d\d:\d\d", drawn)  # of 24 hours


def test_a_link_to_a_run_opens_it(opened: Callable[..., Any]) -> None:
    """Also one that the table does not show at first."""
    page = opened(f"run={sample_run_id(3, 1)}")
    assert sample_run_id(3, 1) in page.inner_text("#table tr.detail")


def test_hostile_text_is_shown_and_not_executed(opened: Callable[..., Any]) -> None:
    """In the table, in the choices and in the details."""
    page = opened(f"run={sample_run_id(300)}")
    assert page.inner_text("#table tr.detail").count(_HOSTILE) >= 2
    assert page.title() == "Results of Acme"
    assert page.locator("img").count() == 0


def test_two_selections_are_compared_as_the_command_does(opened: Callable[..., Any]) -> None:
    """The ratio with an interval close to that of `mlrepo compare`; different systems first."""
    page = opened("a=tag:before&b=tag:after")
    said = page.inner_text("#compared")
    assert "B is better" in said
    assert "THE SYSTEMS DIFFER" not in said
    expected = ratio_interval(_BEFORE, _AFTER)
    assert expected is not None
    value, low, high = (
        float(word)
        for word in page.inner_text("#compared summary")
        .partition(": ")[2]
        .replace("[", "")
        .replace("]", "")
        .replace(",", "")
        .split()[:3]
    )
    assert value == pytest.approx(1.0499, abs=1e-3)
    assert low == pytest.approx(expected.low, abs=0.005)
    assert high == pytest.approx(expected.high, abs=0.005)
    other = opened("a=exp/e0&b=exp/e1")
    assert other.inner_text("#compared .differ").startswith("THE SYSTEMS DIFFER")
    assert other.locator("#compared figure [class*=mark-] path").count() > 3
    none = opened("a=tag:before&b=exp/e0")
    assert "There is nothing to compare" in none.inner_text("#compared")


def test_it_is_readable_in_the_dark_at_360_pixels_and_for_screen_readers(
    opened: Callable[..., Any],
) -> None:
    """Nothing is wider than the screen, and axe-core finds nothing to object to."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width, dark in ((360, True), (1200, False)):
        page = opened(f"a=exp/e0&b=exp/e1&run={sample_run_id(3, 1)}", width=width, dark=dark)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # No table of runs needs to be scrolled: on a phone, each run is a card.
        assert page.evaluate(_WIDER, "#runs .scroll") is False
        assert page.evaluate(_WIDER, "#matrix .scroll") is False
        assert page.evaluate(_CUT_OFF) == []
        back = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(22, 24, 28)" if dark else "rgb(255, 255, 255)")
        found = axe.run(page).response["violations"]
        assert {one["id"]: one["nodes"][0]["html"] for one in found} == {}


def test_it_prints_without_its_tools_and_on_white(opened: Callable[..., Any]) -> None:
    """Also from a dark screen: charts are drawn again in the colours of paper."""
    page = opened(dark=True)
    label = "() => getComputedStyle(document.querySelector('#drawn svg text')).fill"
    dark = page.evaluate(label)
    page.emulate_media(media="print")
    page.wait_for_function(f"() => ({label})() !== '{dark}'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.is_visible("#filter")
    page.set_viewport_size({"width": 700, "height": 900})  # of A4
    assert page.evaluate(_WIDER, "#runs .scroll") is False
    assert page.is_visible("#drawn svg")
