"""Says what a round lost, doubled or changed, from its topics alone; shares no code with the product (see check_view).

What must be there follows from what was sent and from the rules of the contract:

    conservation   every message is in `reviews.enriched` or, with its own bytes, in the dead letter; never in both.
                   What is larger than a dead letter may be cut, and says so. What was taken back is nowhere
    integrity      what was published is what the scripted models must have answered to that text
    order          the first publications of a partition's messages stand in offset order
    identity       over the whole topic equal ce_id <=> equal state; dropping duplicates by it loses no state
    alerts         each due alert was published at least once, none that is not due, and for no id one of a lower
                   severity after a higher one; a crash may repeat one of equal severity. Those about products:
                   see checker_episodes
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.reliability.chaos.checker_episodes import is_about_a_product, wrong_episodes
from tests.reliability.chaos.published import (
    SEVERITIES,
    DeadLetter,
    Enriched,
    Published,
    State,
    digest,
    digest_of_headers,
)
from tests.reliability.chaos.workload import SAFETY_WORDS
from tests.reliability.testbed.messages import ACCEPTED, REVIEWS, Sent

_ALERT_FROM, _SURE_FROM, _SURER_FROM = 8000, 9500, 9700  # P(negative) x 10,000
_NOTHING, _INFO, _WARNING, _CRITICAL = range(-1, 3)


@dataclass(slots=True)
class Verdict:
    """``lost``, ``double`` and ``wrong`` name each difference in words."""

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    published_twice: int = 0  # allowed: consumers drop them by ce_id
    stall_seconds: float = 0.0  # the longest that an accepted message waited for its first publication

    @property
    def differences(self) -> list[str]:
        return self.lost + self.double + self.wrong

    def add(self, other: Verdict) -> None:
        self.lost += other.lost
        self.double += other.double
        self.wrong += other.wrong
        self.published_twice += other.published_twice


def check_topics(sent: Sequence[Sent], published: Published, *, late_firsts_allowed: bool) -> Verdict:
    """Conservation, integrity, order and published alerts of one round's messages.

    ``late_firsts_allowed``: a process that was stopped and woke up may publish what it had begun after its successor
    has published later messages of the partition.
    """
    verdict = Verdict()
    for one in sent:
        enriched, dead_letters = published.enriched.get(one.place, []), published.dead_letters.get(one.place, [])
        if one.is_absent:
            if enriched or dead_letters:
                verdict.wrong.append(f"message {one.place} was taken back, and came out: {one.value!r:.120}")
            continue
        if not enriched and not dead_letters:
            verdict.lost.append(f"message {one.place} is nowhere: {one.value!r:.120}")
            continue
        if enriched and dead_letters:
            verdict.double.append(f"message {one.place} is enriched and in the dead letter")
        verdict.published_twice += len(enriched) + len(dead_letters) - 1
        first = min([out.at for out in enriched] + [out.at for out in dead_letters])
        verdict.stall_seconds = max(verdict.stall_seconds, first - one.acked_at)
        verdict.wrong += [f"message {one.place}: {what}" for what in _wrong(one, enriched, dead_letters)]
    verdict.wrong += [] if late_firsts_allowed else _out_of_order(sent, published)
    verdict.add(_alerts(sent, published))
    return verdict


def check_identity(published: Published) -> Verdict:
    """ce_id, over everything that was ever published."""
    by_state: dict[State, set[str]] = defaultdict(set)
    for ce_id, states in published.states.items():
        for state in states:
            by_state[state].add(ce_id)
    wrong = [f"ce_id {ce_id} names {_some(states)}" for ce_id, states in published.states.items() if len(states) > 1]
    wrong += [f"{state} has the ids {_some(ids)}" for state, ids in by_state.items() if len(ids) > 1]
    wrong += [
        f"ce_id {ce_id} of products.summaries names {_some(states)}"
        for ce_id, states in published.summaries.items()
        if len(states) > 1
    ]
    return Verdict(wrong=wrong)


def due_alerts(sent: Iterable[Sent]) -> dict[str, tuple[int, int]]:
    """The alerts that these messages must raise: id -> the least and the most grave that its gravest may be.

    A message's age is that of its record: all are fresh. A version that is sure of it by less than the margin makes it
    a warning only where none fired before. _NOTHING is the least where nothing has to fire: an alert is published
    before its review is committed, and retention may remove the review in between.
    """
    due: dict[str, tuple[int, int]] = {}
    for one in sent:
        fields = one.fields
        if not fields or (one.is_absent and not one.may_have_alerted) or fields.get("deleted"):
            continue
        review = f"{product_of(one)}|{fields['review_id']}"
        if SAFETY_WORDS in fields["text"] and (fields.get("rating") or 1) <= 3:
            due[f"safety|{review}"] = (_NOTHING if one.is_absent else _CRITICAL, _CRITICAL)
            continue
        safety, _ = due.get(f"safety|{review}", (None, None))
        if one.p_negative < _ALERT_FROM or safety == _CRITICAL:
            continue
        stars_agree = (fields.get("rating") or 1) <= 2
        least = _WARNING if stars_agree and one.p_negative >= _SURER_FROM else _INFO
        most = _WARNING if stars_agree and one.p_negative >= _SURE_FROM else _INFO
        if SAFETY_WORDS in fields["text"]:
            least = most = _CRITICAL
        if one.is_absent or safety == _NOTHING:  # a version that was removed may have alarmed by its words, or not
            least = _NOTHING
        alert_id = f"negative_review|{review}"
        before = due.get(alert_id, (least, most))
        due[alert_id] = max(before[0], least), max(before[1], most)
    return due


def product_of(one: Sent) -> str:
    return str((one.fields or {})["product_id"])


def revision_of(fields: dict[str, Any]) -> int:
    return int(fields.get("revision", 2**53 - 1 if fields.get("deleted") else 0))


def label_of(one: Sent) -> str:
    return "negative" if one.p_negative >= 5000 else "positive"


def aspect_of(one: Sent) -> str:
    """What its first sentence speaks of, by the rule of the scripted models."""
    return ("quality", "look", "value", "colour of the sky")[one.p_negative % 4]


def seconds_of(rfc3339: str) -> float:
    return datetime.fromisoformat(rfc3339).timestamp()


def _wrong(one: Sent, enriched: Sequence[Enriched], dead_letters: Sequence[DeadLetter]) -> Iterable[str]:
    if dead_letters and one.reason == ACCEPTED:
        yield f"rejected as {dead_letters[0].reason} although it is valid: {one.value!r:.120}"
    elif enriched and one.reason != ACCEPTED:
        yield f"enriched although it must be rejected as {one.reason}"
    for dead_letter in dead_letters:
        if one.reason and dead_letter.reason != one.reason:
            yield f"rejected as {dead_letter.reason}, not as {one.reason}"
        yield from _other_bytes(one, dead_letter)
    for out in enriched:
        if one.reason == ACCEPTED:
            yield from _changed(one, out.value)


def _other_bytes(one: Sent, dead_letter: DeadLetter) -> Iterable[str]:
    """A part that did not fit is left out whole, and named with its size and its hash."""
    names = ((name.decode(errors="backslashreplace").encode(), value) for name, value in one.headers)
    parts = {
        "key": (digest(one.key), dead_letter.key),
        "value": (digest(one.value), dead_letter.value),
        "headers": (digest_of_headers(names), dead_letter.headers),
    }
    nothing = {"key": digest(None), "value": digest(None), "headers": digest_of_headers(())}
    for name, (should, is_now) in parts.items():
        if should == is_now or (name == "headers" and not one.is_raw):
            continue
        if not one.may_be_cut or is_now != nothing[name]:
            yield f"its dead letter has another {name}: {is_now}"
        elif f"{name};{should}" not in dead_letter.dropped:
            yield f"its dead letter lacks the {name} and does not say of what: {sorted(dead_letter.dropped)}"


def _changed(one: Sent, value: dict[str, Any]) -> Iterable[str]:
    """How a publication differs from what the scripted models must answer."""
    fields = one.fields or {}
    deleted = bool(fields.get("deleted"))
    expected = {
        "product_id": fields["product_id"],
        "review_id": fields["review_id"],
        "revision": revision_of(fields),
        "kind": "deleted" if deleted else "edited" if fields.get("revision") else "created",
        "text": fields.get("text"),
        "rating": fields.get("rating"),
    }
    for name, should in expected.items():
        if value[name] != should:
            yield f"its {name} is {value[name]!r}, not {should!r}"
    if deleted:
        return
    negative = one.p_negative / 10_000
    if value["sentiment"]["scores"]["negative"] != negative:
        yield f"P(negative) is {value['sentiment']['scores']['negative']}, not {negative}"
    if value["sentiment"]["label"] != label_of(one):
        yield f"its label is {value['sentiment']['label']}, not {label_of(one)}"
    opinions = [(one["label"], one["aspects"]) for one in value.get("opinions") or ()]
    if opinions != [(label_of(one), [aspect_of(one)])]:
        yield f"its opinions are {opinions}, not that it is {label_of(one)} about {aspect_of(one)}"
    text = fields["text"]
    said = {
        "abstractive": text[text.find("label L") :].split(" on ")[0],
        "own_text": text,
        "extractive": value["summary"] if value["summary"] in text else "a sentence of the text",
    }[value["summary_method"]]
    if value["summary"] != said:
        yield f"its {value['summary_method']} summary is {value['summary']!r}, not {said!r}"


def _out_of_order(sent: Sequence[Sent], published: Published) -> list[str]:
    """Only messages keyed by their product count: others reach another partition of the enriched topic."""
    ours = {one.place for one in sent if one.fields and one.key == one.fields["product_id"].encode() and not one.is_raw}
    wrong = []
    for partition, offsets in published.firsts.items():
        highest = -1
        for offset in (offset for offset in offsets if (REVIEWS, partition, offset) in ours):
            if offset < highest:
                wrong.append(f"message {(partition, offset)} was published behind {(partition, highest)}")
            highest = max(highest, offset)
    return wrong


def _alerts(sent: Sequence[Sent], published: Published) -> Verdict:
    verdict = Verdict()
    due = due_alerts(sent)
    for alert_id, (least, most) in sorted(due.items()):
        gravest = max((alert.severity for alert in published.alerts.get(alert_id, ())), default=-1)
        if gravest < least:
            verdict.lost.append(f"alert {alert_id} was not published as {SEVERITIES[least]}")
        elif gravest > most:
            verdict.wrong.append(f"alert {alert_id} was published as {SEVERITIES[gravest]}")
    products = {product_of(one) for one in sent if one.fields}
    verdict.wrong += wrong_episodes(published, products)
    for alert_id, raised in published.alerts.items():
        if raised[0].product_id not in products:
            continue
        if alert_id not in due and not is_about_a_product(alert_id):
            verdict.wrong.append(f"alert {alert_id} was not due")
        for before, after in pairwise(raised):
            if after.severity < before.severity:
                lower, higher = SEVERITIES[after.severity], SEVERITIES[before.severity]
                verdict.wrong.append(f"alert {alert_id} was published as {lower} after {higher}")
            elif after.severity == before.severity and after.revision != before.revision:
                verdict.wrong.append(f"alert {alert_id} was published again for another revision, no more grave")
            elif after.severity == before.severity:
                verdict.published_twice += 1
    return verdict


def _some(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, values))[:3])
