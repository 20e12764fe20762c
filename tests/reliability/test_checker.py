"""The checker finds what the topics lost, doubled or changed: each test breaks one thing in a round in order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from tests.reliability.chaos.checker import Verdict, check_identity, check_topics, due_alerts
from tests.reliability.chaos.checker_signals import check_signals
from tests.reliability.chaos.checker_view import latest_versions, reviews_of
from tests.reliability.chaos.published import SEVERITIES, Published
from tests.reliability.chaos.workload import SAFETY_WORDS, workload
from tests.reliability.testbed.messages import ALERTS, DEAD_LETTER, ENRICHED, SIGNALS, SUMMARIES, Sent

Value = dict[str, Any]
Headers = list[tuple[str, bytes]]


class Record:
    """A consumed message, as confluent-kafka gives it."""

    def __init__(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self._topic, self._key, self._value, self._headers = topic, key, value, headers

    def topic(self) -> str:
        return self._topic

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Headers:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, int(time.time() * 1000)


def round_in_order() -> tuple[list[Sent], list[Record]]:
    """What was sent, acknowledged in one partition, and what a product without faults makes of it."""
    sent = workload("p", 7, 400)
    records = []
    for offset, one in enumerate(sent):
        one.partition, one.offset, one.acked_at = 0, offset, time.time()
        records.append(dead_letter(one) if one.reason else enriched(one))
    records += [alert(alert_id, SEVERITIES[least]) for alert_id, (least, _) in due_alerts(sent).items()]
    return sent, records


def enriched(one: Sent, ce_id: str | None = None, **changes: Any) -> Record:
    fields = one.fields or {}
    deleted, text = bool(fields.get("deleted")), fields.get("text", "")
    revision = fields.get("revision", 2**53 - 1 if deleted else 0)
    label = text[text.find("label L") :].split(" on ")[0] if "label L" in text else None
    negative = one.p_negative / 10_000
    value: Value = {
        "product_id": fields["product_id"],
        "review_id": fields["review_id"],
        "revision": revision,
        "enrichment_version": 1,
        "kind": "deleted" if deleted else "edited" if revision else "created",
        "text": fields.get("text"),
        "rating": fields.get("rating"),
        "sentiment": {"label": "negative" if negative >= 0.5 else "positive", "scores": {"negative": negative}},
        "opinions": [
            {
                "label": "negative" if negative >= 0.5 else "positive",
                "aspects": [("quality", "look", "value", "colour of the sky")[one.p_negative % 4]],
            }
        ],
        "summary": label or text,
        "summary_method": "abstractive" if label else "own_text",
        "input": {"topic": one.topic, "partition": one.partition, "offset": one.offset},
    }
    named = ce_id or f"{fields['product_id']}/{fields['review_id']}/{revision}/{deleted}/1"
    key = fields["product_id"].encode()
    return Record(ENRICHED, key, json.dumps(value | changes).encode(), [("ce_id", named.encode())])


def dead_letter(
    one: Sent, reason: str | None = None, value: bytes | None = None, headers: Headers | None = None, dropped: str = ""
) -> Record:
    errors = {
        "topic": one.topic,
        "partition": str(one.partition),
        "offset": str(one.offset),
        "exception.class.name": reason or one.reason,
    }
    named = [(f"__connect.errors.{name}", text.encode()) for name, text in errors.items()]
    named += [("stream-app-dropped", dropped.encode())] if dropped else []
    return Record(DEAD_LETTER, one.key, one.value if value is None else value, [*(headers or []), *named])


def alert(alert_id: str, severity: str = "info", revision: int = 0) -> Record:
    value = {"alert_id": alert_id, "severity": severity, "product_id": alert_id.split("|")[1], "revision": revision}
    return Record(ALERTS, b"p", json.dumps(value).encode(), [])


def checked(sent: list[Sent], records: list[Record]) -> Verdict:
    published = Published()
    published.take(records)
    return check_topics(sent, published, late_firsts_allowed=False)


def index_of(sent: list[Sent], wanted: Callable[[Sent], bool]) -> int:
    return next(i for i, one in enumerate(sent) if wanted(one))


def is_plain(one: Sent) -> bool:
    """Created, keyed by its product, short, and raising no alert."""
    fields = one.fields or {"deleted": True}
    keyed = one.key == fields.get("product_id", "").encode()
    return keyed and not fields.get("deleted") and one.p_negative < 8000 and len(fields["text"]) < 60


def test_round_in_order_has_no_differences() -> None:
    """A correct round passes."""
    sent, records = round_in_order()
    verdict = checked(sent, records)

    assert verdict.differences == []
    assert verdict.published_twice == 0
    assert {one.reason for one in sent} >= {"", "model_failed", "not_utf8"}


def test_message_that_is_nowhere_is_lost() -> None:
    """Conservation."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    del records[at]

    assert len(checked(sent, records).lost) == 1


