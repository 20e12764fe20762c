"""What we publish: valid under its schema, read back as it was, readable as it was yesterday."""

from __future__ import annotations

import json
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app import contract
from stream_app.records import (
    LABELS,
    SEVERITIES,
    Alert,
    AlertQuote,
    BadShare,
    EnrichedReview,
    ModelName,
    Opinion,
    Position,
    ProductRule,
    RawRecord,
    Reason,
    Rejected,
    Rule,
    Sentiment,
    Span,
)
from stream_app.steps.assemble import doubts_of
from tests.schemas import validator

EXAMPLES = contract.schema_folder() / "examples" / "valid"
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
ID = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=128)
MS = st.integers(0, 4_000_000_000_000)
MODEL = st.none() | st.builds(ModelName, TEXT, TEXT)
PROBABILITY = st.integers(0, 10_000).map(lambda n: n / 10_000)
SENTIMENT = st.builds(Sentiment, st.sampled_from(LABELS), PROBABILITY, st.tuples(PROBABILITY, PROBABILITY, PROBABILITY))
SPAN = st.builds(Span, st.integers(0, 9), st.integers(0, 9))
ENRICHED = st.builds(
    EnrichedReview,
    kind=st.sampled_from(["created", "edited", "deleted"]),
    product_id=ID,
    review_id=ID,
    revision=st.integers(0, 2**53 - 1),
    enrichment_version=st.integers(0, 9),
    created_at_ms=MS,
    enriched_at_ms=MS,
    input=st.builds(Position, TEXT, st.integers(0, 99), st.integers(0, 2**40)),
    updated_at_ms=st.none() | MS,
    rating=st.none() | st.integers(1, 5),
    title=st.none() | TEXT,
    text=st.none() | TEXT,
    sentiment=st.none() | SENTIMENT,
    key_sentence=st.none() | SPAN,
    opinions=st.none()
    | st.tuples(st.builds(Opinion, SPAN, st.sampled_from(LABELS), PROBABILITY, st.tuples(TEXT), st.booleans())),
    summary=st.none() | TEXT,
    summary_method=st.sampled_from(["abstractive", "extractive", "own_text", "none"]),
    flags=st.tuples(TEXT),
    safety_words=st.tuples(TEXT),
    sentiment_model=MODEL,
    summary_model=MODEL,
)
SHARE = st.builds(BadShare, st.integers(0, 10**9), st.integers(0, 10**9), st.none() | MS, st.none() | MS)
ALERT = st.builds(
    Alert,
    alert_id=TEXT,
    rule=st.sampled_from(get_args(Rule)),
    severity=st.sampled_from(SEVERITIES),
    product_id=ID,
    created_at_ms=MS,
    raised_at_ms=MS,
    review_id=st.none() | ID,
    p_negative=st.none() | PROBABILITY,
    sentence=st.none() | TEXT,
    safety_words=st.tuples(TEXT),
    reason=st.none() | st.sampled_from(get_args(Reason)),
    window=st.none() | SHARE,
    baseline=st.none() | SHARE,
    quotes=st.lists(
        st.builds(AlertQuote, ID, st.integers(0, 2**53 - 1), st.none() | st.integers(1, 5), st.none() | TEXT),
        max_size=3,
    ).map(tuple),
    recovered_from=st.none() | st.sampled_from(get_args(ProductRule)),
    aspect=st.none() | TEXT,
)


def record(value: bytes | None) -> RawRecord:
    return RawRecord("topic", 0, 0, 0, None, value)


@given(ENRICHED)
def test_enriched_review_is_valid_and_comes_back_as_it_was(review: EnrichedReview) -> None:
    """Nothing is lost on the wire."""
    value = contract.encode_enriched(review)

    validator("enriched-review.v1").validate(json.loads(value))
    assert contract.decode_enriched(record(value)) == review


@given(ALERT)
def test_alert_is_valid_and_comes_back_as_it_was(alert: Alert) -> None:
    """Nothing is lost on the wire."""
    value = contract.encode_alert(alert)

    validator("alert.v1").validate(json.loads(value))
    assert contract.decode_alert(record(value)) == alert


