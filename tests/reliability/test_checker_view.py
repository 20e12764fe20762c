"""The checker finds what the API shows too few or too many of, and texts that no review says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from stream_app.contract import decode_review, encode_product_summary
from stream_app.records import EnrichedReview, Position, RawRecord, Review
from stream_app.steps.assemble import assemble, deletion, sentiment_of
from stream_app.steps.prepare import Prepared, prepare
from stream_app.testing.store import MemorySummaryStore
from tests.reliability.chaos.checker import Verdict, product_of
from tests.reliability.chaos.checker_view import check_texts, check_view
from tests.reliability.chaos.workload import workload
from tests.reliability.test_checker import Value
from tests.reliability.testbed.messages import Sent
from tests.reliability.testbed.scripted_models import scores_of


@pytest.fixture
def api() -> Iterator[tuple[str, dict[str, Value]]]:
    """A look-up API that says what the test puts into the dictionary, by product."""
    shown: dict[str, Value] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"products": list(shown.values()), "unknown": []}).encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """No lines on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", shown
    server.shutdown()


def test_view_with_too_few_or_too_many_reviews_is_lost_or_double(api: tuple[str, dict[str, Value]]) -> None:
    """Each review once, the latest revision, deletions gone."""
    address, shown = api
    at = "2026-01-02T03:04:05.000Z"
    fields = {"product_id": "p", "review_id": "r", "created_at": at, "text": "t", "rating": 4}
    sent = [
        Sent(b"p", b"", fields=fields, p_negative=10, offset=0),
        Sent(b"p", b"", fields={**fields, "revision": 1}, p_negative=9000, offset=1),
        Sent(b"p", b"", fields={**fields, "review_id": "gone"}, p_negative=9000, offset=2),
        Sent(b"p", b"", fields={"product_id": "p", "review_id": "gone", "deleted": True}, offset=3),
    ]
    counts = {
        "negative": 1,
        "neutral": 0,
        "positive": 0,
        "unknown": 0,
        "stars": [0, 0, 0, 1, 0],
        "p_negative_sum": 9000,
    }

    def show(reviews: int, quote: Value | None = None) -> None:
        window = counts | {"reviews": reviews}
        said = {"mentions": reviews, "negative": reviews, "positive": 0, "net": -1.0}
        aspects = {"quality": {"windows": {"30d": said, "all": said}, "quote": quote}}
        windows = dict.fromkeys(("24h", "7d", "30d", "all"), window)
        shown["p"] = {"product_id": "p", "as_of": at, "windows": windows, "aspects": aspects}

    assert check_view(sent, address).lost == ["product p is unknown"]
    show(1, {"review_id": "r", "text": "t"})
    assert check_view(sent, address).differences == []
    show(2)
    assert len(check_view(sent, address).double) == 5
    show(0)
    assert len(check_view(sent, address).lost) == 5
    for quote in ({"review_id": "r", "text": "never said"}, {"review_id": "gone", "text": "t"}):
        show(1, quote)
        assert "quotes what no review says" in check_view(sent, address).wrong[0]


def test_round_in_order_shows_no_difference(api: tuple[str, dict[str, Value]]) -> None:
    """What the product makes of a workload, with the scripted models: aspects and quotes too."""
    address, shown = api
    now_ms = time.time_ns() // 1_000_000
    sent = [one for one in workload("p", 7, 400) if not one.reason]
    store = MemorySummaryStore()
    with asyncio.Runner() as runner:
        for offset, one in enumerate(sent):
            one.offset = offset
            runner.run(store.apply([enriched(one, now_ms)], now_ms))
        products = sorted({product_of(one) for one in sent})
        summaries = runner.run(store.read(products, now_ms))
    for product, summary in zip(products, summaries, strict=True):
        assert summary is not None
        shown[product] = json.loads(encode_product_summary(summary))

    assert check_view(sent, address).differences == []
    assert any(aspect["quote"] for product in shown.values() for aspect in product["aspects"].values())


