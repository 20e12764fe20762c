"""What the tests in a browser share: opening a page, a hostile text, and axe, a checker of accessibility."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import PROGRAM, Chromium

needs_chromium = pytest.mark.skipif(not PROGRAM.exists(), reason="needs /usr/bin/chromium (apt-get install chromium)")

HOSTILE = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'><svg onload='window.pwned = 1'>"
    '"><a href="javascript:window.pwned = 1">click</a>\u202e\u0000'
)
_AXE = Path(__file__).parent / "axe-4.14.1.min.js.gz"


def open_page(browser: Chromium, address: str, shows: str = "document.querySelector('.card') !== null") -> None:
    """Until it is loaded and ``shows`` is true; what was noted of the pages before is forgotten."""
    browser.open("about:blank")
    browser.evaluate("1")
    browser.requests.clear()
    browser.problems.clear()
    browser.open(address)
    browser.wait_until(f"document.readyState === 'complete' && {shows}", "The page shows nothing")


def axe_problems(browser: Chromium) -> list[dict[str, Any]]:
    """What axe calls serious or critical in the page as it is now."""
    browser.evaluate("Promise.all(document.getAnimations().map((one) => one.finished)).then(() => null)")
    # by the debugger, which no policy of the page stops
    browser.evaluate(gzip.decompress(_AXE.read_bytes()).decode() + "; null")
    found = browser.evaluate(
        "axe.run().then((result) => result.violations.map((one) => ({ id: one.id, impact: one.impact,"
        " where: one.nodes.map((node) => node.target.join(' ')), why: one.nodes[0].failureSummary })))"
    )
    return [one for one in found if one["impact"] in ("serious", "critical")]


def overflow(browser: Chromium) -> int:
    """By how many pixels the page is wider than the window."""
    return int(browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
