"""The page in a real browser: what it shows, that it lives, and that a hostile review stays text."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from stream_app.records import ProductText
from stream_app.testing.reader import CannedSummaryReader
from tests.browser.chromium import Chromium
from tests.browser.looking import HOSTILE, needs_chromium, open_page
from tests.browser.sample_view import sample_alerts, sample_products
from tests.browser.serving import serving
from tests.unit.api.samples import alert, summary

pytestmark = [needs_chromium, pytest.mark.xdist_group("page")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as started:
        yield started


def test_review_text_with_script_is_shown_as_text_and_does_not_run(browser: Chromium) -> None:
    hostile_text = ProductText(HOSTILE, HOSTILE, "abstractive", (HOSTILE,), None, 0)
    product = summary(HOSTILE[:100], text=hostile_text)
    hostile_alert = alert("a", HOSTILE[:100], sentence=HOSTILE, safety_words=(HOSTILE,))
    with serving(CannedSummaryReader(product, alerts=[hostile_alert])) as address:
        open_page(browser, address)
        browser.wait_until("document.querySelectorAll('.alert').length === 1", "No alert is shown")
        assert browser.evaluate("document.querySelector('.headline').textContent.startsWith('<script>')")
        assert browser.evaluate("document.querySelector('.alert .sentence').textContent.startsWith('<script>')")
        inserted = "main script, main img, main svg, main [onload], a[href^=javascript]"
        assert browser.evaluate(f"document.querySelectorAll('{inserted}').length") == 0
        assert browser.evaluate("window.pwned === undefined")


def test_policy_stops_markup_even_where_the_page_would_write_it(browser: Chromium) -> None:
    with serving(CannedSummaryReader(summary("a"))) as address:
        open_page(browser, address)
        write = "document.body.innerHTML += '<b>x</b>'; return 'written'"
        assert browser.evaluate(f"(() => {{ try {{ {write} }} catch (e) {{ return e.name }} }})()") == "TypeError"


def test_every_product_and_alert_is_shown_and_nothing_is_asked_of_other_hosts(browser: Chromium) -> None:
    products, alerts = sample_products(), sample_alerts()
    with serving(CannedSummaryReader(*products, alerts=alerts)) as address:
        open_page(browser, address, f"document.querySelectorAll('.card').length === {len(products)}")
        browser.wait_until(f"document.querySelectorAll('.alert').length === {len(alerts)}", "Alerts are missing")
        shown = browser.evaluate("[...document.querySelectorAll('.product-id')].map((e) => e.textContent)")
        assert sorted(shown) == sorted(p.product_id for p in products)
        assert {urlsplit(r).netloc for r in browser.requests} == {urlsplit(address).netloc}


def test_window_switch_shows_the_counts_of_that_window(browser: Chromium) -> None:
    with serving(CannedSummaryReader(summary("a"))) as address:
        open_page(browser, address)
        label = browser.evaluate("document.querySelector('.bar').getAttribute('aria-label')")
        assert label == "2 negative, 1 neutral, 9 positive"
        browser.evaluate("document.querySelector('input[value=\"24h\"]').click()")
        assert browser.evaluate("document.querySelector('.tally').textContent") == "No reviews in the last 24 hours"
        assert browser.evaluate("location.hash") == "#window=24h&sort=recent"


def test_aspects_and_what_changed_beyond_chance_are_shown(browser: Chromium) -> None:
    with serving(CannedSummaryReader(sample_products()[0])) as address:
        open_page(browser, address)
        chips = browser.evaluate("[...document.querySelectorAll('.aspect')].map((e) => e.textContent)")
        assert chips == ["Smell and taste +39 −2", "Durability +2 −20", "Service +0 −4"]
        assert browser.evaluate("document.querySelector('.aspect').title").endswith("best I have had at home.”")
        assert browser.evaluate("document.querySelector('.trend-worse').textContent").startswith("↗ Getting worse")


def test_change_of_the_view_is_on_the_screen_without_a_reload(browser: Chromium) -> None:
    view = CannedSummaryReader(summary("a"))
    with serving(view) as address:
        open_page(browser, address)
        view.summaries["a"] = summary("a", version=2, headline="Now it is another")
        view.summaries["b"] = summary("b")
        view.alerts.insert(0, alert("x", "a", severity="critical", sentence="It caught fire."))
        browser.wait_until(
            "document.querySelector('.headline').textContent === 'Now it is another'", "No change is shown"
        )
        browser.wait_until("document.querySelectorAll('.card').length === 2", "The new product is not shown")
        browser.wait_until(
            "document.getElementById('announce').textContent === 'Critical alert for a: It caught fire.'",
            "The new alert is not announced to screen readers",
        )


def test_alert_whose_review_may_not_be_quoted_any_more_says_why(browser: Chromium) -> None:
    gone, of_product = alert("x", "a", sentence=None), alert("y", "a", review_id=None, revision=None, sentence=None)
    with serving(CannedSummaryReader(summary("a"), alerts=[alert("w", "a"), gone, of_product])) as address:
        open_page(browser, address)
        browser.wait_until("document.querySelectorAll('.alert').length === 3", "Alerts are missing")
        said = "[...document.querySelectorAll('.alert')].map((e) => e.innerText.includes('was edited or deleted'))"
        assert browser.evaluate(said) == [False, True, False]


def test_empty_view_says_how_to_get_data_in(browser: Chromium) -> None:
    with serving(CannedSummaryReader()) as address:
        open_page(browser, address, "!document.getElementById('empty').hidden")
        assert "stream-app publish" in browser.evaluate("document.getElementById('empty').innerText")


def test_store_away_is_said_while_the_last_known_stays_on_screen(browser: Chromium) -> None:
    view = CannedSummaryReader(summary("a"))
    with serving(view) as address:
        open_page(browser, address)
        view.away = True
        browser.wait_until("document.getElementById('lost').textContent.includes('store')", "Nothing is said")
        assert browser.evaluate("document.querySelectorAll('.card').length") == 1
        view.away = False
        browser.wait_until("document.getElementById('lost').hidden", "The store is back, and it is not said")


def test_lost_connection_is_shown_and_restored_without_what_has_gone_since(browser: Chromium) -> None:
    view = CannedSummaryReader(summary("a"), summary("b"))
    with serving(view) as address:
        open_page(browser, address, "document.querySelectorAll('.card').length === 2")
    browser.wait_until("document.getElementById('lost').textContent.includes('connection is lost')", "Nothing is said")
    del view.summaries["b"]
    with serving(view, port=urlsplit(address).port or 0):
        browser.wait_until("document.getElementById('lost').hidden", "It never connects again", timeout_seconds=30)
        browser.wait_until("document.querySelectorAll('.card').length === 1", "What is gone is still shown")


def test_documentation_lists_every_route(browser: Chromium) -> None:
    with serving(CannedSummaryReader()) as address:
        open_page(browser, f"{address}docs", "document.querySelector('.operation') !== null")
        listed = browser.evaluate("[...document.querySelectorAll('.operation h2 code')].map((e) => e.textContent)")
        assert "GET /v1/products/{product_id}/summary" in listed
        assert {urlsplit(r).netloc for r in browser.requests} == {urlsplit(address).netloc}