def test_message_that_is_enriched_and_rejected_is_double() -> None:
    """In one of the two topics, never in both."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    verdict = checked(sent, [*records, dead_letter(sent[at], "model_failed")])

    assert len(verdict.double) == 1


def test_second_publication_is_counted_and_allowed() -> None:
    """At least once is what is promised."""
    sent, records = round_in_order()
    verdict = checked(sent, [*records, records[0]])

    assert verdict.differences == []
    assert verdict.published_twice == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "other words"},
        {"revision": 7},
        {"kind": "edited"},
        {"rating": 9},
        {"sentiment": {"label": "positive", "scores": {"negative": 0.1234567}}},
        {"summary": "something else"},
        {"summary": "something else", "summary_method": "extractive"},
    ],
)
def test_corrupted_payload_is_wrong(changes: Value) -> None:
    """What was published is what the models must have said."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    records[at] = enriched(sent[at], **changes)

    assert checked(sent, records).wrong


def test_wrong_reason_and_other_bytes_are_wrong() -> None:
    """A dead letter has its own reason, and the bytes that were sent."""
    sent, records = round_in_order()
    at = index_of(sent, lambda one: one.reason == "invalid_rating")

    records[at] = dead_letter(sent[at], "empty_text")
    assert len(checked(sent, records).wrong) == 1
    records[at] = dead_letter(sent[at], value=b"other bytes")
    assert len(checked(sent, records).wrong) == 1


def test_valid_review_in_the_dead_letter_is_wrong() -> None:
    """Rejecting the valid is a loss that looks tidy."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    records[at] = dead_letter(sent[at], "kills_worker")

    assert "although it is valid" in checked(sent, records).wrong[0]


def test_overtaking_is_wrong() -> None:
    """First publications stand in offset order."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    later = index_of(sent[at + 1 :], is_plain) + at + 1
    records[at], records[later] = records[later], records[at]

    assert checked(sent, records).wrong


def test_missing_and_needless_alerts_are_reported() -> None:
    """Every due alert, and no other."""
    sent, records = round_in_order()
    assert len(checked(sent, records[:-1]).lost) == 1
    one = sent[index_of(sent, is_plain)]
    needless = f"negative_review|{(one.fields or {})['product_id']}|{(one.fields or {})['review_id']}"
    assert checked(sent, [*records, alert(needless)]).wrong == [f"alert {needless} was not due"]


def test_alert_that_is_graver_or_less_grave_than_due_is_wrong_or_lost() -> None:
    """The gravest of an id is what customer service acts on."""
    sent, records = round_in_order()
    due = due_alerts(sent)
    at = len(sent) + list(due.values()).index((2, 2))
    alert_id = list(due)[at - len(sent)]
    assert len(checked(sent, [*records[:at], alert(alert_id, "warning"), *records[at + 1 :]]).lost) == 1
    mild = next(alert_id for alert_id, (_, most) in due.items() if most == 0)
    assert checked(sent, [*records, alert(mild, "critical")]).wrong == [f"alert {mild} was published as critical"]


