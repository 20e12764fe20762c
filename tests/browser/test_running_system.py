"""The page in a real browser on the whole running system: a bad review is an alert on the screen within two seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from stream_app.commands.review_files import read_lines
from tests.browser.chromium import Chromium
from tests.browser.looking import HOSTILE, axe_problems, needs_chromium, open_page
from tests.integration.test_whole_path import System, running

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.alone]

PRODUCT = "kettle <i>&amp;"


@pytest.fixture(scope="module")
def system(kafka: str, valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running(kafka, valkey, tmp_path_factory.mktemp("system"), summaries="off", api_operations=True) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as started:
        yield started


def publish(system: System, folder: Path, *texts: str, rating: int = 1) -> None:
    file = folder / f"{time.monotonic_ns()}.jsonl"
    reviews = [
        {"product_id": PRODUCT, "review_id": f"r{time.monotonic_ns()}", "text": text, "rating": rating}
        for text in texts
    ]
    file.write_bytes(b"\n".join(map(orjson.dumps, reviews)))
    system.publish(read_lines(file))


def shown(selector: str) -> str:
    return f"[...document.querySelectorAll('{selector}')].map((one) => one.textContent).join(' | ')"


def test_bad_review_is_an_alert_on_the_screen_within_two_seconds(
    system: System, browser: Chromium, tmp_path: Path
) -> None:
    publish(system, tmp_path, "Boils fast and looks good on the table.", rating=5)
    system.wait_until_caught_up()
    open_page(browser, system.processes.page)

    publish(system, tmp_path, f"The lid broke after a week and it leaks. {HOSTILE}")
    published_at = time.monotonic()
    browser.wait_until("document.querySelector('.alert') !== null", "No alert is shown", timeout_seconds=30)
    took = time.monotonic() - published_at

    assert took < 2.0
    assert browser.evaluate("window.pwned === undefined")
    assert browser.problems == []


def test_chip_of_the_product_leads_to_the_sentences_of_its_reviews(
    system: System, browser: Chromium, tmp_path: Path
) -> None:
    publish(system, tmp_path, *["The quality is poor: the handle broke off after two days."] * 3)
    system.wait_until_caught_up()
    open_page(browser, system.processes.page)
    browser.evaluate("document.querySelector('.product-id a').click()")
    browser.wait_until("document.querySelector('.chip') !== null", "No aspect is shown")
    browser.evaluate("document.querySelector('.chip').click()")
    browser.wait_until("document.querySelector('.said-one') !== null", "No sentence is shown")

    assert "broke" in browser.evaluate(shown(".said-one .sentence"))
    assert axe_problems(browser) == []
    assert browser.problems == []
    browser.wait_until("!document.getElementById('operations').hidden", "No state of operations", timeout_seconds=60)
    assert "enrich 1" in browser.evaluate(shown("#operations dd"))
    browser.open(f"{system.processes.page}v1/products/kettle%20%3Ci%3E%26amp%3B/card")
    browser.wait_until("document.querySelector('article') !== null", "No card is shown")
    assert browser.evaluate("document.title") == f"Customer reviews: {PRODUCT}"
