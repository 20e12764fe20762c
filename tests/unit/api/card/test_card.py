"""The card of a product: what it says, that words of reviews stay text, and what search engines read."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest

from stream_app import contract
from stream_app.api.card.html import card
from stream_app.api.card.themes import Theme, themes_of
from stream_app.api.card.words import LANGUAGES, WORDS, language_of
from stream_app.records import AspectCounts, AspectSummary, Counts, ProductSummary, ProductText, Quote
from tests.unit.api.samples import NOW_MS, summary

HOSTILE = '</p></script><script>x()</script><img src=x onerror=x()>" onload="x()\' &lt;b&gt; \u202e'


def fields_of(one: ProductSummary) -> dict[str, Any]:
    return dict(orjson.loads(contract.encode_product_summary(one)))


class Parsed(HTMLParser):
    """The elements of a document with their attributes, and its text without style and scripts."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._silent = 0
        self.feed(document.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._silent += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text += data


def aspect(mentions: int, negative: int, positive: int, label: str = "negative") -> AspectSummary:
    counts = AspectCounts(mentions, negative, positive)
    return AspectSummary({"30d": counts, "all": counts}, Quote("r", 0, label, f"{label} words"))  # type: ignore[arg-type]


def test_card_says_stars_count_headline_text_and_who_wrote_it() -> None:
    shown = Parsed(card(fields_of(summary("kettle")), "en"))

    assert "4.0" in shown.text
    assert "12 reviews" in shown.text
    assert "Loved for its taste" in shown.text
    assert "People like the taste." in shown.text
    assert WORDS["en"]["disclosure"] in shown.text
    assert ("html", {"lang": "en"}) in shown.elements
    assert ("svg", {"class": "stars", "viewbox": "0 0 108 20", "role": "img", "aria-label": "4.0 of 5 stars"}) in (
        shown.elements
    )


def test_card_is_in_chinese_for_who_reads_it() -> None:
    shown = Parsed(card(fields_of(summary("kettle", aspects={"durability": aspect(9, 8, 1)})), "zh"))

    assert "顾客评价" in shown.text
    assert "12 条评价" in shown.text
    assert "耐用性" in shown.text


def test_markup_in_reviews_is_text_on_the_card() -> None:
    text = ProductText(HOSTILE, HOSTILE, "abstractive", ("r",), None, NOW_MS)
    quoted = AspectSummary(aspect(9, 8, 1).windows, Quote("r", 0, "negative", HOSTILE))
    fields = fields_of(summary(HOSTILE[:100], text=text, aspects={HOSTILE: quoted}))
    fields["digest"] = {"texts": {"en": {"text": HOSTILE}}, "flag_url": f"javascript:{HOSTILE}"}
    shown = Parsed(card(fields, "en"))

    assert [attributes for tag, attributes in shown.elements if tag == "script"] == [{"type": "application/ld+json"}]
    assert {"img", "b", "a"} & {tag for tag, _ in shown.elements} == set()
    assert [name for _, attributes in shown.elements for name in attributes if name.startswith("on")] == []
    assert shown.text.count(HOSTILE) == 5  # id, headline, digest, aspect and quote


def test_json_ld_neither_ends_its_element_nor_opens_another() -> None:
    document = card(fields_of(summary(HOSTILE[:100])), "en").decode()
    [block] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', document)

    assert re.findall(r"[<>&\u2028\u2029]", block) == []
    assert orjson.loads(block)["sku"] == HOSTILE[:100]


def test_search_engines_read_the_stars() -> None:
    [block] = re.findall(
        r'<script type="application/ld\+json">(.*?)</script>', card(fields_of(summary("k")), "en").decode()
    )

    assert orjson.loads(block) == {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": "k",
        "sku": "k",
        "aggregateRating": {
            "@type": "AggregateRating",
            "ratingValue": 4.0,
            "ratingCount": 12,
            "reviewCount": 12,
            "bestRating": 5,
            "worstRating": 1,
        },
    }


def test_product_without_stars_has_no_rating_for_search_engines() -> None:
    unrated = Counts(3, 1, 1, 1)
    document = card(fields_of(summary("k", windows=dict.fromkeys(("24h", "7d", "30d", "all"), unrated))), "en")

    assert b"ld+json" not in document
    assert "3 reviews, No stars yet" in Parsed(document).text


def test_digest_in_the_readers_language_stands_for_the_text() -> None:
    fields = fields_of(summary("k"))
    fields["digest"] = {
        "generated": True,
        "texts": {"en": {"text": "Of 12 reviews, 9 praise."}, "zh": {"text": "称赞"}},
    }

    assert "Of 12 reviews, 9 praise." in Parsed(card(fields, "en")).text
    assert "People like the taste." not in Parsed(card(fields, "en")).text
    assert "称赞" in Parsed(card(fields, "zh")).text


@pytest.mark.parametrize("digest", [None, {}, {"texts": None, "reason": "too_few"}, {"texts": {"zh": {"text": "x"}}}])
def test_without_a_digest_the_text_is_shown(digest: object) -> None:
    assert "People like the taste." in Parsed(card({**fields_of(summary("k")), "digest": digest}, "en")).text


def test_flag_address_is_a_link_where_it_is_one_of_the_web() -> None:
    fields = fields_of(summary("k"))
    fields["digest"] = {"texts": {"en": {"text": "x"}}, "flag_url": "https://shop.example/flag?a=1&b=2"}
    links = [attributes["href"] for tag, attributes in Parsed(card(fields, "en")).elements if tag == "a"]

    assert links == ["https://shop.example/flag?a=1&b=2"]


def test_highlights_are_named_and_aspects_that_none_speaks_of() -> None:
    """Ten who complain each in their own words have no highlight in common."""
    leaks = {"reviews": 12, "aspect": None, "quote": {"text": "It leaks."}, "evidence": ["r"]}
    loud = {"reviews": 3, "aspect": "sound", "quote": {"text": "It is loud."}, "evidence": ["r"]}
    aspects = {"look": aspect(9, 0, 9, "positive"), "sound": aspect(9, 8, 1), "delivery": aspect(10, 10, 0)}
    fields = {**fields_of(summary("k", aspects=aspects)), "highlights": {"read": 40, "complaints": [loud, leaks]}}

    praise, complaints = themes_of(fields)

    assert praise == [Theme("look", 9, "positive words")]
    assert complaints == [
        Theme("sound", 3, "It is loud."),
        Theme(None, 12, "It leaks."),
        Theme("delivery", 10, "negative words"),
    ]


def test_hazard_is_named_first_and_from_one_review_on() -> None:
    aspects = {"look": aspect(9, 9, 0), "safety": aspect(1, 1, 0), "sound": aspect(1, 1, 0)}
    fields = {**fields_of(summary("k", aspects=aspects)), "highlights": {"read": 40, "complaints": []}}

    assert [one.aspect for one in themes_of(fields)[1]] == ["safety", "look"]


def test_aspects_are_praise_and_complaints_with_what_nobody_should_miss() -> None:
    """A fifth that complains is named beside any praise; a quote never says the opposite of its list."""
    aspects = {
        "look": aspect(30, 1, 29, "positive"),
        "durability": aspect(20, 5, 15, "positive"),
        "service": aspect(4, 4, 0),
        "sound": aspect(1, 1, 0),
    }
    praise, complaints = themes_of(fields_of(summary("k", aspects=aspects)))

    assert praise == [Theme("look", 29, "positive words"), Theme("durability", 15, "positive words")]
    assert complaints == [Theme("durability", 5, ""), Theme("service", 4, "negative words")]


def test_few_reviews_and_a_lost_view_are_said() -> None:
    few = {one: Counts(1, 1, stars=(1, 0, 0, 0, 0)) for one in ("24h", "7d", "30d", "all")}
    fields = fields_of(summary("k", windows=few, low_evidence=True)) | {"stale": True}

    assert "Only 1 review so far" in Parsed(card(fields, "en")).text
    assert WORDS["en"]["stale"] in Parsed(card(fields, "en")).text


def test_languages_say_the_same() -> None:
    assert [list(WORDS[language]) for language in LANGUAGES] == [list(WORDS["en"])] * len(LANGUAGES)


@pytest.mark.parametrize(
    ("asked", "accepted", "expected"),
    [
        (None, "", "en"),
        ("zh", "en", "zh"),
        ("zh-Hans-CN", "", "zh"),
        ("fr", "zh;q=0.5", "zh"),
        (None, "fr, zh-CN;q=0.7, en;q=0.8", "en"),
        (None, "de, zh-TW", "zh"),
        (None, "zh;q=0", "en"),
        (None, "zh;q=much, en;q=0.1", "en"),
    ],
)
def test_language_is_the_one_asked_for_or_preferred(asked: str | None, accepted: str, expected: str) -> None:
    assert language_of(asked, accepted) == expected
