"""Episodes on a server: judged by several processes, with words that go, and in a view that is rebuilt."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from stream_app import contract
from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import Judged
from stream_app.records import Alert, EnrichedReview, Opinion, RawRecord, Span
from stream_app.steps.raised_alerts import RaisedEpisodes
from stream_app.store import alert_packing
from stream_app.store.keys import Keys
from stream_app.store.replay import ReplayStore
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.bad_batch import ALERT_ID, BATCH, FALSE_ALARMS, HEALTHY, bad, judge, raised, take
from tests.behaviour.enriched import DAY_MS, HOUR_MS, NOW_MS, deletion, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import NAMESPACE, Opener

pytestmark = pytest.mark.store


@pytest.fixture
def client(fresh_valkey: EmbeddedValkey) -> Any:
    with Redis.from_url(fresh_valkey.url) as opened:
        yield opened


def marks_of(client: Redis, generation: int) -> dict[str, int]:
    """The last hours of the episodes that are noted."""
    fields: Any = client.hmget(Keys(NAMESPACE, generation).product("p").state, alert_packing.mark_fields())
    return {rule: mark.last for rule, mark in alert_packing.unpack_marks(fields).items()}


def test_processes_that_judge_at_once_alarm_once(
    run: Run, fresh_valkey: EmbeddedValkey, open_store: Opener, client: Redis
) -> None:
    stores = [open_store(fresh_valkey.url) for _ in range(4)]
    run(stores[0].apply([*HEALTHY, *BATCH], NOW_MS))

    async def judge_all() -> list[list[Judged]]:
        each: dict[str, Any] = {"false_alarms": FALSE_ALARMS, "max_age_ms": DAY_MS, "encode": contract.encode_alert}
        return await asyncio.gather(*(one.judge(BATCH, NOW_MS, **each) for one in stores))

    assert [name for judged in run(judge_all()) for name in raised(judged)] == [ALERT_ID]
    assert client.hkeys(Keys(NAMESPACE, 1).product("p").outbox) == [ALERT_ID.encode()]


def test_state_that_moved_since_it_was_read_is_judged_again(run: Run, old: RedisSummaryStore) -> None:
    """Half of the batch is deleted between reading and noting: what was found no longer holds."""
    run(old.apply([*HEALTHY, *BATCH], NOW_MS))
    send = old._server.run
    deleted: list[Any] = []

    async def interrupted(commands: Any) -> Any:
        if not deleted and any(command[0] == "HVALS" for command in commands):
            deleted.append(await old.apply([deletion(one.review_id) for one in BATCH], NOW_MS))
        return await send(commands)

    old._server.run = interrupted  # type: ignore[method-assign]
    assert judge(run, old, BATCH) == []
    assert deleted


def test_alert_is_published_where_the_answer_to_its_note_was_lost(run: Run, old: RedisSummaryStore) -> None:
    """The client sends the call again, and the second one is refused for what the first one noted."""
    run(old.apply([*HEALTHY, *BATCH], NOW_MS))
    send = old._server.run
    outbox = Keys(NAMESPACE, 1).product("p").outbox

    async def twice(commands: Any) -> Any:
        if any(outbox in command for command in commands):
            await send(commands)
        return await send(commands)

    old._server.run = twice  # type: ignore[method-assign]
    assert [alert_id for one in judge(run, old, BATCH) for alert_id, _ in one.outbox] == [ALERT_ID]


def test_alert_in_the_outbox_stays_there_without_words_when_a_quoted_review_is_edited(
    run: Run, old: RedisSummaryStore
) -> None:
    [judged] = take(run, old, [*HEALTHY, *BATCH])
    edits = [bad(0, revision=1, kind="edited", text="Something else."), deletion("bad 1")]
    for applied in run(old.apply(edits, NOW_MS)):
        [(alert_id, value)] = applied.outbox
        alert = contract.decode_alert(RawRecord("t", 0, 0, 0, None, value))
        assert alert_id == ALERT_ID
        assert alert == alert_packing.without_quoted_words(judged.raised[0])
        assert b"broke" not in value


def test_published_alert_that_an_edit_overtook_ends_when_its_evidence_goes(run: Run, old: RedisSummaryStore) -> None:
    """It left for the broker, which has not answered yet: nobody knows that it was published."""
    take(run, old, [*HEALTHY, *BATCH])
    [judged] = take(run, old, [deletion(one.review_id) for one in BATCH])

    assert raised([judged]) == ["recovered|p|negative_spike|2027-01-15T08"]
    assert [alert_id for alert_id, _ in judged.outbox] == [ALERT_ID, *raised([judged])], "in this order"


def test_edit_of_a_review_that_no_alert_quotes_leaves_the_outbox(run: Run, old: RedisSummaryStore) -> None:
    take(run, old, [*HEALTHY, *BATCH])

    [applied] = run(old.apply([bad(7, revision=1, kind="edited")], NOW_MS))
    assert [alert_id for alert_id, _ in applied.outbox] == [ALERT_ID]


def test_list_of_alerts_holds_no_word_of_a_quoted_review(run: Run, old: RedisSummaryStore, client: Redis) -> None:
    [judged] = take(run, old, [*HEALTHY, *BATCH])
    run(old.record_alerts(judged.raised))

    held: Any = client.hvals(Keys(NAMESPACE, 1).alerts)
    assert b"broke" not in b"".join(held)


def test_outbox_holds_the_alert_as_the_topic_gets_it(run: Run, old: RedisSummaryStore) -> None:
    [judged] = take(run, old, [*HEALTHY, *BATCH])
    [(_, value)] = judged.outbox

    assert contract.decode_alert(RawRecord("t", 0, 0, 0, None, value)) == judged.raised[0]


def rebuilt(run: Run, new: ReplayStore, *alerts: Alert) -> tuple[int, int]:
    async def note() -> tuple[int, int]:
        pages = [page async for page in new.note_episodes(known(*alerts), FALSE_ALARMS, NOW_MS)]
        return sum(looked_at for looked_at, _ in pages), sum(noted for _, noted in pages)

    counted: tuple[int, int] = run(note())
    return counted


def test_rebuilt_view_has_the_same_episodes_and_no_alert(
    run: Run, old: RedisSummaryStore, new: ReplayStore, client: Redis
) -> None:
    for one in [*HEALTHY, *BATCH]:
        take(run, old, [one])
    run(new.apply([*BATCH, *HEALTHY], NOW_MS))
    assert judge(run, new, BATCH) == [], "while it is filled"

    assert rebuilt(run, new) == (1, 1)
    assert marks_of(client, 2) == marks_of(client, 1) != {}
    assert not client.exists(Keys(NAMESPACE, 2).product("p").outbox)
    assert rebuilt(run, new) == (1, 0), "a rebuild that is continued"


def test_rebuilt_view_alarms_of_an_event_that_the_old_one_may_not_have_finished(
    run: Run, fresh_valkey: EmbeddedValkey, open_store: Opener, new: ReplayStore
) -> None:
    """It is judged again, as a duplicate; other reviews of the product do not raise again what was raised before."""
    run(new.apply([*HEALTHY, *BATCH], NOW_MS))
    rebuilt(run, new)
    live = open_store(fresh_valkey.url, generation=2)

    assert raised(take(run, live, [bad(8, created_at_ms=NOW_MS + 1)])) == []
    assert raised(take(run, live, [BATCH[0]])) == [], "it came after those that raised the alert"
    assert raised(rest(run, new, [BATCH[0]])) == []
    assert raised(rest(run, new, [BATCH[4]])) == [ALERT_ID]
    assert list(run(new.outboxes(["p", "q"]))) == ["p"]


def test_rebuilt_view_knows_what_was_raised_and_reports_its_end_alone(
    run: Run, fresh_valkey: EmbeddedValkey, open_store: Opener, old: RedisSummaryStore, new: ReplayStore
) -> None:
    """The drop of the stars was covered, never raised: nor is its end reported, nor does it alarm for the other."""
    [judged] = take(run, old, [*HEALTHY, *BATCH])
    run(new.apply([*HEALTHY, *BATCH], NOW_MS))
    rebuilt(run, new, *judged.raised)
    assert raised(rest(run, new, BATCH, *judged.raised)) == []

    live = open_store(fresh_valkey.url, generation=2)
    good = [enriched(f"later {n}", created_at_ms=NOW_MS + n * HOUR_MS // 2) for n in range(30)]
    assert raised(take(run, live, good, NOW_MS + DAY_MS)) == ["recovered|p|negative_spike|2027-01-15T08"]


def test_episode_that_was_reported_as_over_is_not_known_as_raised(
    run: Run, old: RedisSummaryStore, new: ReplayStore
) -> None:
    """The log that is replayed lacks what ended it: a redelivery, or late reviews."""
    [judged] = take(run, old, [*HEALTHY, *BATCH])
    run(old.clear_outbox("p", [ALERT_ID]))
    [withdrawn] = take(run, old, [deletion(one.review_id) for one in BATCH])
    alerts = (*judged.raised, *withdrawn.raised)
    run(new.apply([*HEALTHY, *BATCH], NOW_MS))
    rebuilt(run, new, *alerts)

    run(new.apply([deletion(one.review_id) for one in BATCH], NOW_MS))
    assert raised(rest(run, new, [deletion("bad 0")], *alerts)) == []


def test_view_in_building_raises_nothing_until_it_is_active(
    run: Run, fresh_valkey: EmbeddedValkey, open_store: Opener, client: Redis
) -> None:
    """The active view does, with the same episodes or others: it sees other states on the way."""
    generations = NAMESPACE.generations
    client.hset(generations, "building", 2)
    filling, active = open_store(fresh_valkey.url, generation=2), open_store(fresh_valkey.url, generation=1)
    assert raised(take(run, filling, [*HEALTHY, *BATCH])) == []
    assert raised(take(run, active, [*HEALTHY, *BATCH])) == [ALERT_ID]

    client.hdel(generations, "building")
    assert raised(take(run, filling, [bad(8, created_at_ms=NOW_MS + 1)])) == []
    assert raised(take(run, filling, [replace(one, product_id="q") for one in [*HEALTHY, *BATCH]])) != []


def known(*alerts: Alert) -> RaisedEpisodes:
    raised_episodes = RaisedEpisodes()
    for alert in alerts:
        raised_episodes.note(alert)
    return raised_episodes


def rest(run: Run, new: ReplayStore, reviews: list[EnrichedReview], *alerts: Alert) -> list[Judged]:
    """Events that the old view did not finish."""
    each: dict[str, Any] = {"false_alarms": FALSE_ALARMS, "max_age_ms": DAY_MS, "encode": contract.encode_alert}
    found: list[Judged] = run(new.judge_rest(reviews, known(*alerts), NOW_MS, **each))
    return found


def test_product_whose_state_is_broken_stops_no_other(run: Run, old: RedisSummaryStore, client: Redis) -> None:
    broken = [replace(one, product_id="q") for one in BATCH]
    run(old.apply([*HEALTHY, *BATCH, *broken], NOW_MS))
    client.hset(Keys(NAMESPACE, 1).product("q").state, "episode:negative_spike", "nonsense")

    assert raised(judge(run, old, [*broken, *BATCH])) == [ALERT_ID]


def test_alert_of_an_aspect_that_loses_its_words_stays(run: Run, old: RedisSummaryStore) -> None:
    late = [
        enriched(
            f"late {number}",
            created_at_ms=NOW_MS - number * HOUR_MS // 4,
            text="Late.",
            key_sentence=None,
            opinions=(Opinion(Span(0, 5), "negative", 0.9, ("delivery",)),),
        )
        for number in range(24)
    ]
    [judged] = take(run, old, [*HEALTHY, *late])
    [applied] = run(old.apply([deletion(judged.raised[0].quotes[0].review_id)], NOW_MS))
    [(alert_id, value)] = applied.outbox
    assert alert_id == judged.raised[0].alert_id
    assert b"Late." not in value
