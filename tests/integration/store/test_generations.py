"""Which view is active: the switch, readers that follow it, texts brought back, and the end of the old keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.records import Alert, EnrichedReview, ProductSummary, ProductText
from stream_app.settings import Settings
from stream_app.steps.log_identity import LogIdentity
from stream_app.store import current
from stream_app.store.current import CurrentView
from stream_app.store.generations import Generations, Known, fixed
from stream_app.store.keys import Keys
from stream_app.store.replay import ReplayStore
from stream_app.store.summaries import RedisSummaryStore
from tests.behaviour.enriched import NOW_MS, deletion, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import NAMESPACE, ORIGIN, Opener
from tests.waiting import wait_until_async

pytestmark = pytest.mark.store


@pytest.fixture
def settings(fresh_valkey: EmbeddedValkey) -> Settings:
    return Settings(_env_file=None, redis=fresh_valkey.url)


@pytest.fixture
def generations(run: Run, settings: Settings) -> Iterator[Generations]:
    opened = Generations.from_settings(settings)
    yield opened
    run(opened.close())


@pytest.fixture
def new(run: Run, settings: Settings) -> Iterator[ReplayStore]:
    """Generation 2, which is being built."""
    opened = ReplayStore.from_settings(settings.model_copy(update={"generation": 2}))
    yield opened
    run(opened.close())


@pytest.fixture
def old(fresh_valkey: EmbeddedValkey, open_store: Opener) -> RedisSummaryStore:
    """Generation 1."""
    return open_store(fresh_valkey.url)


def dropped(run: Run, generations: Generations, number: int) -> int:
    async def drop() -> int:
        return sum([count async for count in generations.drop(number)])

    gone: int = run(drop())
    return gone


# ---- the pointer


def test_first_generation_is_active_where_nothing_is_named(
    run: Run, generations: Generations, settings: Settings
) -> None:
    assert run(generations.known()) == Known(active=1, building=None, last=1, to_drop=())
    assert run(fixed(settings)).generation == 1
    assert run(fixed(settings.model_copy(update={"generation": 7}))).generation == 7


def test_built_generation_becomes_active_and_the_old_one_is_to_be_dropped(run: Run, generations: Generations) -> None:
    assert run(generations.begin(2, ORIGIN)) == 2
    assert run(generations.active()) == 1

    assert run(generations.switch(1, 2, drop_old=True))
    assert run(generations.known()) == Known(active=2, building=None, last=2, to_drop=(1,), origins={2: ORIGIN})
    assert run(generations.switch(1, 2, drop_old=True)), "asked again after a lost answer: it is switched"


def test_switch_is_refused_when_somebody_else_switched_or_nothing_was_built(run: Run, generations: Generations) -> None:
    assert not run(generations.switch(1, 2, drop_old=True)), "it was not built"
    run(generations.begin(2, ORIGIN))
    run(generations.switch(1, 2, drop_old=False))
    run(generations.begin(3, ORIGIN))

    assert not run(generations.switch(1, 3, drop_old=True)), "1 is no longer active"
    assert run(generations.known()) == Known(active=2, building=3, last=3, to_drop=(), origins={2: ORIGIN, 3: ORIGIN})


def test_generation_begun_by_another_stands(run: Run, generations: Generations) -> None:
    run(generations.begin(2, ORIGIN))

    assert run(generations.begin(3, ORIGIN)) == 2


def test_abandoned_generation_is_to_be_dropped_and_its_number_not_used_again(
    run: Run, generations: Generations
) -> None:
    run(generations.begin(2, ORIGIN))
    run(generations.abandon(2))

    assert run(generations.known()) == Known(active=1, building=None, last=2, to_drop=(2,), origins={2: ORIGIN})


def test_claim_is_one_rebuilds_until_it_is_given_back_or_not_renewed(run: Run, generations: Generations) -> None:
    assert run(generations.claim("me", 60_000)).holder == "me"
    assert run(generations.claim("you", 60_000)).holder == "me"
    run(generations.release("you"))
    assert run(generations.claim("me", 30)).holder == "me", "renewed, for a shorter time"
    run(wait_until_async(lambda: claimed_by(generations, "you"), 30, "the claim ends by itself"))
    run(generations.release("you"))
    assert run(generations.claim("me", 1)).holder == "me"


async def claimed_by(generations: Generations, who: str) -> bool:
    return (await generations.claim(who, 60_000)).holder == who


# ---- the old keys


def test_dropping_deletes_every_key_of_that_generation_and_no_other(
    run: Run, generations: Generations, old: RedisSummaryStore, new: ReplayStore, fresh_valkey: EmbeddedValkey
) -> None:
    """Generation 1 is not the beginning of 11."""
    eleventh = RedisSummaryStore.from_settings(Settings(_env_file=None, redis=fresh_valkey.url, generation=11))
    for store in (old, new, eleventh):
        run(store.apply([enriched("r", f"p{number}") for number in range(700)], NOW_MS))
    run(eleventh.close())
    run(generations.begin(2, ORIGIN))
    run(generations.switch(1, 2, drop_old=True))

    with Redis.from_url(fresh_valkey.url) as client:
        kept = set(client.scan_iter(Keys(NAMESPACE, 2).all)) | set(client.scan_iter(Keys(NAMESPACE, 11).all))
        assert dropped(run, generations, 1) > 4 * 700
        assert set(client.scan_iter(f"{NAMESPACE.start}:g*")) == kept
    assert run(generations.known()).to_drop == ()


@pytest.mark.parametrize("number", [1, 2])
def test_view_in_use_is_never_dropped(run: Run, generations: Generations, number: int) -> None:
    run(generations.begin(2, ORIGIN))

    with pytest.raises(ValueError, match="in use"):
        dropped(run, generations, number)


# ---- readers


def test_readers_follow_the_switch(
    run: Run, generations: Generations, settings: Settings, old: RedisSummaryStore, new: ReplayStore
) -> None:
    """Without a restart, and within a second or two."""
    run(old.apply([enriched("r1")], NOW_MS))
    run(new.apply([enriched("r1"), enriched("r2")], NOW_MS))
    view = CurrentView.from_settings(settings)

    async def reviews() -> int:
        [summary] = await view.read(["p"], NOW_MS)
        return summary.windows["all"].reviews if summary else 0

    assert run(reviews()) == 1
    assert view.generation == 1
    run(generations.begin(2, ORIGIN))
    run(generations.switch(1, 2, drop_old=True))

    async def follows() -> bool:
        return await reviews() == 2

    run(wait_until_async(follows, 30, "the reader follows"))
    assert view.generation == 2
    run(view.close())


def test_reader_that_was_quiet_for_long_asks_before_it_reads(
    run: Run,
    generations: Generations,
    settings: Settings,
    old: RedisSummaryStore,
    new: ReplayStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old keys are gone by then: what it knew would make every product unknown."""
    run(old.apply([enriched("r1")], NOW_MS))
    run(new.apply([enriched("r1")], NOW_MS))
    view = CurrentView.from_settings(settings)
    run(view.read(["p"], NOW_MS))
    run(generations.begin(2, ORIGIN))
    run(generations.switch(1, 2, drop_old=True))
    dropped(run, generations, 1)
    monkeypatch.setattr(current, "_ASK_EVERY_SECONDS", -1.0)
    monkeypatch.setattr(current, "_TRUSTED_SECONDS", -1.0)

    assert run(view.read(["p"], NOW_MS)) != [None]
    run(view.close())


