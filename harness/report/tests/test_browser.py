"""The page and the index in a real browser: nothing complains, everything fits, everything can be read.

Needs a Chromium (`tools/setup --browser` installs Debian's); without one these tests are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.model import Failure, FailureKind, Status
from harness.report import build_report, publish, write_index
from harness.report import publication
from harness.report.load import load_run
from harness.report.tests import browser
from harness.report.tests.browser import Browser
from harness.report.tests.synthetic import Options, absolute_gate, idle_gate, make_run, make_verdict, speed_gate
from harness.run.attempts import ATTEMPTS, AttemptLog

PUBLISHED = Path(__file__).resolve().parents[3] / "results" / "published"
PHONE, DESK = 380, 1200


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = browser.find()
    if program is None:
        pytest.skip("no Chromium is installed, so pages are not looked at in a browser: tools/setup --browser installs one")
    with browser.open_browser(program) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report with everything in it and long words, one without a verdict, and an index."""
    place = tmp_path_factory.mktemp("pages")
    gates = [
        idle_gate(),
        speed_gate(status=Status.INCONCLUSIVE, needs_blocks=1787, note="base's own copy is only known to be within −5.6 % of it"),
        absolute_gate(id="x" * 40, metric="idle.rss_idle_kb"),
    ]
    verdict = make_verdict(Status.INCONCLUSIVE, gates, reasons=["HZ3_" + "A_VERY_LONG_NAME_" * 9])
    full = make_run(place, Options(verdict=verdict))
    failed = load_run(full).runs[0]
    failed.failure = Failure(FailureKind.SIGNAL, "it was ended by signal 11", "last words " + "w" * 300)
    AttemptLog(full / ATTEMPTS).append(failed)
    open_run = make_run(place, Options(verdict=None), run_id="20260110T000000Z")
    found = {"report": full / "report.html", "unfinished": open_run / "report.html"}
    for page in found.values():
        build_report(page.parent)
    patch = pytest.MonkeyPatch()
    patch.setattr(publication, "judge_records", lambda run_dir: load_run(run_dir).verdict)
    published = place / "results" / "published"
    published.mkdir(parents=True)
    publish(full, published)
    patch.undo()
    found["index"] = write_index(published)
    found["published"] = published / "s62" / "report.html"
    return found


PAGES = ("report", "unfinished", "index", "published")

# What sticks out of the window, or can only be seen by scrolling sideways inside the page.
_TOO_WIDE = """[
  ...(document.documentElement.scrollWidth > innerWidth ? ['the page: ' + document.documentElement.scrollWidth] : []),
  ...[...document.querySelectorAll('body *')].filter(e => !e.closest('svg') && !e.closest('thead') && e.getClientRects().length
      && (e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
          && getComputedStyle(e).overflowX != 'visible'))
    .map(e => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 60))]"""

# Cells whose words are broken into pieces: a column squeezed until its longest short word does not fit.
_SQUEEZED = """[...document.querySelectorAll('td, th')].filter(e => {
    const style = getComputedStyle(e), inside = e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return e.getClientRects().length && !e.closest('thead') && inside < 60 && e.textContent.length > 12 })
  .map(e => e.textContent)"""

_FIGURES = """[...document.querySelectorAll('figure')].map(f => {
    const seen = [...f.querySelectorAll('svg')].filter(s => s.getClientRects().length && s.getBoundingClientRect().height > 60);
    return [seen.length, seen.map(s => s.getAttribute('role') + ' ' + (s.getAttribute('aria-label') || '')).join()] })"""

# [contrast, what] of every text against the nearest ground that is painted; svg text included.
_CONTRASTS = """(() => {
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const f = c.slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 });
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2] };
  const ground = e => { for (let at = e; at; at = at.parentElement) { const c = rgb(getComputedStyle(at).backgroundColor);
    if (c.length == 3 || c[3] == 1) return c } return [255, 255, 255] };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.getClientRects().length || ![...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim())) continue;
    if (['STYLE', 'style', 'title'].includes(e.tagName)) continue;
    const style = getComputedStyle(e), ink = rgb(e.closest('svg') ? style.fill : style.color);
    const a = light(ink), b = light(ground(e)), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    found.push([ratio, e.tagName + ' ' + e.textContent.trim().slice(0, 40)]) }
  return found })()"""


@pytest.mark.parametrize("width", (PHONE, DESK))
@pytest.mark.parametrize("name", PAGES)
def test_everything_fits_and_nothing_complains(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    chromium.complaints.clear()
    chromium.show(pages[name], width)
    assert chromium.ask("innerWidth") == width
    assert chromium.ask(_TOO_WIDE) == []
    assert chromium.ask(_SQUEEZED) == []
    assert chromium.complaints == []


def test_the_probe_sees_a_page_that_is_too_wide(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text("<!DOCTYPE html><link rel=icon href='data:,'><div style='width:900px'>x</div><script>nothing()</script>")
    chromium.complaints.clear()
    chromium.show(page, 800)
    assert len(chromium.ask(_TOO_WIDE)) >= 2
    assert any("nothing is not defined" in said for said in chromium.complaints)
    chromium.complaints.clear()


@pytest.mark.parametrize("width", (PHONE, DESK))
def test_every_figure_is_seen_once_and_has_a_text(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    chromium.show(pages["report"], width)
    figures = chromium.ask(_FIGURES)
    assert len(figures) == 5  # gates, memory, trade, run by run, block by block
    for seen, text in figures:
        assert seen == 1 and text.startswith("img ") and len(text) > 60


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_every_text_can_be_read(chromium: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    chromium.show(pages[name], DESK, scheme)
    ground = chromium.ask("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    contrasts = chromium.ask(_CONTRASTS)
    assert len(contrasts) > 10
    assert [(round(ratio, 2), what) for ratio, what in contrasts if ratio < 4.5] == []


def test_on_paper_the_page_is_light_and_whole(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["report"], 720, "dark", "print")
    assert chromium.ask("getComputedStyle(document.body).color") == "rgb(28, 31, 36)"
    assert all(seen == 1 for seen, _ in chromium.ask(_FIGURES))
    assert chromium.ask("document.documentElement.scrollWidth") <= 720


IN_GIT = [*sorted(PUBLISHED.glob("*.html")), *sorted(PUBLISHED.glob("*/report.html"))]


@pytest.mark.parametrize("page", IN_GIT, ids=lambda page: str(page.relative_to(PUBLISHED)))
def test_what_is_published_fits(chromium: Browser, page: Path) -> None:
    chromium.complaints.clear()
    for width in (PHONE, DESK):
        chromium.show(page, width)
        wide = [what for what in chromium.ask(_TOO_WIDE) if not what.startswith("DIV.drawing alone")]
        assert wide == [] and chromium.complaints == []
