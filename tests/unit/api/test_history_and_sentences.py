"""A product's counts by day, and the sentences kept of its reviews, as the page asks for them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from stream_app.api.app import create_app
from stream_app.api.sentences import checked_template, review_address
from stream_app.records import Counts, Evidence, Mention
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import NOW_MS, summary

TODAY = NOW_MS // 86_400_000
SHOP = "https://shop.example/{product_id}#{review_id}"
TEXT = "Boils fast.\nThe lid broke."
KEPT = Evidence("r/1", 2, NOW_MS, "neutral", 5000, 3, TEXT, "en", (
    Mention(0, 11, "positive", ("function",)), Mention(12, 26, "negative", ("durability", "quality"))))  # fmt: skip


def view() -> CannedSummaryReader:
    made = CannedSummaryReader(summary("p"))
    made.history["p"] = {TODAY: Counts(2, 1, 0, 1, stars=(1, 0, 0, 0, 1)), TODAY - 2: Counts(1, unknown=1)}
    made.sentences["p"] = [KEPT, Evidence("r2", 0, NOW_MS - 1, "positive", 10, None, "Fine.")]
    return made


def get(path: str, review_url: str = "", **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        app = create_app(view(), now_ms=lambda: NOW_MS, review_url=review_url)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return asyncio.run(ask())


def sentences(query: str, review_url: str = "") -> list[dict[str, Any]]:
    return list(get(f"/v1/sentences?product_id=p{query}", review_url).json()["sentences"])


def test_history_has_every_day_the_oldest_first() -> None:
    response = get("/v1/products/p/history?days=3")
    days = response.json()["days"]

    assert [one["date"] for one in days] == ["2025-10-07", "2025-10-08", "2025-10-09"]
    assert [one["reviews"] for one in days] == [1, 0, 2]
    assert days[2] | {"date": ""} == {
        "date": "",
        "reviews": 2,
        "negative": 1,
        "neutral": 0,
        "positive": 1,
        "unknown": 0,
        "stars": [1, 0, 0, 0, 1],
        "mean_rating": 3.0,
    }
    assert days[1]["mean_rating"] is None


def test_history_is_of_37_days_unless_asked_otherwise_and_of_no_more() -> None:
    assert len(get("/v1/products/p/history").json()["days"]) == 37
    assert [get(f"/v1/products/p/history?days={n}").status_code for n in ("0", "1", "37", "38", "x")] == [
        400,
        200,
        200,
        400,
        400,
    ]


def test_unchanged_history_is_not_sent_again() -> None:
    tag = get("/v1/products/p/history").headers["etag"]

    assert get("/v1/products/p/history", If_None_Match=tag).status_code == 304
    assert get("/v1/products/p/history?days=2", If_None_Match=tag).status_code == 200


def test_history_of_an_unknown_product_is_a_404() -> None:
    assert get("/v1/products/nobody/history").json()["type"] == "urn:stream-app:problem:unknown-product"


def test_sentences_about_an_aspect_have_their_own_label_and_their_review() -> None:
    assert sentences("&aspect=durability") == [
        {
            "review_id": "r/1",
            "revision": 2,
            "created_at": "2025-10-09T08:53:20.000Z",
            "rating": 3,
            "language": "en",
            "label": "negative",
            "text": "The lid broke.",
        }
    ]


def test_sentences_are_chosen_by_label_and_by_review() -> None:
    assert [one["text"] for one in sentences("")] == [TEXT, "Fine."]
    assert [one["text"] for one in sentences("&label=positive")] == ["Fine."]
    assert sentences("&aspect=durability&label=positive") == []
    assert [one["text"] for one in sentences("&review_id=r2&review_id=r9")] == ["Fine."]


def test_sentences_are_chosen_as_those_of_a_slice() -> None:
    assert [one["review_id"] for one in sentences("&stars=3,4")] == ["r/1"]
    assert [one["review_id"] for one in sentences("&language=en&window=24h")] == ["r/1"]
    assert sentences("&stars=1") == []
    assert get("/v1/sentences?product_id=p&stars=6").status_code == 400


def test_sentences_of_an_unknown_product_are_none_and_wrong_parameters_are_refused() -> None:
    assert get("/v1/sentences?product_id=nobody").json()["sentences"] == []
    assert get("/v1/sentences").status_code == 400
    assert get("/v1/sentences?product_id=p&label=bad").status_code == 400
    assert get("/v1/sentences?product_id=p" + "&review_id=%d" * 65 % tuple(range(65))).status_code == 400


def test_sentences_link_to_the_review_at_the_shop() -> None:
    assert [one["url"] for one in sentences("", SHOP)] == ["https://shop.example/p#r%2F1", "https://shop.example/p#r2"]


def test_ids_stay_in_their_place_of_the_address() -> None:
    assert review_address(SHOP, "../a?b", "#{x}") == "https://shop.example/..%2Fa%3Fb#%23%7Bx%7D"


@pytest.mark.parametrize(
    "template",
    [
        "javascript:alert({review_id})",
        "shop.example/{review_id}",
        "https://shop.example/",
        "https://shop.example/{review_id}/{secret}",
        "https://shop.example/{review_id.__class__}",
        "https://shop.example/{review_id",
    ],
)
def test_template_of_anything_but_an_address_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"http|braces|template"):
        checked_template(template)
