"""The view of a product in a real browser: by keyboard, on a telephone, in Chinese, live, and with hostile reviews."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from stream_app.records import Counts
from stream_app.testing.reader import CannedSummaryReader
from tests.browser.chromium import Chromium
from tests.browser.looking import HOSTILE, axe_problems, needs_chromium, open_page, overflow
from tests.browser.sample_view import aspect, sample_view, sentence
from tests.browser.serving import serving
from tests.unit.api.samples import summary

pytestmark = [needs_chromium, pytest.mark.xdist_group("product view")]

PRODUCT = "#/products/espresso-machine-02"
SHOWN = "document.querySelector('.uplot') !== null"
SHOP = "https://shop.example/{product_id}#{review_id}"
CHIP = "document.querySelector('[data-key=\"aspect durability\"]')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as started:
        yield started


@pytest.fixture(scope="module")
def phone() -> Iterator[Chromium]:
    with Chromium(width=360, height=740, dark=True) as started:
        yield started


def texts(browser: Chromium, selector: str) -> list[str]:
    return list(browser.evaluate(f"[...document.querySelectorAll('{selector}')].map((one) => one.textContent)"))


def test_click_on_a_product_shows_what_is_known_of_it(browser: Chromium) -> None:
    with serving(sample_view()) as address:
        open_page(browser, address)
        browser.evaluate("document.querySelector('.product-id a').click()")
        browser.wait_until(SHOWN, "The product is not shown")

        assert browser.evaluate("location.hash") == PRODUCT
        assert texts(browser, "#product h2") == ["espresso-machine-02"]
        assert texts(browser, "#product .chip") == [
            "Smell and taste5\u00a0%41 reviews",
            "Durability87\u00a0%23 reviews",
            "Service100\u00a0%4 reviews",
        ]
        assert len(texts(browser, "#product-chart tbody tr")) > 20
        assert len(texts(browser, "#product-alerts .alert")) == 2
        browser.evaluate("history.back()")
        browser.wait_until("document.getElementById('product').hidden", "The list does not come back")
        assert browser.problems == []


def test_chip_shows_the_sentences_that_say_so_and_closes_again(browser: Chromium) -> None:
    with serving(sample_view(), review_url=SHOP) as address:
        open_page(browser, address + PRODUCT, SHOWN)
        browser.evaluate(f"{CHIP}.click()")
        browser.wait_until("document.querySelector('.said-one') !== null", "No sentence is shown")

        assert browser.evaluate(f"{CHIP}.getAttribute('aria-expanded')") == "true"
        assert texts(browser, ".said-one .sentence") == [
            "The pump stops after a few cups.",
            "It leaks at the group head since Monday.",
        ]
        assert texts(browser, ".said-one .review-id") == ["r-4711", "r-4702"]
        links = browser.evaluate("[...document.querySelectorAll('.said-one a')].map((one) => one.href)")
        assert links[0] == "https://shop.example/espresso-machine-02#r-4711"
        browser.evaluate("document.querySelector('[data-key=\"close said\"]').click()")
        assert texts(browser, ".said-one") == []
        assert browser.evaluate(f"document.activeElement === {CHIP}")


def test_choice_of_stars_shows_what_those_reviews_speak_of(browser: Chromium) -> None:
    """With their counts; a chip leads to their sentences, and everything comes back."""
    select = "document.querySelector('[data-key=\"slice stars\"]')"

    def choose(value: str) -> None:
        browser.evaluate(f"(one => {{ one.value = '{value}'; one.dispatchEvent(new Event('change')) }})({select})")

    with serving(sample_view()) as address:
        open_page(browser, address + PRODUCT, SHOWN)
        everything = texts(browser, "#product-aspects .chip")
        choose("1,2")
        browser.wait_until("document.querySelector('#product-aspects .tally') !== null", "The reviews are not counted")

        assert texts(browser, "#product-aspects .chip") == [
            "Durability100\u00a0%2 reviews",
            "Quality100\u00a0%1 review",
            "Service100\u00a0%1 review",
        ]
        browser.evaluate(f"{CHIP}.click()")
        browser.wait_until("document.querySelector('.said-one') !== null", "No sentence is shown")
        assert texts(browser, ".said-one .review-id") == ["r-4711", "r-4702"]
        choose("3")
        empty = "document.querySelector('#product-aspects .tally') && !document.querySelector('#product-aspects .chip')"
        browser.wait_until(f"Boolean({empty})", "The slice of three stars is not shown, or not empty")
        assert texts(browser, ".said-one") == []
        choose("")
        assert texts(browser, "#product-aspects .chip") == everything
        assert browser.problems == []


def test_chip_is_reached_and_opened_by_keyboard(browser: Chromium) -> None:
    with serving(sample_view()) as address:
        open_page(browser, address + PRODUCT, SHOWN)
        for _ in range(30):
            press(browser, "Tab", 9)
            if browser.evaluate(f"document.activeElement === {CHIP}"):
                break
        press(browser, "Enter", 13, "\r")
        browser.wait_until("document.querySelectorAll('.said-one').length === 2", "No sentence is shown")
        assert browser.evaluate(f"document.activeElement === {CHIP}")


def press(browser: Chromium, key: str, code: int, text: str = "") -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code=key,
            windowsVirtualKeyCode=code,
            **({"text": text} if text else {}),
        )


def test_axe_finds_nothing_serious_on_page_product_and_card(browser: Chromium) -> None:
    with serving(sample_view()) as address:
        open_page(browser, address)
        assert axe_problems(browser) == []
        open_page(browser, address + PRODUCT, SHOWN)
        browser.evaluate(f"{CHIP}.click()")
        browser.wait_until("document.querySelector('.said-one') !== null", "No sentence is shown")
        assert axe_problems(browser) == []
        for language in ("en", "zh"):
            card = f"{address}v1/products/espresso-machine-02/card?lang={language}"
            open_page(browser, card, "document.querySelector('.headline') !== null")
            assert axe_problems(browser) == []


def test_axe_finds_nothing_serious_in_the_dark_and_nothing_is_wider_than_a_telephone(phone: Chromium) -> None:
    with serving(sample_view()) as address:
        for place, shows in (
            ("", "document.querySelector('.card') !== null"),
            (PRODUCT, SHOWN),
            ("v1/products/espresso-machine-02/card", "document.querySelector('.headline') !== null"),
        ):
            open_page(phone, address + place, shows)
            assert axe_problems(phone) == []
            assert overflow(phone) <= 0


def test_page_and_card_write_nothing_to_the_console(browser: Chromium) -> None:
    with serving(sample_view()) as address:
        open_page(browser, address)
        open_page(browser, address + PRODUCT, SHOWN)
        assert browser.problems == []
        open_page(
            browser, f"{address}v1/products/espresso-machine-02/card", "document.querySelector('.lists') !== null"
        )
        assert [one for one in browser.problems if "favicon" not in one] == []


def test_script_in_a_review_is_text_in_every_part(browser: Chromium) -> None:
    view = CannedSummaryReader(summary("p", headline=HOSTILE, aspects={"look": aspect(3, 3, 0, HOSTILE)}))
    view.sentences["p"] = [sentence(HOSTILE, 1, 1, "negative", HOSTILE, "look")]
    with serving(view) as address:
        open_page(browser, f"{address}#/products/p", SHOWN)
        browser.evaluate("document.querySelector('.chip').click()")
        browser.wait_until("document.querySelector('.said-one') !== null", "No sentence is shown")
        assert texts(browser, ".said-one .sentence")[0].startswith("<script>")
        assert browser.evaluate("window.pwned === undefined")
        open_page(browser, f"{address}v1/products/p/card", "document.querySelector('.headline') !== null")
        assert texts(browser, ".headline")[0].startswith("<script>")
        assert browser.evaluate("document.querySelectorAll('article script, article img, article a').length") == 0
        assert browser.evaluate("window.pwned === undefined")


def test_product_is_live(browser: Chromium) -> None:
    view = sample_view()
    with serving(view) as address:
        open_page(browser, address + PRODUCT, SHOWN)
        before = view.summaries["espresso-machine-02"]
        windows = before.windows | {"30d": Counts(500, 400, 50, 50)}
        view.summaries["espresso-machine-02"] = replace(before, windows=windows, state_version=2)
        browser.wait_until("document.querySelector('#product .tally').textContent.startsWith('400')", "Nothing changes")


def test_worst_trend_and_most_negative_come_first_where_asked(browser: Chromium) -> None:
    with serving(sample_view()) as address:
        for order, first in (
            ("trend", "espresso-machine-02"),
            ("attention", "espresso-machine-02"),
            ("name", "B00-baby-monitor"),
        ):
            open_page(browser, f"{address}#window=7d&sort={order}")
            browser.wait_until("document.querySelectorAll('.card').length === 8", "Products are missing")
            assert texts(browser, ".product-id")[0] == first


def test_product_that_is_not_in_the_list_is_found_by_its_id(browser: Chromium) -> None:
    with serving(sample_view()) as address:
        open_page(browser, address)
        browser.evaluate(
            "document.getElementById('find').value = 'a/b c'"
            "; document.getElementById('find').dispatchEvent(new Event('input'))"
        )
        assert browser.evaluate("document.getElementById('open-found').getAttribute('href')") == "#/products/a%2Fb%20c"
        browser.evaluate("document.getElementById('open-found').click()")
        browser.wait_until("document.querySelector('#product .no-text') !== null", "Nothing is said")
        browser.wait_until(
            "document.querySelector('#product .no-text').textContent.startsWith('No review')", "It is not said"
        )


def test_page_is_in_chinese_for_who_chooses_it(browser: Chromium) -> None:
    with serving(sample_view()) as address:
        open_page(browser, address)
        browser.evaluate("(language.value = 'zh', language.dispatchEvent(new Event('change')))")
        browser.wait_until("document.querySelector('h1')?.textContent === '商品评价'", "It stays English")
        browser.wait_until("document.querySelector('.chip, .aspect') !== null", "Nothing is shown")
        assert "耐用性" in "".join(texts(browser, ".aspect"))
        browser.evaluate("localStorage.clear()")


def test_component_shows_the_card_on_another_origin_where_the_setting_names_it(browser: Chromium) -> None:
    with serving(CannedSummaryReader(summary("x"))) as shop:
        origin = shop.rstrip("/").replace("127.0.0.1", "localhost")
        with serving(sample_view(), card_origins=(origin,)) as address:
            # the documentation stands in for a page of the shop, without its policy
            browser.call("Page.setBypassCSP", enabled=True)
            try:
                for host, outcome in ((origin, "shown"), (shop.rstrip("/"), "away")):
                    open_page(browser, f"{host}/healthz", "true")
                    assert browser.evaluate(component(address)) == outcome
                shadow = "document.querySelector('review-summary').shadowRoot"
                open_page(browser, f"{origin}/healthz", "true")
                assert browser.evaluate(component(address)) == "shown"
                headline = f"{shadow}.querySelector('.headline').textContent"
                assert browser.evaluate(headline).startswith("Excellent")
                ink = f"getComputedStyle({shadow}.querySelector('.card')).color"
                browser.evaluate("document.body.style.setProperty('--review-summary-ink', 'rgb(1, 2, 3)')")
                assert browser.evaluate(ink) == "rgb(1, 2, 3)"
            finally:
                browser.call("Page.setBypassCSP", enabled=False)


def component(address: str) -> str:
    """JavaScript: the outcome of showing a card by the component of ``address``."""
    return (
        "new Promise((tell) => {"
        " addEventListener('review-summary', (event) => tell(event.detail), { once: true });"
        " const script = document.createElement('script');"
        f" script.src = '{address}v1/card.js'; script.onerror = () => tell('away');"
        " document.head.append(script);"
        " const card = document.createElement('review-summary');"
        f" card.setAttribute('product', 'espresso-machine-02'); card.setAttribute('src', '{address}');"
        " document.body.append(card); })"
    )