def test_lower_severity_after_a_higher_one_is_wrong_and_an_equal_one_again_is_counted() -> None:
    """An edit from critical to warning is no news; a crash may publish an alert twice."""
    sent, records = round_in_order()
    critical = next(alert_id for alert_id, (least, _) in due_alerts(sent).items() if least == 2)

    lower = checked(sent, [*records, alert(critical, "warning", revision=1)])
    assert lower.wrong == [f"alert {critical} was published as warning after critical"]
    again = checked(sent, [*records, alert(critical, "critical", revision=1)])
    assert again.wrong == [f"alert {critical} was published again for another revision, no more grave"]
    twice = checked(sent, [*records, alert(critical, "critical")])
    assert (twice.differences, twice.published_twice) == ([], 1)


def test_workload_edits_from_critical_to_warning_and_deletes_a_published_revision() -> None:
    """The one must not alarm again; the other is what an id by revision alone confuses."""
    sent, _ = round_in_order()
    versions = [(one.fields or {}) for one in sent]
    ids = {(one.get("product_id"), one["review_id"]) for one in versions if SAFETY_WORDS in one.get("text", "")}
    deleted = [one for one in versions if one.get("deleted") and one.get("revision") == 0]

    assert sum((one.get("product_id"), one.get("review_id")) in ids for one in versions) == 2 * len(ids) > 0
    assert deleted


