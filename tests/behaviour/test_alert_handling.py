"""What people do about recent alerts, in every ports.SummaryStore. It is shared by all generations of a server, so each
test has alerts of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from stream_app.ports import SummaryStore
from stream_app.records import Acknowledgement, Alert, Handling, Mute
from stream_app.settings import Settings
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import DAY_MS, NOW_MS
from tests.behaviour.running import Run

HOUR_MS = 3_600_000
BY_ANA = Acknowledgement("Ana", NOW_MS, "I call them", "warning")


@pytest.fixture
def numbered() -> Callable[[int], Alert]:
    """Alerts of a product that no other test has."""
    product = f"ä|{uuid.uuid4().hex[:8]}"

    def alert(number: int = 0) -> Alert:
        alert_id = f"negative_review|{product}|{number}"
        return Alert(alert_id, "negative_review", "warning", product, NOW_MS, NOW_MS + number)

    return alert


def handling(run: Run, store: SummaryStore, alert: Alert, now_ms: int = NOW_MS) -> Handling:
    [found] = run(store.handling([alert], now_ms))
    return found


def acknowledge(run: Run, store: SummaryStore, alert: Alert, now_ms: int = NOW_MS) -> bool:
    known: bool = run(store.acknowledge(alert.alert_id, "Ana", "I call them", now_ms))
    return known


def test_first_acknowledgement_stands_until_it_is_taken_back(
    run: Run, store: SummaryStore, numbered: Callable[[int], Alert]
) -> None:
    """A click that is sent twice changes neither the time nor the name."""
    alert, other = numbered(1), numbered(2)
    run(store.record_alerts([alert, other]))
    assert handling(run, store, alert) == Handling()

    assert acknowledge(run, store, alert)
    assert acknowledge(run, store, alert, NOW_MS + 5)
    assert run(store.acknowledge(alert.alert_id, "Bo", None, NOW_MS + 9))
    assert run(store.handling([other, alert], NOW_MS)) == [Handling(), Handling(BY_ANA)]

    assert run(store.unacknowledge(alert.alert_id))
    assert run(store.unacknowledge(alert.alert_id))
    assert handling(run, store, alert) == Handling()
    assert run(store.acknowledge(alert.alert_id, "Bo", None, NOW_MS + 9))
    assert handling(run, store, alert).acknowledged == Acknowledgement("Bo", NOW_MS + 9, None, "warning")


def test_alert_that_becomes_graver_asks_again(run: Run, store: SummaryStore, numbered: Callable[[int], Alert]) -> None:
    """Who took care of a warning may not know of what is critical by now."""
    alert = numbered(1)
    graver = replace(alert, severity="critical")
    run(store.record_alerts([alert]))
    acknowledge(run, store, alert)
    run(store.record_alerts([graver]))

    assert handling(run, store, graver) == Handling()
    assert run(store.acknowledge(alert.alert_id, "Bo", None, NOW_MS + 9))
    assert handling(run, store, graver).acknowledged == Acknowledgement("Bo", NOW_MS + 9, None, "critical")


def test_mute_holds_for_the_rule_and_product_until_its_end(
    run: Run, store: SummaryStore, numbered: Callable[[int], Alert]
) -> None:
    alert, same, other_rule = numbered(1), numbered(2), replace(numbered(3), rule="safety")
    other_product = replace(numbered(4), product_id="other")
    run(store.record_alerts([alert]))
    mute = Mute("Ana", NOW_MS, NOW_MS + HOUR_MS, "recalled")

    assert run(store.mute(alert.alert_id, mute, NOW_MS))
    assert run(store.mute(alert.alert_id, mute, NOW_MS))
    asked = [alert, same, other_rule, other_product]
    assert run(store.handling(asked, NOW_MS + HOUR_MS - 1)) == [
        Handling(None, mute),
        Handling(None, mute),
        Handling(),
        Handling(),
    ]
    assert handling(run, store, alert, NOW_MS + HOUR_MS) == Handling()

    longer = replace(mute, by="Bo", until_ms=NOW_MS + DAY_MS, note=None)
    assert run(store.mute(alert.alert_id, longer, NOW_MS + 1))
    assert handling(run, store, same).muted == longer
    assert run(store.unmute(alert.alert_id))
    assert run(store.unmute(alert.alert_id))
    assert handling(run, store, same) == Handling()


def test_nothing_is_done_about_an_unknown_alert(
    run: Run, store: SummaryStore, numbered: Callable[[int], Alert]
) -> None:
    unknown = numbered(1)

    assert not acknowledge(run, store, unknown)
    assert not run(store.unacknowledge(unknown.alert_id))
    assert not run(store.mute(unknown.alert_id, Mute("Ana", NOW_MS, NOW_MS + 1), NOW_MS))
    assert not run(store.unmute(unknown.alert_id))
    assert run(store.recent_alert(unknown.alert_id)) is None
    assert handling(run, store, unknown) == Handling()
    assert run(store.handling([], NOW_MS)) == []


def test_acknowledgement_goes_with_its_alert(
    run: Run, store: SummaryStore, numbered: Callable[[int], Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So there are never more of them than recent alerts."""
    for module in ("store.recent", "testing.store"):
        monkeypatch.setattr(f"stream_app.{module}.MAX_RECENT_ALERTS", 3)
    first = numbered(0)
    run(store.record_alerts([first]))
    acknowledge(run, store, first)
    assert run(store.recent_alert(first.alert_id)) == first
    run(store.record_alerts([numbered(number) for number in range(1, 4)]))

    assert run(store.recent_alert(first.alert_id)) is None
    assert handling(run, store, first) == Handling()
    assert not acknowledge(run, store, first)


