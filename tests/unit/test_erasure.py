"""Which records an erasure removes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from stream_app import contract
from stream_app.erasure import Erasure
from stream_app.records import Alert, RawRecord
from stream_app.settings import Settings

EXAMPLE = orjson.loads((contract.schema_folder() / "examples/valid/alert.negative_spike.json").read_bytes())


class Silent:
    """ports.Progress."""

    def say(self, what: str) -> None:
        return

    def advanced(self, step: str, done: int, total: int) -> None:
        return


def kept(alert: Any, *erased: tuple[str, str], topic: str = "reviews.alerts") -> Any:
    """What is kept of an alert: its fields, or the value itself where it is untouched; None: nothing."""
    value = alert if isinstance(alert, bytes | None) else orjson.dumps(alert)
    record = RawRecord(topic, 0, 0, 0, b"p", value)
    found = Erasure(Settings(_env_file=None), erased, Silent())._keep(topic, record)
    assert found is None or found._replace(value=value) == record
    return found and (alert if found is record else orjson.loads(found.value or b""))


@pytest.mark.parametrize("topic", ["reviews.alerts", "reviews.dead-letter"])
def test_alert_about_a_product_stays_without_its_quote_of_an_erased_review(topic: str) -> None:
    """Without the alert a rebuild would take its episode for one that was never raised. The dead letter of `notify` is
    the whole alert.
    """
    erased = EXAMPLE["quotes"][0]["review_id"]
    after = kept(EXAMPLE, ("charger-volt65", erased), topic=topic)
    assert after == EXAMPLE | {"quotes": EXAMPLE["quotes"][1:]}
    assert isinstance(contract.decode_alert(RawRecord(topic, 0, 0, 0, b"p", orjson.dumps(after))), Alert)
    nothing = ("charger-volt65", "charger-099"), ("kettle-k17", erased)
    assert kept(EXAMPLE, *nothing, topic=topic) is EXAMPLE


def test_alert_about_an_erased_review_is_erased() -> None:
    alert = orjson.loads((contract.schema_folder() / "examples/valid/alert.json").read_bytes())
    assert kept(alert, (alert["product_id"], alert["review_id"])) is None
    assert kept(alert, (alert["product_id"], "another")) is alert


@pytest.mark.parametrize(
    "alert",
    [
        None,
        b"",
        b"[]",
        b"no json",
        {"quotes": 7},
        {"product_id": 7, "quotes": []},
        EXAMPLE | {"quotes": [7, {"review_id": 7}, {"review_id": {"a": 1}}, {"review_id": ["charger-031"]}]},
        EXAMPLE | {"product_id": {"sku": "charger-volt65"}},
        EXAMPLE | {"product_id": ["charger-volt65"]},
        b'{"product_id": "charger-volt65", "review_id": {"a": 1}}',
    ],
)
def test_what_is_no_alert_about_a_product_quotes_nobody(alert: Any) -> None:
    assert kept(alert, ("charger-volt65", "charger-031")) is alert


def test_what_cannot_be_written_without_its_quote_is_erased() -> None:
    """orjson reads deeper nesting than it writes."""
    deep = b"[" * 400 + b"]" * 400
    value = b'{"product_id": "p", "quotes": [{"review_id": "r", "sentence": "Mine."}], "deep": %b}' % deep
    assert kept(value, ("p", "r")) is None
    assert kept(value, ("p", "another")) is value


@pytest.mark.parametrize(
    "value",
    [
        b'{"product_id": "p", "review_id": "r", "text": "Mine \\ud83d"}',
        b'{"product_id": "p", "review_id": "r", "text": "Caf\xe9"}',
        b'{"product_id": "p", "review_id": "r", "text": "Mine", "rating": NaN}',
        b'{"product_id": "p", "review_id": "r", "text": "Mine", "rating": 1e400}',
        b'\xef\xbb\xbf{"product_id": "p", "review_id": "r", "text": "Mine"}',
    ],
    ids=["lone surrogate", "Latin-1", "NaN", "1e400", "byte order mark"],
)
def test_rejected_review_that_is_nearly_json_is_erased(value: bytes) -> None:
    assert kept(value, ("p", "r"), topic="reviews.dead-letter") is None
    assert kept(value, ("p", "another"), topic="reviews.dead-letter") is value


def test_what_is_nested_too_deeply_for_any_reader_is_left() -> None:
    value = b"[" * 100_000
    assert kept(value, ("p", "r"), topic="reviews.dead-letter") is value


@pytest.mark.parametrize("review_id", [123, "123"])
def test_rejected_review_whose_id_is_a_number_is_erased(review_id: Any) -> None:
    """It was rejected for that, with its words, and sent again with a string."""
    rejected = orjson.dumps({"product_id": 7, "review_id": review_id, "text": "My name is …"})
    assert kept(rejected, ("7", "123"), topic="reviews.dead-letter") is None
    assert kept(orjson.dumps({"product_id": 7, "review_id": True}), ("7", "True"), topic="reviews.dead-letter")