def test_message_that_was_taken_back_and_came_out_is_wrong() -> None:
    """An aborted transaction's records do not exist, nor do those that retention removed."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)
    sent[at].is_absent = True

    assert "was taken back, and came out" in checked(sent, records).wrong[0]
    assert checked(sent, [*records[:at], *records[at + 1 :]]).differences == []


def test_alert_of_a_review_that_retention_removed_afterwards_may_be_out_and_need_not() -> None:
    sent, records = round_in_order()
    reviews = [(one.fields or {}).get("review_id") for one in sent]
    at = index_of(sent, lambda one: bool(due_alerts([one])) and reviews.count((one.fields or {})["review_id"]) == 1)
    sent[at].is_absent = True
    without = [*records[:at], *records[at + 1 :]]
    assert [what for what in checked(sent, without).differences if "was not due" in what]

    sent[at].may_have_alerted = True
    assert checked(sent, without).differences == []
    assert max(least for least, _ in due_alerts([sent[at]]).values()) < 0


def test_edit_without_the_hazard_may_alarm_where_retention_removed_the_version_with_it() -> None:
    sent, _ = round_in_order()
    with_words = next(one for one in sent if any(due.startswith("safety|") for due in due_alerts([one])))
    review = (with_words.fields or {})["review_id"]
    versions = [one for one in sent if (one.fields or {}).get("review_id") == review]
    with_words.is_absent = with_words.may_have_alerted = True

    assert {least for least, _ in due_alerts(versions).values()} == {-1}
    assert [due for due in due_alerts(versions) if due.startswith("negative_review|")]


def test_equal_ids_of_two_states_and_two_ids_of_one_state_are_wrong() -> None:
    """ce_id <=> state, over the whole topic."""
    sent, records = round_in_order()
    at = index_of(sent, is_plain)

    def wrong(*more: Record) -> list[str]:
        published = Published()
        published.take([*records, *more])
        return check_identity(published).wrong

    assert wrong() == []
    assert wrong(records[at]) == []
    [same_id] = wrong(enriched(sent[at], "same", revision=7), enriched(sent[at], "same", revision=8))
    assert same_id.startswith("ce_id same names")
    [two_ids] = wrong(enriched(sent[at], "another"))
    assert "has the ids" in two_ids


def test_equal_ids_of_two_summaries_are_wrong() -> None:
    """`state_version` never falls, or a reader that drops duplicates keeps the old counts."""

    def summary(version: int, ce_id: bytes) -> Record:
        value = {"product_id": "p", "state_version": version}
        return Record(SUMMARIES, b"p", json.dumps(value).encode(), [("ce_id", ce_id)])

    published = Published()
    published.take([summary(1, b"one"), summary(1, b"one"), summary(2, b"two"), summary(3, b"two")])
    assert len(check_identity(published).wrong) == 1


def test_large_record_may_lack_a_part_if_its_dead_letter_says_of_what() -> None:
    """Its size and its hash are all that is left of the part."""
    value = b"x" * 3_000_000
    sent = Sent(b"k", value, "not_json", partition=0, offset=0, acked_at=time.time(), may_be_cut=True, is_raw=True)
    whole = dead_letter(sent)
    dropped = f"value;bytes={len(value)};sha256={sha256(value).hexdigest()}"

    def wrong(said: str, left: bytes | None = None) -> list[str]:
        record = dead_letter(sent, dropped=said)
        record._value = left
        return checked([sent], [record]).wrong

    assert checked([sent], [whole]).wrong == []
    assert wrong(dropped) == []
    assert len(wrong(dropped, left=value[:100])) == 1
    assert len(wrong("")) == 1
    sent.may_be_cut = False
    assert len(wrong(dropped)) == 1


def test_headers_of_a_hostile_record_are_in_its_dead_letter() -> None:
    """Names that are not UTF-8 are escaped, null stays null."""
    headers = ((b"\xff", b"\x00"), (b"nothing", None))
    sent = Sent(b"k", b"", "not_json", partition=0, offset=0, acked_at=time.time(), is_raw=True, headers=headers)
    kept: Any = [("\\xff", b"\x00"), ("nothing", None)]

    assert checked([sent], [dead_letter(sent, headers=kept)]).wrong == []
    assert len(checked([sent], [dead_letter(sent, headers=kept[:1])]).wrong) == 1


def test_record_of_an_output_topic_that_is_none_must_be_in_the_dead_letter() -> None:
    """Whoever wrote it there: its place names its topic."""
    garbage = Sent(b"k", b"x", "not_json", topic=ENRICHED, partition=0, offset=0, acked_at=time.time(), is_raw=True)
    itself = Record(ENRICHED, b"k", b"x", [])

    assert len(checked([garbage], [itself]).lost) == 1
    assert checked([garbage], [itself, dead_letter(garbage)]).differences == []


def test_signals_that_are_behind_or_miscounted_are_found() -> None:
    """Counts of the last record of a product, and its share."""
    sent, _ = round_in_order()
    standing = latest_versions(sent)
    of_product = {product: reviews_of(product, standing) for product, _ in standing}
    product, reviews = next((name, found) for name, found in of_product.items() if len(found) > 2)
    negative = sum(one.p_negative >= 5000 for one in reviews)
    against = sum(
        (one.fields or {}).get("rating") is not None
        and (
            (one.p_negative >= 8000 and (one.fields or {})["rating"] >= 4)
            or (one.p_negative <= 2000 and (one.fields or {})["rating"] <= 2)
        )
        for one in reviews
    )
    good = {
        "product_id": product,
        "reviews": len(reviews),
        "negative_share": {
            "negative": negative,
            "judged": len(reviews),
            "value": round((1.6 + negative) / (18.8 + len(reviews)), 4),
        },
        "mismatch": {"reviews": against},
    }

    def found(**changes: Any) -> Verdict:
        published = Published()
        published.take([Record(SIGNALS, product.encode(), json.dumps(good | changes).encode(), [("ce_id", b"x")])])
        return check_signals([one for one in sent if (one.fields or {}).get("product_id") == product], published)

    assert found().differences == []
    assert len(found(reviews=len(reviews) - 1).lost) == 1
    assert len(found(reviews=len(reviews) + 1).double) == 1
    assert len(found(mismatch={"reviews": against + 1}).lost) == 1
    assert len(found(negative_share=good["negative_share"] | {"value": 0.5}).wrong) == 1  # type: ignore[operator]
    assert len(found(product_id="another").lost) == 1, "nothing was published"