def stored(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((EXAMPLES / name).read_text())
    return value


def test_stored_examples_of_version_1_stay_valid_and_readable() -> None:
    """They were published once: a later decoder or schema that refuses them breaks replays."""
    for name, decode in (("enriched-review", contract.decode_enriched), ("alert", contract.decode_alert)):
        value = stored(f"{name}.json")
        validator(f"{name}.v1").validate(value)
        assert not isinstance(decode(record(orjson.dumps(value))), Rejected)
    value = stored("product-summary.json")
    validator("product-summary.v1").validate(value)
    assert contract.decode_product_summary(orjson.dumps(value)).product_id == "kettle-k17"


def test_example_of_a_safety_alert_is_valid_and_says_what_raised_it() -> None:
    value = stored("alert.safety.json")

    validator("alert.v1").validate(value)
    alert = contract.decode_alert(record(orjson.dumps(value)))

    assert not isinstance(alert, Rejected)
    assert (alert.rule, alert.severity, alert.reason, alert.p_negative) == ("safety", "critical", "terms", None)


@pytest.mark.parametrize(
    ("name", "rule", "severity", "reason"),
    [
        ("negative_spike", "negative_spike", "warning", "sentiment"),
        ("negative_spike_of_aspect", "negative_spike", "warning", "sentiment"),
        ("rating_drop", "rating_drop", "warning", "stars"),
        ("safety_cluster", "safety_cluster", "critical", "terms"),
        ("recovered", "recovered", "info", "ended"),
    ],
)
def test_example_of_a_product_alert_is_valid_and_says_what_was_counted(
    name: str, rule: str, severity: str, reason: str
) -> None:
    value = stored(f"alert.{name}.json")

    validator("alert.v1").validate(value)
    alert = contract.decode_alert(record(orjson.dumps(value)))
    assert not isinstance(alert, Rejected)
    assert (alert.rule, alert.severity, alert.reason, alert.review_id) == (rule, severity, reason, None)
    assert alert.window is not None
    assert alert.recovered_from == ("negative_spike" if name == "recovered" else None)
    assert orjson.loads(contract.encode_alert(alert)) == value


def test_alert_of_a_product_is_read_whatever_a_later_version_adds() -> None:
    value = stored("alert.recovered.json") | {"recovered_from": "something new", "more": 1}

    alert = contract.decode_alert(record(orjson.dumps(value)))
    assert not isinstance(alert, Rejected)
    assert alert.recovered_from is None
    for wrong in ({"window": 7}, {"quotes": {"a": 1}}, {"quotes": [7]}, {"baseline": {"reviews": -1, "bad": 0}}):
        assert isinstance(contract.decode_alert(record(orjson.dumps(value | wrong))), Rejected)


def test_example_of_an_alert_by_a_learned_hazard_is_valid_and_says_what_raised_it() -> None:
    value = stored("alert.hazard.json")

    validator("alert.v1").validate(value)
    alert = contract.decode_alert(record(orjson.dumps(value)))

    assert not isinstance(alert, Rejected)
    assert (alert.rule, alert.severity, alert.reason, alert.p_negative) == ("safety", "warning", "hazard", 0.9312)


@pytest.mark.parametrize("flag", ["low_confidence", "rating_mismatch"])
def test_example_of_a_doubted_label_is_valid_and_earns_its_flag(flag: str) -> None:
    value = stored(f"enriched-review.{flag}.json")

    validator("enriched-review.v1").validate(value)
    review = contract.decode_enriched(record(orjson.dumps(value)))

    assert not isinstance(review, Rejected)
    assert review.flags == doubts_of(review.sentiment, review.rating) == (flag,)


def test_example_with_opinions_is_valid_and_its_offsets_are_of_the_text() -> None:
    value = stored("enriched-review.opinions.json")

    validator("enriched-review.v1").validate(value)
    review = contract.decode_enriched(record(orjson.dumps(value)))

    assert not isinstance(review, Rejected)
    assert review.text is not None
    assert review.opinions is not None
    assert [(review.text[one.span.start : one.span.end], one.hazard) for one in review.opinions] == [
        ("The lid broke after a week.", False),
        ("I burned my hand!", True),
    ]


def test_reader_ignores_what_it_does_not_know() -> None:
    """Fields and enum values of a later version: each has a stated fall-back."""
    value = stored("enriched-review.opinions.json") | {"new_field": 1, "kind": "merged", "summary_method": "telepathic"}
    value["sentiment"]["label"] = "mixed"
    value["opinions"][0]["label"] = "ironic"
    value["opinions"][1]["new_field"] = 1

    review = contract.decode_enriched(record(orjson.dumps(value)))

    assert not isinstance(review, Rejected)
    assert (review.kind, review.summary_method, review.sentiment) == ("edited", "none", None)
    assert review.opinions is not None
    assert [one.hazard for one in review.opinions] == [True]


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{}", b"\xff", b'{"kind": "created"}'])
def test_what_is_no_enriched_review_is_rejected(value: bytes | None) -> None:
    """A foreign producer on the topic stops no reader."""
    assert isinstance(contract.decode_enriched(record(value)), Rejected)
    assert isinstance(contract.decode_alert(record(value)), Rejected)


@pytest.mark.parametrize("name", ["product_id", "review_id", "revision", "rating", "safety_words"])
def test_deeply_nested_value_of_a_foreign_producer_did_not_end_the_worker(name: str) -> None:
    """Its message shows the value, and repr gave up: every restart met the same record again."""
    nested = "[" * 1000 + "]" * 1000
    for example, decode in (("enriched-review.json", contract.decode_enriched), ("alert.json", contract.decode_alert)):
        value = orjson.dumps(stored(example) | {name: "@"}).replace(b'"@"', nested.encode())
        rejection = decode(record(value))
        assert isinstance(rejection, Rejected)
        assert rejection.reason == "wrong_type"


@pytest.mark.parametrize(
    "wrong",
    [{}, "none", [1], [{"start": 0}], [{"start": -1, "end": 1, "label": "negative", "confidence": 2, "aspects": []}]],
)
def test_opinions_of_another_form_are_refused(wrong: Any) -> None:
    value = stored("enriched-review.json") | {"opinions": wrong}

    assert isinstance(contract.decode_enriched(record(orjson.dumps(value))), Rejected)


def test_enrichment_version_that_lua_cannot_count_to_is_refused() -> None:
    """Beyond 2^53 - 1 the scripts of the view held two versions for equal that the fold distinguished."""
    value = stored("enriched-review.json") | {"enrichment_version": 2**53}

    assert isinstance(contract.decode_enriched(record(orjson.dumps(value))), Rejected)
    assert not validator("enriched-review.v1").is_valid(value)


def test_ce_id_names_product_review_and_its_state_percent_encoded() -> None:
    """Consumers drop duplicates by it: different reviews never share one."""
    review = EnrichedReview("created", "a/b", "1 ü", 7, 1, 0, 0, Position("r", 0, 0))

    headers = dict(contract.enriched_message("t", review).headers)

    assert headers["ce_id"] == b"a%2Fb/1%20%C3%BC/7/0/1"
    assert headers["ce_type"] == b"enriched-review.v1"


def test_dead_letter_keeps_key_value_and_headers_and_adds_why() -> None:
    """The original bytes are untouched, whatever they are; an over-long reason is cut."""
    original = RawRecord("reviews", 4, 99, 0, b"\xff\x00", b"\xfe{", (("trace", b"abc"),))

    message = contract.dead_letter_message("dead", Rejected(original, "not_json", "x" * 20_000))

    assert (message.key, message.value, message.headers[0]) == (b"\xff\x00", b"\xfe{", ("trace", b"abc"))
    back = RawRecord("dead", 0, 0, 0, message.key, message.value, message.headers)
    assert contract.dead_letter_origin(back) == (Position("reviews", 4, 99), "not_json")
    assert len(dict(message.headers)[contract.HEADER_ERROR_MESSAGE]) == 8192


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 7) | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@given(st.data())
def test_whatever_is_wrong_with_a_field_is_noticed_or_harmless(data: st.DataObject) -> None:
    """What is read as an enriched review or an alert is a valid one: no later step meets a rating of "x"."""
    for name, decode, encode in (
        ("enriched-review.v1", contract.decode_enriched, contract.encode_enriched),
        ("alert.v1", contract.decode_alert, contract.encode_alert),
    ):
        value = stored({"alert.v1": "alert.json"}.get(name, "enriched-review.opinions.json"))
        place = value
        key = data.draw(st.sampled_from(sorted(place)))
        while isinstance(place[key], dict) and data.draw(st.booleans()):
            place = place[key]
            key = data.draw(st.sampled_from(sorted(place)))
        place[key] = data.draw(JSON)

        read = decode(record(orjson.dumps(value)))

        if not isinstance(read, Rejected):
            again = json.loads(encode(read))  # type: ignore[arg-type]
            validator(name).validate(again)


def test_original_headers_come_first_and_ours_win() -> None:
    """A dead letter that is replayed and rejected again names the second rejection."""
    first = contract.dead_letter_message("dead", Rejected(RawRecord("reviews", 4, 99, 0, None, b"{"), "not_json", "x"))
    again = RawRecord("reviews", 1, 100, 0, first.key, first.value, first.headers)

    second = contract.dead_letter_message("dead", Rejected(again, "not_utf8", "y"))

    back = RawRecord("dead", 0, 0, 0, second.key, second.value, second.headers)
    assert second.headers[: len(first.headers)] == first.headers
    assert contract.dead_letter_origin(back) == (Position("reviews", 1, 100), "not_utf8")
