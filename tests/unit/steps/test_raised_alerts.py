"""What published alerts say of episodes, to a view that was rebuilt."""

from __future__ import annotations

from dataclasses import replace

from stream_app.records import Alert, BadShare
from stream_app.steps.episodes import Mark
from stream_app.steps.fold import HOUR_MS
from stream_app.steps.raised_alerts import RaisedEpisodes

BEGUN = 24 * 20_000  # 2024-10-04T00
RAISED = Alert(
    "negative_spike|p|2024-10-04T00",
    "negative_spike",
    "warning",
    "p",
    0,
    1_000,
    window=BadShare(9, 8, BEGUN * HOUR_MS, (BEGUN + 5) * HOUR_MS),
)
RECOVERED = replace(
    RAISED,
    alert_id="recovered|p|negative_spike|2024-10-04T00",
    rule="recovered",
    raised_at_ms=2_000,
    recovered_from="negative_spike",
)
AS_RAISED = Mark(BEGUN, BEGUN + 4, "raised", BEGUN)
REBUILT = Mark(BEGUN + 2, BEGUN + 9, "rebuilt", BEGUN + 2)


def episodes_of(*alerts: Alert) -> RaisedEpisodes:
    noted = RaisedEpisodes()
    for alert in alerts:
        noted.note(alert)
    return noted


def test_raised_alert_is_known_by_its_own_name() -> None:
    """The rebuilt view may see the episode begin elsewhere: an end must name the alert that was raised."""
    assert episodes_of(RAISED).adopted("p", {"negative_spike": REBUILT}) == {"negative_spike": AS_RAISED}
    assert episodes_of(RAISED).adopted("p", {}) == {"negative_spike": AS_RAISED}
    assert episodes_of(RAISED).adopted("q", {"negative_spike": REBUILT}) == {"negative_spike": REBUILT}


def test_what_recovered_is_over_in_any_order_and_however_often() -> None:
    """A view whose log has more reviews than the old one saw would find it again, under the same id."""
    over = AS_RAISED._replace(state="over", last=BEGUN + 9)
    ended = replace(RECOVERED, window=BadShare(19, 8, BEGUN * HOUR_MS, (BEGUN + 10) * HOUR_MS))
    for alerts in ([RAISED, ended], [ended, RAISED], [RAISED, ended, RAISED]):
        for marks in ({}, {"negative_spike": AS_RAISED}, {"negative_spike": REBUILT}):
            assert episodes_of(*alerts).adopted("p", marks) == {"negative_spike": over}
    withdrawn = replace(RECOVERED, window=None)
    assert episodes_of(RAISED, withdrawn).adopted("p", {}) == {"negative_spike": AS_RAISED._replace(state="over")}
    later = over._replace(last=BEGUN + 12)
    assert episodes_of(RAISED, ended).adopted("p", {"negative_spike": later}) == {"negative_spike": later}


def test_newer_episode_counts_and_what_the_view_raised_itself_stays() -> None:
    later = replace(RAISED, alert_id="negative_spike|p|2024-10-09T00", raised_at_ms=3_000, window=None)
    mark = Mark(BEGUN + 120, BEGUN + 120, "raised", BEGUN + 120)
    for alerts in ([RAISED, RECOVERED, later], [later, RECOVERED, RAISED]):
        assert episodes_of(*alerts).adopted("p", {}) == {"negative_spike": mark}
    assert episodes_of(RAISED).adopted("p", {"negative_spike": mark}) == {"negative_spike": mark}
    assert episodes_of(RAISED, RECOVERED).adopted("p", {"negative_spike": mark}) == {"negative_spike": mark}


def test_alerts_of_reviews_and_strange_ids_are_passed_over() -> None:
    of_a_review = replace(RAISED, alert_id="negative_review|p|2024-10-04T00", rule="negative_review")
    strange = replace(RAISED, alert_id="negative_spike|p|today")
    assert episodes_of(of_a_review, strange).adopted("p", {}) == {}
    assert episodes_of(of_a_review, strange).take_news() == set()


def test_news_are_taken_once() -> None:
    noted = episodes_of(RAISED)
    assert noted.take_news() == {"p"}
    assert noted.take_news() == set()
    noted.note(RECOVERED)
    assert noted.take_news() == {"p"}