def enriched(one: Sent, now_ms: int) -> EnrichedReview:
    """By the steps of `enrich`."""
    record = RawRecord("reviews", 0, one.offset, now_ms, one.key, one.value)
    review = decode_review(record, now_ms=now_ms, max_future_ms=300_000, max_text_characters=20_000)
    assert isinstance(review, Review)
    position = Position("reviews", 0, one.offset)
    if review.kind == "deleted":
        return deletion(review, enrichment_version=1, now_ms=now_ms, position=position)
    prepared = prepare(review, None)
    assert isinstance(prepared, Prepared)
    scores = scores_of(prepared.model_text)
    return assemble(
        review,
        prepared,
        sentiment=sentiment_of(scores),
        sentiment_missing=None,
        truncated=False,
        sentences=scores.sentences,
        abstract=None,
        with_summary=True,
        min_words=20,
        sentiment_model=None,
        summary_model=None,
        enrichment_version=1,
        now_ms=now_ms,
        position=position,
    )


def test_text_that_is_missing_or_cites_what_is_gone_or_makes_things_up_is_found(
    api: tuple[str, dict[str, Value]],
) -> None:
    """Products with a few reviews have a text, of sentences that stand."""
    address, shown = api
    texts = ["It holds. It is blue.", "It fell apart.", "It is loud."]
    fields = [
        {"product_id": "p", "review_id": str(i), "created_at": "2026-01-02T03:04:05.000Z", "text": text}
        for i, text in enumerate(texts)
    ]
    sent = [Sent(b"p", b"", fields=one, offset=i) for i, one in enumerate(fields)]

    def show(text: str, *evidence: str, method: str = "extractive") -> Verdict:
        none: Value = {"praise": [], "complaints": []}
        text_of: Value = {"text": text, "evidence": evidence, "method": method}
        shown["p"] = {"product_id": "p", "text": text_of, "highlights": none}
        return check_texts(sent, address)

    assert show("It is blue. It is loud.", "0", "2").differences == []
    assert len(show("", method="none").lost) == 1
    assert "cites reviews that do not stand: ['9']" in show("It holds.", "9").wrong[0]
    assert "says what no review says" in show("It is loud. It is cheap.", "2").wrong[0]


def test_highlight_that_counts_what_is_gone_or_of_the_other_sentiment_is_found(
    api: tuple[str, dict[str, Value]],
) -> None:
    """Its quote stands where it is said to be."""
    address, shown = api
    fields = [
        {"product_id": "p", "review_id": str(i), "created_at": "2026-01-02T03:04:05.000Z", "text": "It broke. Pity."}
        for i in range(3)
    ]
    sent = [Sent(b"p", b"", fields=one, offset=i, p_negative=9000 if i else 0) for i, one in enumerate(fields)]

    def show(reviews: int, *evidence: str, of: str = "1", start: int = 0, revision: int = 0) -> list[str]:
        quote: Value = {"review_id": of, "revision": revision, "start": start, "end": start + 9, "text": "It broke."}
        complaint: Value = {"reviews": reviews, "aspect": None, "quote": quote, "evidence": evidence}
        text: Value = {"text": "It broke.", "evidence": ["1"], "method": "extractive"}
        highlights: Value = {"praise": [], "complaints": [complaint]}
        shown["p"] = {"product_id": "p", "text": text, "highlights": highlights}
        return check_texts(sent, address).wrong

    assert show(2, "1", "2") == []
    assert "counts ['9']" in show(2, "1", "9")[0]
    assert "counts ['0']" in show(2, "1", "0")[0], "it praises"
    assert "in 3 that" in show(3, "1", "2")[0]
    assert "in 2 that" in show(2, "1", "1")[0]
    for wrong in (show(1, "1", of="9"), show(1, "1", start=1), show(1, "1", revision=1)):
        assert "quotes in its highlights what no review says there" in wrong[0]
    del shown["p"]["highlights"]
    assert check_texts(sent, address).lost == ["product p has a text and no highlights"]


def test_stale_answer_is_wrong(api: tuple[str, dict[str, Value]]) -> None:
    """It is right to say so, but a round that is over has healed."""
    address, shown = api
    fields = {"product_id": "p", "review_id": "r", "created_at": "2026-01-02T03:04:05.000Z", "text": "t", "rating": 4}
    sent = Sent(b"p", b"", fields=fields, p_negative=3, offset=0)
    window = {"reviews": 1, "negative": 0, "neutral": 0, "positive": 1, "unknown": 0, "stars": [0, 0, 0, 1, 0]}
    windows = dict.fromkeys(("24h", "7d", "30d", "all"), window | {"p_negative_sum": 3})
    shown["p"] = {"product_id": "p", "as_of": fields["created_at"], "windows": windows, "aspects": {}, "stale": True}

    assert check_view([sent], address).wrong == ["product p is said to be stale"]
