"""What shops send: every example ends as its folder says, and the schema agrees with the hand-written decoder."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app import contract
from stream_app.records import FINAL_REVISION, RawRecord, Rejected, Review
from stream_app.steps import enrich

EXAMPLES = contract.schema_folder() / "examples"
REASONS: dict[str, str] = json.loads((EXAMPLES / "invalid" / "reasons.json").read_text())
CLEANED: dict[str, str] = json.loads((EXAMPLES / "cleaned" / "texts.json").read_text())
NOW_MS = contract.from_rfc3339("2026-06-01T00:00:00Z")

# what a schema cannot see: bytes that are no JSON, days that do not exist, and what is relative to now
NOT_STRUCTURAL = {"not_utf8", "not_json", "too_deep", "lone_surrogate", "future_date", "invalid_date"}


def decoded(value: bytes | None) -> Review | Rejected:
    record = RawRecord("reviews", 3, 17, 1_700_000_000_000, b"a", value)
    return contract.decode_review(record, now_ms=NOW_MS, max_future_ms=300_000, max_text_characters=20_000)


def accepted(value: bytes) -> Review:
    review = decoded(value)
    assert isinstance(review, Review), review
    return review


def rejected(value: bytes | None) -> Rejected:
    review = decoded(value)
    assert isinstance(review, Rejected)
    return review


@pytest.mark.parametrize("name", sorted(REASONS))
def test_invalid_example_is_rejected_for_its_reason(name: str) -> None:
    """With the original record in it, and words that say what is wrong."""
    value = (EXAMPLES / "invalid" / name).read_bytes()

    rejection = rejected(value)

    assert REASONS[name] == rejection.reason
    assert rejection.record.value == value
    assert rejection.detail


def test_every_invalid_example_has_a_reason() -> None:
    """A file without one would be tested by nobody."""
    files = {path.name for path in (EXAMPLES / "invalid").iterdir()} - {"reasons.json"}

    assert files == set(REASONS)


@pytest.mark.parametrize("name", sorted(name for name, reason in REASONS.items() if reason not in NOT_STRUCTURAL))
def test_schema_rejects_what_the_decoder_rejects(name: str) -> None:
    """Teams that validate with the schema before they send are not surprised."""
    value = json.loads((EXAMPLES / "invalid" / name).read_bytes())

    assert not contract.validator("review.v1").is_valid(value)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "valid").glob("review.*.json")), ids=lambda path: path.name)
def test_valid_example_is_accepted_by_decoder_and_schema(path) -> None:  # type: ignore[no-untyped-def]
    """Both ways of reading the contract agree."""
    assert contract.validator("review.v1").is_valid(json.loads(path.read_bytes()))
    assert isinstance(decoded(path.read_bytes()), Review)


@pytest.mark.parametrize("name", sorted(CLEANED))
def test_example_to_be_cleaned_is_accepted_and_cleaned(name: str) -> None:
    """Markup, control characters and personal data do not reject a review."""
    prepared = enrich.prepare(accepted((EXAMPLES / "cleaned" / name).read_bytes()), None)

    assert isinstance(prepared, enrich.Prepared)
    assert CLEANED[name] == prepared.text


@pytest.mark.parametrize("levels", [300, 1000])
@pytest.mark.parametrize(
    "name", ["product_id", "review_id", "text", "title", "language", "rating", "revision", "created_at", "deleted"]
)
def test_deeply_nested_value_did_not_end_the_worker(name: str, levels: int) -> None:
    """Its message shows the value, and repr gave up: every restart met the same review again."""
    nested = "[" * levels + "]" * levels
    value = orjson.dumps({"product_id": "a", "review_id": "1", "text": "x", name: "@"}).replace(b'"@"', nested.encode())

    rejection = rejected(value)

    assert (rejection.reason, name in rejection.detail) == ("wrong_type", True)


def test_text_of_a_megabyte_is_rejected() -> None:
    """It would occupy the device for seconds."""
    value = orjson.dumps({"product_id": "a", "review_id": "1", "text": "good " * 200_000})

    assert rejected(value).reason == "text_too_long"


def test_tombstone_is_rejected() -> None:
    """A null value names no review; the message says how to delete one."""
    assert rejected(None).reason == "tombstone"
    assert "deleted: true" in rejected(None).detail


def test_edit_takes_its_revision_from_updated_at() -> None:
    """Milliseconds of the time of the edit: later edits are larger."""
    review = accepted(b'{"product_id":"a","review_id":"1","text":"x","updated_at":"1970-01-01T00:00:01.5Z"}')

    assert (review.revision, review.kind) == (1500, "edited")


def test_shop_that_always_sends_updated_at_creates() -> None:
    """Written and updated at the same moment: nobody edited it."""
    when = '"2026-05-01T00:00:00Z"'
    review = accepted(
        f'{{"product_id":"a","review_id":"1","text":"x","created_at":{when},"updated_at":{when}}}'.encode()
    )

    assert review.kind == "created"


def test_deletion_without_a_revision_is_final() -> None:
    """Nothing can follow it."""
    review = accepted(b'{"product_id":"a","review_id":"1","deleted":true}')

    assert (review.revision, review.kind) == (FINAL_REVISION, "deleted")


def test_date_without_a_zone_is_utc_and_absent_is_the_record_s() -> None:
    """RFC 3339 with what shops leave out."""
    dated = accepted(b'{"product_id":"a","review_id":"1","text":"x","created_at":"2026-05-01T10:00:00"}')
    undated = accepted(b'{"product_id":"a","review_id":"1","text":"x"}')

    assert dated.created_at_ms == contract.from_rfc3339("2026-05-01T10:00:00Z")
    assert undated.created_at_ms == 1_700_000_000_000


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["product_id", "review_id", "text", "title", "rating", "deleted", "revision", "language"]
LIKELY = JSON_VALUES | st.sampled_from(["a", "", " ", True, 1, 5, 5.0, 6, None])


@given(st.dictionaries(st.sampled_from(NAMES), LIKELY))
def test_schema_and_decoder_agree_on_any_object(fields: dict[str, object]) -> None:
    """Two descriptions of one contract: generated objects find where they differ."""
    try:
        value = orjson.dumps(fields)
    except TypeError:  # integers beyond 64 bits and lone surrogates, which orjson does not write
        return
    verdict = decoded(value)

    valid = contract.validator("review.v1").is_valid(json.loads(value))
    assert isinstance(verdict, Review) == valid, verdict


@given(st.binary(max_size=300))
def test_any_bytes_end_as_a_value(value: bytes) -> None:
    """Nothing a producer sends raises."""
    assert isinstance(decoded(value), Review | Rejected)


def test_nan_beside_an_emoji_is_no_json() -> None:
    """Python's own parser takes both; the escaped emoji was blamed as half a character."""
    assert rejected(b'{"product_id":"a","review_id":"1","text":"\\ud83d\\ude00","rating":NaN}').reason == "not_json"


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_date_before_the_year_1_in_utc_is_rejected(name: str) -> None:
    """It could be read but not published again, which would end the worker each time the review comes."""
    value = f'{{"product_id":"a","review_id":"1","text":"x","{name}":"0001-01-01T00:00:00+02:00"}}'

    assert rejected(value.encode()).reason == "invalid_date"


def test_record_from_the_future_without_a_date_is_rejected() -> None:
    """The record's timestamp stands in for created_at, and is held to the same limit."""
    record = RawRecord("reviews", 0, 0, NOW_MS + 300_001, None, b'{"product_id":"a","review_id":"1","text":"x"}')
    verdict = contract.decode_review(record, now_ms=NOW_MS, max_future_ms=300_000, max_text_characters=20_000)

    assert isinstance(verdict, Rejected)
    assert verdict.reason == "future_date"


def test_five_minutes_ahead_is_accepted() -> None:
    """Clocks differ."""
    accepted(b'{"product_id":"a","review_id":"1","text":"x","created_at":"2026-06-01T00:05:00Z"}')


def test_whole_number_with_a_point_is_an_integer() -> None:
    """JSON knows one kind of number; 5.0 is what some languages write."""
    review = accepted(b'{"product_id":"a","review_id":"1","text":"x","rating":5.0,"revision":2.0}')

    assert (review.rating, review.revision, review.kind) == (5, 2, "edited")
    assert type(review.rating) is int
