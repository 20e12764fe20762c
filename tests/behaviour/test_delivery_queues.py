"""What every delivery.queue.DeliveryQueue keeps: in memory, on a server and on a cluster."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

import pytest

from stream_app.delivery.queue import DeliveryQueue
from stream_app.records import Alert, Position, Severity
from stream_app.steps.delivery_queue import Addition, QueueStatus, ReceiverState, Unreadable, Waiting
from tests.behaviour.enriched import NOW_MS
from tests.behaviour.running import Run

ALERT = Alert(
    "negative_review|ä:{}|r",
    "negative_review",
    "warning",
    "ä:{}",
    NOW_MS,
    NOW_MS,
    review_id="r",
    p_negative=0.9,
    sentence="It broke.",
    safety_words=("cut",),
)


@pytest.fixture
def name() -> str:
    """A receiver that no other test has."""
    return f"r-{uuid.uuid4().hex[:8]}"


def waiting(number: int = 0, *, severity: Severity = "warning", due: int = NOW_MS, queued: int = NOW_MS) -> Waiting:
    alert = replace(ALERT, alert_id=f"{ALERT.alert_id}{number}", severity=severity)
    return Waiting(alert, Position("reviews.alerts", 3, number), NOW_MS, queued, due, NOW_MS + 7)


def without_words(one: Waiting) -> Waiting:
    return replace(one, alert=replace(one.alert, sentence=None, safety_words=()))


def offsets(found: Sequence[Waiting | Unreadable]) -> list[int]:
    return [one.place.offset for one in found if isinstance(one, Waiting)]


def add(run: Run, queues: DeliveryQueue, name: str, *given: Waiting, now_ms: int = NOW_MS) -> list[bool]:
    return run(queues.add([Addition(name, one) for one in given], now_ms))


def test_alert_waits_without_its_words_until_it_is_removed(run: Run, queues: DeliveryQueue, name: str) -> None:
    """The words stand with their product alone, so that they go with a deletion."""
    assert add(run, queues, name, waiting()) == [True]

    assert run(queues.due(name, NOW_MS, 9)) == [without_words(waiting())]
    assert run(queues.status(name)) == QueueStatus(ReceiverState(), 1, NOW_MS, NOW_MS, ())
    assert name in run(queues.receivers())
    run(queues.remove(name, [waiting().ref]))
    assert run(queues.due(name, NOW_MS, 9)) == []
    assert run(queues.status(name)).waiting == 0


def test_alert_about_no_review_keeps_what_it_says(run: Run, queues: DeliveryQueue, name: str) -> None:
    spike = replace(waiting(), alert=replace(ALERT, review_id=None, sentence="Seven of nine."))
    add(run, queues, name, spike)

    assert run(queues.due(name, NOW_MS, 9)) == [spike]


def test_alert_is_queued_once_also_after_it_was_delivered(run: Run, queues: DeliveryQueue, name: str) -> None:
    assert add(run, queues, name, waiting(), waiting()) == [True, False]
    run(queues.remove(name, [waiting().ref]))

    assert add(run, queues, name, waiting()) == [False]
    assert add(run, queues, name, waiting(severity="critical")) == [True]
    run(queues.remove(name, [waiting(severity="critical").ref], given_up=True))
    assert add(run, queues, name, waiting(severity="critical")) == [True], "its dead letter is replayed"


def test_due_are_the_gravest_first_and_then_the_earliest(run: Run, queues: DeliveryQueue, name: str) -> None:
    given = [
        waiting(1, severity="info", due=NOW_MS - 9),
        waiting(2, due=NOW_MS),
        waiting(3, due=NOW_MS - 1),
        waiting(4, severity="critical"),
        waiting(5, due=NOW_MS + 1),
    ]
    add(run, queues, name, *given)

    assert [one.place.offset for one in run(queues.due(name, NOW_MS, 9))] == [4, 3, 2, 1]
    assert [one.place.offset for one in run(queues.due(name, NOW_MS, 2))] == [4, 3]
    assert offsets(run(queues.least(name, 3))) == [1, 3, 2]


def try_again(run: Run, queues: DeliveryQueue, name: str, due_at_ms: int, *message: Waiting) -> bool:
    return run(queues.end_round(name, "one", [(message, due_at_ms)], ReceiverState(1)))


def test_messages_that_failed_are_due_together_later_and_the_state_is_kept(
    run: Run, queues: DeliveryQueue, name: str
) -> None:
    add(run, queues, name, waiting(1), waiting(2), waiting(3), waiting(4, severity="info"))
    run(queues.remove(name, [waiting(3).ref]))
    state = ReceiverState(2, NOW_MS, NOW_MS + 5, "HTTP 500")
    failed = [
        ([waiting(1), waiting(2), waiting(3)], NOW_MS + 5),
        ([waiting(4, severity="info")], NOW_MS + 6),
    ]
    assert run(queues.end_round(name, "one", failed, state))
    assert run(queues.status(name)).state == state
    assert name in run(queues.receivers())

    assert run(queues.due(name, NOW_MS + 4, 9)) == []
    later = run(queues.due(name, NOW_MS + 6, 9))
    assert [(one.place.offset, one.due_at_ms - NOW_MS) for one in later] == [(1, 5), (2, 5), (4, 6)]


def test_process_that_lost_its_lease_changes_neither_state_nor_times(
    run: Run, queues: DeliveryQueue, name: str
) -> None:
    """The one that has it now knows better."""
    add(run, queues, name, waiting(1))
    assert run(queues.hold(name, "two", 60_000))
    assert not try_again(run, queues, name, NOW_MS + 5, waiting(1))
    assert run(queues.status(name)).state == ReceiverState()
    assert len(run(queues.due(name, NOW_MS, 9))) == 1

    run(queues.release(name, "two"))
    assert try_again(run, queues, name, NOW_MS + 5, waiting(1)), "nobody has it"
    assert run(queues.due(name, NOW_MS, 9)) == []


def test_what_waits_is_known_by_its_ref_whenever_it_is_due(run: Run, queues: DeliveryQueue, name: str) -> None:
    now, later = (replace(one, digest_at_ms=None) for one in (waiting(1), waiting(2, due=NOW_MS + 60_000)))
    of_digest = waiting(3)
    add(run, queues, name, now, later, of_digest)
    refs = [now.ref, later.ref, of_digest.ref, waiting(4).ref]
    assert run(queues.waiting_alone(name, refs)) == {now.ref, later.ref}
    run(queues.remove(name, refs[:1]))
    assert run(queues.waiting_alone(name, refs)) == {later.ref}
    assert run(queues.status(name)).waiting == 2


def test_expired_are_those_that_were_queued_before(run: Run, queues: DeliveryQueue, name: str) -> None:
    for number in range(3):
        add(run, queues, name, waiting(number, queued=NOW_MS + number), now_ms=NOW_MS + number)

    assert offsets(run(queues.expired(name, NOW_MS + 2, 9))) == [0, 1]
    assert offsets(run(queues.expired(name, NOW_MS + 2, 1))) == [0]


def test_age_counts_from_when_an_alert_is_due_first(run: Run, queues: DeliveryQueue, name: str) -> None:
    add(run, queues, name, waiting(1, due=NOW_MS + 5), now_ms=NOW_MS)

    assert run(queues.status(name)).oldest_at_ms == NOW_MS + 5
    assert run(queues.expired(name, NOW_MS + 5, 9)) == []
    assert len(run(queues.expired(name, NOW_MS + 6, 9))) == 1
    try_again(run, queues, name, NOW_MS + 9, waiting(1))
    assert run(queues.status(name)).oldest_at_ms == NOW_MS + 5


def test_times_of_a_clock_that_was_ahead_are_not_believed(run: Run, queues: DeliveryQueue, name: str) -> None:
    """What is due then is due now; once it was tried, its age counts from then."""
    hour, year = 3_600_000, 365 * 24 * 3_600_000
    add(run, queues, name, waiting(1, severity="critical", due=NOW_MS + hour + 1), waiting(2, due=NOW_MS + 49 * hour))
    add(run, queues, name, waiting(3, due=NOW_MS + year), now_ms=NOW_MS + year)

    assert [one.place.offset for one in run(queues.due(name, NOW_MS, 9))] == [1, 3]
    try_again(run, queues, name, NOW_MS + 5, waiting(3))
    assert offsets(run(queues.expired(name, NOW_MS + 6, 9))) == [3]


def test_what_was_handled_is_known_until_it_is_given_up(run: Run, queues: DeliveryQueue, name: str) -> None:
    add(run, queues, name, waiting(1), waiting(2))
    run(queues.remove(name, [waiting(1).ref]))
    run(queues.remove(name, [waiting(2).ref], given_up=True))

    asked = [(name, waiting(number).ref) for number in (1, 2, 3)]
    assert run(queues.handled(asked)) == [True, False, False]


def test_suppressed_alerts_are_counted_until_a_message_said_so(run: Run, queues: DeliveryQueue, name: str) -> None:
    """And once: an alert that comes again is not counted again, nor is a message that is removed again."""
    additions = [Addition(name, waiting(number), "cool_down") for number in (1, 2, 1)]
    assert run(queues.add(additions, NOW_MS)) == [True, True, False]
    run(queues.add([Addition(name, waiting(3), "quiet_hours")], NOW_MS))
    add(run, queues, name, waiting(4))
    assert run(queues.status(name)).suppressed == (("cool_down", 2), ("quiet_hours", 1))
    assert run(queues.status(name)).waiting == 1

    run(queues.add([Addition(name, waiting(5), "cool_down")], NOW_MS))
    for _ in range(2):
        run(queues.remove(name, [waiting(4).ref], counted={"cool_down": 2, "quiet_hours": 1}))
    assert run(queues.status(name)).suppressed == (("cool_down", 1),)


def test_cool_downs_are_kept_by_receiver_until_their_end(run: Run, queues: DeliveryQueue, name: str) -> None:
    run(queues.add([Addition(name, waiting(1), None, ("k", NOW_MS + 9))], NOW_MS))

    assert run(queues.cool_downs([(name, "k"), (name, "other"), (f"{name}x", "k")])) == [NOW_MS + 9, None, None]
    run(queues.add([Addition(name, waiting(2), None, ("new", NOW_MS + 99))], NOW_MS + 10))
    assert run(queues.cool_downs([(name, "k"), (name, "new")])) == [None, NOW_MS + 99]
    assert run(queues.cool_downs([])) == []


def test_one_process_holds_a_receiver(run: Run, queues: DeliveryQueue, name: str) -> None:
    assert run(queues.hold(name, "one", 60_000))
    assert run(queues.hold(name, "one", 60_000))
    assert not run(queues.hold(name, "two", 60_000))
    run(queues.release(name, "two"))
    assert not run(queues.hold(name, "two", 60_000))
    run(queues.release(name, "one"))
    assert run(queues.hold(name, "two", 60_000))


def test_state_is_kept_and_a_receiver_that_nothing_waits_for_is_forgotten(
    run: Run, queues: DeliveryQueue, name: str
) -> None:
    state = ReceiverState(3, NOW_MS, NOW_MS + 5, "HTTP 500 – “ä”", NOW_MS + 6)
    run(queues.note(name, state))
    add(run, queues, name, waiting())
    assert run(queues.status(name)).state == state

    run(queues.forget(name))
    assert run(queues.status(name)).waiting == 1, "it came back to the file of receivers meanwhile"
    assert name in run(queues.receivers())
    run(queues.remove(name, [waiting().ref]))
    run(queues.forget(name))
    assert run(queues.status(name)) == QueueStatus(ReceiverState(), 0, None, None, ())
    assert name not in run(queues.receivers())
    assert add(run, queues, name, waiting()) == [True]


def test_receivers_have_nothing_in_common(run: Run, queues: DeliveryQueue, name: str) -> None:
    other = f"{name}x"
    add(run, queues, name, waiting())
    add(run, queues, other, waiting())
    run(queues.remove(name, [waiting().ref]))

    assert run(queues.status(other)).waiting == 1


def test_what_is_suppressed_while_it_waits_is_counted_once(run: Run, queues: DeliveryQueue, name: str) -> None:
    """Asked again after a lost reply, it counts nothing more; nor is it queued again."""
    add(run, queues, name, waiting(1), waiting(2), waiting(3))
    gone = [waiting(1).ref, waiting(2).ref]
    run(queues.suppress(name, gone, "muted"))
    run(queues.suppress(name, gone, "muted"))

    assert run(queues.status(name)).suppressed == (("muted", 2),)
    assert run(queues.due(name, NOW_MS, 9)) == [without_words(waiting(3))]
    assert add(run, queues, name, waiting(1)) == [False]
    run(queues.remove(name, [waiting(3).ref], counted={"muted": 2}))
    assert run(queues.status(name)).suppressed == ()


def test_acknowledgement_waits_beside_its_alert(run: Run, queues: DeliveryQueue, name: str) -> None:
    taken = replace(waiting(1), acknowledges=True, digest_at_ms=None)

    assert add(run, queues, name, waiting(1), taken, taken) == [True, True, False]
    assert run(queues.due(name, NOW_MS, 9)) == [without_words(waiting(1)), without_words(taken)]
    run(queues.remove(name, [taken.ref]))
    assert run(queues.due(name, NOW_MS, 9)) == [without_words(waiting(1))]
