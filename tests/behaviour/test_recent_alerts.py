"""Recent alerts in every ports.SummaryStore: newest first, each once, without words of older revisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream_app.ports import SummaryStore
from stream_app.records import FINAL_REVISION, Alert, EnrichedReview
from stream_app.store.keys import MAX_RECENT_ALERTS
from tests.behaviour.enriched import NOW_MS, deletion, enriched
from tests.behaviour.running import Run
from tests.behaviour.store_calls import apply


def alert(number: int, **changes: Any) -> Alert:
    first = Alert(f"negative_review|p|{number}", "negative_review", "warning", "p", NOW_MS, NOW_MS + number)
    return replace(first, **changes)


def test_recent_alerts_are_the_newest_first_and_each_once(run: Run, store: SummaryStore) -> None:
    full = alert(2, review_id="r", revision=1, rating=1, p_negative=0.9876, sentence="Fire!", safety_words=("fire",))
    run(store.record_alerts([alert(1), full, alert(0)]))
    run(store.record_alerts([full, replace(full, raised_at_ms=NOW_MS + 99)]))

    assert run(store.recent_alerts(10)) == [full, alert(1), alert(0)]
    assert run(store.recent_alerts(1)) == [full]


def test_graver_alert_replaces_the_one_of_its_id_and_others_change_nothing(run: Run, store: SummaryStore) -> None:
    """Shown once, as the gravest. What is kept already, as it comes again after a crash, counts as kept."""
    warning = alert(1, severity="warning")
    critical = replace(warning, severity="critical", raised_at_ms=NOW_MS + 9)
    again, milder = replace(critical, raised_at_ms=NOW_MS + 10), replace(critical, severity="info")

    assert run(store.record_alerts([warning, alert(2), warning])) == [True, True, True]
    assert run(store.record_alerts([critical, again, milder, warning])) == [True, False, False, False]
    assert run(store.record_alerts([critical])) == [True]
    assert run(store.recent_alerts(10)) == [critical, alert(2)]


def test_alert_that_an_earlier_version_kept_is_known_again(run: Run, store: SummaryStore) -> None:
    """It knew fewer of its fields. Else `notify` would take a redelivered alert for another one, and not queue it."""
    kept = alert(1, severity="critical")

    assert run(store.record_alerts([kept, replace(kept, aspect="look")])) == [True, True]
    assert run(store.recent_alerts(10)) == [kept]


def test_recent_alerts_are_bounded(run: Run, store: SummaryStore) -> None:
    run(store.record_alerts([alert(number) for number in range(MAX_RECENT_ALERTS + 3)]))

    kept = run(store.recent_alerts(2 * MAX_RECENT_ALERTS))
    assert kept == [alert(number) for number in range(MAX_RECENT_ALERTS + 2, 2, -1)]


QUOTING = alert(2, review_id="r1", revision=1, rating=1, p_negative=0.9876, sentence="Fire!", safety_words=("fire",))
WITHOUT_WORDS = replace(QUOTING, sentence=None, safety_words=())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (deletion("r1", revision=1), WITHOUT_WORDS),
        (deletion("r1", revision=FINAL_REVISION), WITHOUT_WORDS),
        (enriched("r1", revision=2, kind="edited"), WITHOUT_WORDS),
        (enriched("r1", revision=1, kind="edited"), QUOTING),
        (enriched("r1", revision=0), QUOTING),
        (deletion("r1", revision=0), QUOTING),
        (deletion("r2", revision=9), QUOTING),
    ],
)
@pytest.mark.parametrize("alert_first", [True, False])
def test_alert_loses_its_words_with_the_revision_that_it_quotes(
    run: Run, store: SummaryStore, event: EnrichedReview, expected: Alert, alert_first: bool
) -> None:
    """Also an alert that is noted after the deletion was applied brings none back."""
    steps = [lambda: run(store.record_alerts([QUOTING])), lambda: apply(run, store, event)]
    for step in steps if alert_first else reversed(steps):
        step()
    assert run(store.recent_alerts(10)) == [expected]

    run(store.record_alerts([QUOTING]))
    assert run(store.recent_alerts(10)) == [expected], "the alert is delivered twice"


def test_alert_of_a_later_revision_takes_the_words_of_the_one_before(run: Run, store: SummaryStore) -> None:
    edited = replace(QUOTING, alert_id="later", revision=2, sentence="Smoke!", raised_at_ms=NOW_MS + 50)
    apply(run, store, enriched("r1", revision=1), enriched("r1", revision=2))
    run(store.record_alerts([QUOTING, edited]))

    assert run(store.recent_alerts(10)) == [edited, WITHOUT_WORDS]


def test_words_are_added_to_alerts_that_are_kept_without_them(run: Run, store: SummaryStore) -> None:
    """As those that wait for their receivers are."""
    spike = alert(7, sentence="Seven of nine.")
    run(store.record_alerts([QUOTING, spike]))
    other = replace(WITHOUT_WORDS, alert_id="other", revision=2)

    assert run(store.with_alert_words([WITHOUT_WORDS, other, spike])) == [QUOTING, other, spike]
    apply(run, store, deletion("r1", revision=1))
    assert run(store.with_alert_words([WITHOUT_WORDS])) == [WITHOUT_WORDS]
    assert run(store.with_alert_words([])) == []