def test_reader_asks_once_a_second_and_not_at_every_look_up(
    run: Run, settings: Settings, old: RedisSummaryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(old.apply([enriched("r1")], NOW_MS))
    view = CurrentView.from_settings(settings)
    known, asked = Generations.known, list[Generations]()

    def counting(generations: Generations) -> Awaitable[Known]:
        asked.append(generations)
        return known(generations)

    monkeypatch.setattr(Generations, "known", counting)

    async def many() -> None:
        await asyncio.gather(*(view.read(["p"], NOW_MS) for _ in range(200)))

    run(many())
    run(many())
    assert 1 <= len(asked) <= 2
    run(view.close())


@pytest.mark.parametrize("generation", [0, 1], ids=["the active one", "a fixed one"])
def test_reader_sees_within_seconds_that_the_view_was_lost_and_made_again(
    run: Run, settings: Settings, generations: Generations, fresh_valkey: EmbeddedValkey, generation: int
) -> None:
    """Whichever generation it reads."""
    view = CurrentView.from_settings(settings.model_copy(update={"generation": generation}))

    async def lost() -> bool:
        await view.read(["p"], NOW_MS)
        return view.is_lost

    async def stands() -> bool:
        return not await lost() and view.was_there

    assert not run(lost()), "it was never begun"
    assert run(generations.record_origin(1, ORIGIN)) == ORIGIN
    run(wait_until_async(stands, 30, "it is begun"))
    with Redis.from_url(fresh_valkey.url) as client:
        client.flushall()
    run(wait_until_async(lost, 30, "it is lost"))
    run(view.close())


def test_reader_that_starts_on_a_lost_view_sees_it_once_a_worker_has_noted_it(
    run: Run, settings: Settings, generations: Generations
) -> None:
    """To Redis alone it looks as if it was never begun. A rebuild's switch takes the note away."""

    async def lost() -> bool:
        view = CurrentView.from_settings(settings)
        await view.read(["p"], NOW_MS)
        await view.close()
        return view.is_lost

    assert not run(lost())
    run(generations.note_lost())
    assert run(lost())
    run(generations.begin(2, ORIGIN))
    assert run(generations.switch(1, 2, drop_old=True))
    assert not run(lost())
    assert not run(generations.known()).lost


def test_origin_of_a_view_is_noted_once(run: Run, generations: Generations) -> None:
    """Two workers that begin it agree; a number that is dropped has none."""
    other = LogIdentity("another cluster", "reviews.enriched", "another id")

    assert run(generations.record_origin(1, ORIGIN)) == ORIGIN
    assert run(generations.record_origin(1, other)) == ORIGIN
    run(generations.begin(2, other))
    run(generations.switch(1, 2, drop_old=True))
    dropped(run, generations, 1)
    assert run(generations.known()).origins == {2: other}


def test_reviews_of_a_view_are_counted_over_all_products(run: Run, new: ReplayStore) -> None:
    """Standing ones: no deleted one, an edited one once."""
    run(new.apply([enriched(f"r{number}", f"p{number % 700}") for number in range(1500)], NOW_MS))
    run(new.apply([deletion("r0", "p0"), enriched("r1", "p1", kind="edited", revision=2)], NOW_MS))

    assert run(new.count_reviews()) == 1499


# ---- what a rebuild brings back


def sentence_text(reviews: list[EnrichedReview]) -> ProductText:
    """The text that `describe` would make of these reviews' sentences."""
    sentences = [review.text[review.key_sentence.start : review.key_sentence.end] for review in reviews]  # type: ignore[index,union-attr]
    return ProductText(
        "It works", " ".join(sentences), "extractive", tuple(r.review_id for r in reviews), None, NOW_MS - 1000
    )


@pytest.fixture
def described(run: Run, old: RedisSummaryStore) -> Callable[..., ProductSummary]:
    """Applies reviews to generation 1, writes a text that cites the first two, and returns what is published."""

    def describe(reviews: list[EnrichedReview]) -> ProductSummary:
        run(old.apply(reviews, NOW_MS))
        cited = reviews[:2]
        assert run(old.write_text("p", sentence_text(cited), {review.review_id: review.revision for review in cited}))
        [summary] = run(old.read(["p"], NOW_MS))
        return summary

    return describe


def due(run: Run, store: ReplayStore) -> Any:
    async def enter() -> list[str]:
        entered = sum([due async for _, due in store.enter_due(NOW_MS)])
        claimed = await store.claim_due(NOW_MS + 10**6, 100, 100, 1000)
        assert len(claimed) == entered
        return [one.product_id for one in claimed]

    return run(enter())


def test_text_is_brought_back_where_its_evidence_is_the_same(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """Also where cited reviews were edited before it was made; and its product is not due."""
    reviews = [enriched("r1"), enriched("r2", kind="edited", revision=5), *(enriched(f"x{n}") for n in range(8))]
    gone = [enriched("g1"), deletion("g1"), enriched("g2"), deletion("g2"), enriched("g3"), deletion("g3")]
    published = described(reviews + gone)
    run(new.apply(reviews + gone, NOW_MS))
    assert due(run, new) == ["p"]
    run(new.finish_due({"p": None}, NOW_MS))

    assert run(new.restore_texts([published])) == 1

    [summary] = run(new.read(["p"], NOW_MS))
    assert summary.text == published.text
    assert run(new.claim_due(NOW_MS + 10**6, 10, 10, 1000)) == [], "nothing new since: not due"


def test_text_whose_evidence_was_edited_or_deleted_since_is_made_again(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """It would say what no review says any more."""
    reviews = [enriched("r1"), enriched("r2")]
    published = described(reviews)
    for later in (
        enriched("r2", kind="edited", revision=1, text="Broke.", key_sentence=None),
        deletion("r2", revision=2),
    ):
        run(new.apply([*reviews, later], NOW_MS))

        assert run(new.restore_texts([published])) == 0
    assert due(run, new) == ["p"]


def test_older_text_never_replaces_a_newer_one(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """A page of the topic that is read again changes nothing."""
    reviews = [enriched("r1"), enriched("r2")]
    published = described(reviews)
    assert published.text is not None
    newer = replace(published, text=replace(published.text, headline="Newer", made_at_ms=NOW_MS))
    run(new.apply(reviews, NOW_MS))

    assert run(new.restore_texts([published, newer])) == 1
    assert run(new.restore_texts([newer])) == 0
    assert run(new.restore_texts([published])) == 0
    [summary] = run(new.read(["p"], NOW_MS))
    assert summary.text == newer.text


def test_text_that_many_reviews_came_after_is_brought_back_and_due(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """How many there were when it was made is known from what was published."""
    reviews = [enriched("r1"), enriched("r2")]
    published = described(reviews)
    run(new.apply([*reviews, *(enriched(f"x{number}") for number in range(3))], NOW_MS))

    assert run(new.restore_texts([published])) == 1
    assert due(run, new) == ["p"]


def test_text_of_a_product_that_the_log_does_not_know_is_left_out(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    assert run(new.restore_texts([described([enriched("r1"), enriched("r2")])])) == 0


def test_products_keep_the_time_of_their_last_review_not_of_the_rebuild(run: Run, new: ReplayStore) -> None:
    """The page shows first what changed last; a late original does not turn the order."""
    run(new.apply([enriched("r1", "a", enriched_at_ms=5), enriched("r1", "b", enriched_at_ms=10)], NOW_MS))
    run(new.apply([enriched("r2", "a", enriched_at_ms=9), enriched("r2", "b", enriched_at_ms=6)], NOW_MS))

    assert run(new.product_ids(10)) == ["b", "a"]
    assert run(new.claim_due(NOW_MS, 10, 10, 1000)) == [], "no product is due by a replay alone"


def test_alert_that_an_earlier_run_left_in_an_outbox_stays_there(
    run: Run, new: ReplayStore, fresh_valkey: EmbeddedValkey
) -> None:
    """It is not published while the view is built, so it must not be cleared; `summarize` finds it afterwards."""
    run(new.apply([enriched("r1")], NOW_MS))
    with Redis.from_url(fresh_valkey.url) as client:
        client.hset(Keys(NAMESPACE, 2).product("p").outbox, "alert", b"1\nr0\n{}")

        [applied] = run(new.apply([enriched("r1")], NOW_MS))

        assert applied.outbox == ()
        assert client.hgetall(Keys(NAMESPACE, 2).product("p").outbox) == {b"alert": b"1\nr0\n{}"}


# ---- what a rebuild must not bring back


def test_words_that_were_deleted_since_are_not_brought_back(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary], fresh_valkey: EmbeddedValkey
) -> None:
    """Neither by a text nor by an alert, whichever of the two topics and the log is read first."""
    published = described([enriched("r1"), enriched("r2")])
    quoting = Alert("a", "negative_review", "info", "p", NOW_MS, NOW_MS, "r1", 0, sentence="It works (r1).")
    run(new.record_alerts([quoting]))
    run(new.apply([enriched("r1"), enriched("r2"), deletion("r1")], NOW_MS))

    assert run(new.restore_texts([published])) == 0
    run(new.record_alerts([quoting]))
    assert run(new.recent_alerts(10)) == [replace(quoting, sentence=None)]
    with Redis.from_url(fresh_valkey.url) as client:
        assert not [key for key in client.scan_iter(Keys(NAMESPACE, 2).all) if b"(r1)" in client.dump(key)]


def test_what_was_published_already_is_not_published_again(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    reviews = [enriched(f"r{number}") for number in range(8)]
    published = described(reviews)
    run(new.apply(reviews, NOW_MS))
    assert run(new.restore_texts([published])) == 1

    assert due(run, new) == []


@pytest.mark.parametrize("later", [enriched("late"), deletion("r7")])
def test_counts_that_products_summaries_lacks_are_published_after_a_rebuild(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary], later: EnrichedReview
) -> None:
    reviews = [enriched(f"r{number}") for number in range(8)]
    published = described(reviews)
    run(new.apply([*reviews, later], NOW_MS))
    assert run(new.restore_texts([published])) == 1

    assert due(run, new) == ["p"]


def test_older_record_that_agrees_by_chance_does_not_count_as_the_published_one(
    run: Run, new: ReplayStore, described: Callable[..., ProductSummary]
) -> None:
    """Counts went up and down again: the last record is what readers of products.summaries have."""
    reviews = [enriched(f"r{number}") for number in range(8)]
    published = described(reviews)
    run(new.apply(reviews, NOW_MS))
    more = replace(published.windows["all"], reviews=9, positive=9)
    last = replace(published, windows=published.windows | {"all": more}, state_version=published.state_version + 1)
    run(new.restore_texts([published]))
    run(new.restore_texts([last]))

    assert due(run, new) == ["p"]