def test_acknowledgement_is_to_be_announced_until_it_is_noted(
    run: Run, store: SummaryStore, numbered: Callable[[int], Alert]
) -> None:
    """The earliest first; one that was taken back is not."""
    alerts = {one.alert_id: one for one in map(numbered, range(3))}
    first, second, third = alerts.values()

    def waiting() -> list[Alert | None]:
        return [alert for alert_id, alert in run(store.newly_acknowledged(9_999)) if alert_id in alerts]

    run(store.record_alerts(list(alerts.values())))
    for at, one in enumerate((second, first, third, second)):
        acknowledge(run, store, one, NOW_MS + at)
    run(store.unacknowledge(third.alert_id))
    assert waiting() == [second, first]
    run(store.note_announced([second.alert_id, second.alert_id]))
    assert waiting() == [first]
    run(store.note_announced([first.alert_id]))
    assert waiting() == []


def test_beyond_their_limit_the_mutes_go_that_end_first(
    run: Run, store: SummaryStore, numbered: Callable[[int], Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("store.handling", "testing.handling"):
        monkeypatch.setattr(f"stream_app.{module}.MAX_MUTES", 2)
    alerts = [replace(numbered(number), product_id=f"{numbered(0).product_id}.{number}") for number in range(3)]
    run(store.record_alerts(alerts))
    # later than those that other tests left on the server: mutes belong to the installation, not to a generation
    try:
        for days, alert in zip((2200, 2100, 2300), alerts, strict=True):
            assert run(store.mute(alert.alert_id, Mute("Ana", NOW_MS, NOW_MS + days * DAY_MS), NOW_MS))

        assert [one.muted is not None for one in run(store.handling(alerts, NOW_MS))] == [True, False, True]
    finally:
        for alert in alerts:  # this test may run again on this server
            run(store.unmute(alert.alert_id))


@pytest.mark.store
def test_rebuild_keeps_what_people_did(run: Run, valkey: str, numbered: Callable[[int], Alert]) -> None:
    """It is not in the log: another generation of the view finds it where it was."""
    alert = numbered(1)
    old, new = (
        RedisSummaryStore.from_settings(Settings(redis=valkey, generation=int(uuid.uuid4().hex[:6], 16) + number))
        for number in (0, 1)
    )
    run(old.record_alerts([alert]))
    acknowledge(run, old, alert)
    run(old.mute(alert.alert_id, Mute("Ana", NOW_MS, NOW_MS + HOUR_MS), NOW_MS))
    run(new.record_alerts([alert]))

    assert handling(run, new, alert) == Handling(BY_ANA, Mute("Ana", NOW_MS, NOW_MS + HOUR_MS))
    run(old.close())
    run(new.close())
