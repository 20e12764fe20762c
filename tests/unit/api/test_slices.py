"""GET /v1/products/{product_id}/slice: the newest reviews by language, stars and window."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
import pytest

from stream_app.api.routes import openapi
from stream_app.records import Evidence, Mention
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import NOW_MS, summary
from tests.unit.api.test_look_ups import get

TEXT = "Boils fast.\nThe lid broke."
BROKE = Mention(12, 26, "negative", ("quality",), 40)
KEPT = [
    Evidence("r/1", 2, NOW_MS, "negative", 9_000, 1, TEXT, "en", (BROKE,)),
    Evidence("r2", 0, NOW_MS - 60_000, "positive", 10, 5, "很好。", "zh"),
    Evidence("r3", 0, NOW_MS - 40 * 86_400_000, None, 0, None, "Fine."),
]


def ask(query: str = "", product_id: str = "p", if_none_match: str = "") -> httpx.Response:
    view = CannedSummaryReader(summary("p"), summary("a/b"))
    view.sentences["p"] = KEPT
    return get(view, f"/v1/products/{quote(product_id, safe='')}/slice{query}", if_none_match=if_none_match)


def found(query: str) -> int:
    reviews: int = ask(query).json()["counts"]["reviews"]
    return reviews


def described(answer: dict[str, Any]) -> None:
    answers = openapi("1")["paths"]["/v1/products/{product_id}/slice"]["get"]["responses"]
    jsonschema_rs.validator_for(answers["200"]["content"]["application/json"]["schema"]).validate(answer)


def test_slice_says_of_how_many_reviews_it_is() -> None:
    answer = ask("?language=en&stars=1,2&window=30d").json()

    described(answer)
    assert answer == {
        "as_of": "2025-10-09T08:53:20.000Z",
        "product_id": "p",
        "slice": {"language": ["en"], "stars": [1, 2], "window": "30d"},
        "kept_reviews": 3,
        "of_reviews": 12,
        "counts": {
            "reviews": 1,
            "negative": 1,
            "neutral": 0,
            "positive": 0,
            "unknown": 0,
            "stars": [1, 0, 0, 0, 0],
            "mean_rating": 1.0,
        },
        "date_range": {"from": "2025-10-09T08:53:20.000Z", "to": "2025-10-09T08:53:20.000Z"},
        "aspects": {
            "quality": {
                "mentions": 1,
                "negative": 1,
                "positive": 0,
                "quote": {
                    "review_id": "r/1",
                    "revision": 2,
                    "label": "negative",
                    "start": 40,
                    "end": 54,
                    "text": "The lid broke.",
                },
            }
        },
    }


def test_without_parameters_it_is_of_all_that_is_kept() -> None:
    answer = ask().json()

    described(answer)
    assert answer["slice"] == {"language": None, "stars": None, "window": "all"}
    assert (answer["counts"]["reviews"], answer["counts"]["unknown"]) == (3, 1)


def test_values_are_separated_by_commas_or_repeated() -> None:
    queries = (
        "?language=en,zh",
        "?language=en&language=ZH",
        "?stars=1,5",
        "?stars=1&stars=5,5",
        "?language=fr",
        "?window=30d",
    )
    assert [found(query) for query in queries] == [2, 2, 2, 2, 0, 2]


def test_product_without_kept_reviews_has_an_empty_slice() -> None:
    answer = ask(product_id="a/b").json()

    described(answer)
    assert (answer["kept_reviews"], answer["of_reviews"], answer["date_range"]) == (0, 12, None)


def test_there_are_never_fewer_reviews_than_are_kept() -> None:
    """A review that came between the two reads is among the kept ones alone."""
    view = CannedSummaryReader(summary("p"))
    view.sentences["p"] = [*KEPT] * 5

    answer = get(view, "/v1/products/p/slice").json()
    assert (answer["kept_reviews"], answer["of_reviews"]) == (15, 15)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("?stars=0", "stars: '0' is none of 1, 2, 3, 4, 5; name several as stars=1,2."),
        ("?stars=1-2", "stars: '1-2' is none of"),
        ("?stars=", "stars: '' is none of"),
        ("?language=english", "language: 'english' is no code of two or three letters"),
        ("?language=en,", "language: '' is no code"),
        ("?window=recent", "window: 'recent' is none of 24h, 7d, 30d, all."),
    ],
)
def test_wrong_parameters_are_refused_by_name(query: str, detail: str) -> None:
    problem = ask(query)

    assert (problem.status_code, problem.json()["type"]) == (400, "urn:stream-app:problem:invalid-parameter")
    assert problem.json()["detail"].startswith(detail)


def test_unknown_product_is_a_404() -> None:
    assert ask(product_id="q").json()["type"] == "urn:stream-app:problem:unknown-product"


def test_unchanged_slice_is_not_sent_again() -> None:
    tag = ask().headers["etag"]

    assert ask(if_none_match=tag).status_code == 304
    assert ask("?stars=1", if_none_match=tag).status_code == 200
