"""What shops send: every example ends as its folder says, and the schema agrees with the hand-written decoder."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app import contract
from stream_app.records import FINAL_REVISION, RawRecord, Rejected, Review
from stream_app.steps import prepare
from tests.schemas import validator

EXAMPLES = contract.schema_folder() / "examples"
REASONS: dict[str, str] = json.loads((EXAMPLES / "invalid" / "reasons.json").read_text())
CLEANED: dict[str, str] = json.loads((EXAMPLES / "cleaned" / "texts.json").read_text())
NOW_MS = contract.from_rfc3339("2026-06-01T00:00:00Z")

# what a schema cannot see: bytes that are no JSON, days that do not exist, and what is relative to now
NOT_STRUCTURAL = {"not_utf8", "not_json", "too_deep", "lone_surrogate", "future_date", "past_date", "invalid_date"}


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
    """A file without one would be tested nowhere."""
    files = {path.name for path in (EXAMPLES / "invalid").iterdir()} - {"reasons.json"}

    assert files == set(REASONS)


@pytest.mark.parametrize("name", sorted(name for name, reason in REASONS.items() if reason not in NOT_STRUCTURAL))
def test_schema_rejects_what_the_decoder_rejects(name: str) -> None:
    """Teams that validate with the schema before they send are not surprised."""
    value = json.loads((EXAMPLES / "invalid" / name).read_bytes())

    assert not validator("review.v1").is_valid(value)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "valid").glob("review.*.json")), ids=lambda path: path.name)
def test_valid_example_is_accepted_by_decoder_and_schema(path) -> None:  # type: ignore[no-untyped-def]
    """Both ways of reading the contract agree."""
    assert validator("review.v1").is_valid(json.loads(path.read_bytes()))
    assert isinstance(decoded(path.read_bytes()), Review)


@pytest.mark.parametrize("name", sorted(CLEANED))
def test_example_to_be_cleaned_is_accepted_and_cleaned(name: str) -> None:
    """Markup, control characters and personal data do not reject a review."""
    prepared = prepare.prepare(accepted((EXAMPLES / "cleaned" / name).read_bytes()), None)

    assert isinstance(prepared, prepare.Prepared)
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
    review = accepted(b'{"product_id":"a","review_id":"1","text":"x","updated_at":"2000-01-01T00:00:01.5Z"}')

    assert (review.revision, review.kind) == (946_684_801_500, "edited")


def test_shop_that_always_sends_updated_at_creates() -> None:
    """Written and updated at the same moment: it was not edited."""
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

    valid = validator("review.v1").is_valid(json.loads(value))
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


DAY_MS = 86_400_000
YEAR_2000_MS = 946_684_800_000
UNDATED = b'{"product_id":"a","review_id":"1","text":"x"}'
DATED = b'{"product_id":"a","review_id":"1","text":"x","created_at":"2026-05-01T00:00:00Z"}'
NEVER = [-(2**63), -(10**15), -1, 0, YEAR_2000_MS - 1, NOW_MS + DAY_MS + 1, 10**15, 2**63 - 1]


def verdict_at(timestamp_ms: int, value: bytes) -> Review | Rejected:
    record = RawRecord("reviews", 0, 0, timestamp_ms, None, value)
    return contract.decode_review(record, now_ms=NOW_MS, max_future_ms=300_000, max_text_characters=20_000)


def review_of(at_ms: int) -> bytes:
    return orjson.dumps(orjson.loads(UNDATED) | {"created_at": contract.to_rfc3339(at_ms)})


@pytest.mark.parametrize("timestamp_ms", NEVER)
def test_record_whose_timestamp_cannot_be_true_is_rejected_where_it_would_be_the_date(timestamp_ms: int) -> None:
    """-10^15 could not be published again, which ended every worker for ever; -1, which means none, counted as 1969."""
    verdict = verdict_at(timestamp_ms, UNDATED)

    assert isinstance(verdict, Rejected)
    assert verdict.reason == "invalid_timestamp"
    assert str(timestamp_ms) in verdict.detail


@pytest.mark.parametrize("timestamp_ms", NEVER)
def test_timestamp_that_cannot_be_true_rejects_no_review_with_a_date_of_its_own(timestamp_ms: int) -> None:
    """The review is fine; only its producer's clock is not."""
    verdict = verdict_at(timestamp_ms, DATED)

    assert isinstance(verdict, Review)
    assert verdict.created_at_ms == contract.from_rfc3339("2026-05-01T00:00:00Z")


@pytest.mark.parametrize("timestamp_ms", [YEAR_2000_MS, NOW_MS, NOW_MS + DAY_MS])
def test_timestamp_that_can_be_true_is_the_date_of_an_undated_review(timestamp_ms: int) -> None:
    """The bounds themselves are inside."""
    verdict = verdict_at(timestamp_ms, UNDATED)

    assert isinstance(verdict, Review)
    assert verdict.created_at_ms == timestamp_ms


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_date_before_the_year_2000_is_rejected(name: str) -> None:
    """It comes of a clock that was never set, or of a database's zero."""
    for when, reason in (("1999-12-31T23:59:59.999Z", "past_date"), ("2000-01-01T00:00:00Z", None)):
        verdict = decoded(orjson.dumps(orjson.loads(UNDATED) | {name: when}))
        assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


@pytest.mark.parametrize("slow_ms", [5 * 60_000, 60 * 60_000, DAY_MS])
def test_worker_whose_clock_is_slow_accepts_fresh_reviews(slow_ms: int) -> None:
    """It rejected every one of them: the producer's clock, seen in the record's timestamp, is as good as its own."""
    fresh_ms = NOW_MS + slow_ms

    assert isinstance(verdict_at(fresh_ms, UNDATED), Review)
    assert isinstance(verdict_at(fresh_ms, review_of(fresh_ms + 300_000)), Review)
    late = verdict_at(fresh_ms, review_of(fresh_ms + 300_001))
    assert isinstance(late, Rejected)
    assert late.reason == "future_date"


@pytest.mark.parametrize("timestamp_ms", [NOW_MS + DAY_MS + 1, 4_102_444_800_000, 2**63 - 1])
def test_producer_with_a_wild_clock_does_not_switch_the_check_off(timestamp_ms: int) -> None:
    """A record's timestamp of the year 2100 let every date up to then through."""
    assert isinstance(verdict_at(timestamp_ms, review_of(NOW_MS + 300_000)), Review)
    rejection = verdict_at(timestamp_ms, review_of(NOW_MS + 300_001))

    assert isinstance(rejection, Rejected)
    assert rejection.reason == "future_date"


def test_five_minutes_ahead_is_accepted() -> None:
    """Clocks differ."""
    accepted(b'{"product_id":"a","review_id":"1","text":"x","created_at":"2026-06-01T00:05:00Z"}')


def test_whole_number_with_a_point_is_an_integer() -> None:
    """JSON knows one kind of number; 5.0 is what some languages write."""
    review = accepted(b'{"product_id":"a","review_id":"1","text":"x","rating":5.0,"revision":2.0}')

    assert (review.rating, review.revision, review.kind) == (5, 2, "edited")
    assert type(review.rating) is int
