"""Which view is active: the switch, readers that follow it, and the end of the old keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from redis import Redis

from stream_app.embedded.valkey import EmbeddedValkey
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
from tests.integration.store.conftest import NAMESPACE, ORIGIN
from tests.waiting import wait_until_async

pytestmark = pytest.mark.store


def dropped(run: Run, generations: Generations, number: int) -> int:
    async def drop() -> int:
        return sum([count async for count in generations.drop(number)])

    gone: int = run(drop())
    return gone


def test_first_generation_is_active_where_nothing_is_named(
    run: Run, generations: Generations, settings: Settings
) -> None:
    assert run(generations.known()) == Known(active=1, building=None, last=1, to_drop=())
    assert run(fixed(settings)).generation == 1
    assert run(fixed(settings.model_copy(update={"generation": 7}))).generation == 7


def test_built_generation_becomes_active_and_the_old_one_is_to_be_dropped(run: Run, generations: Generations) -> None:
    assert run(generations.begin(2, ORIGIN)) == 2
    assert run(generations.active()) == 1

    assert run(generations.switch(1, 2))
    assert run(generations.known()) == Known(active=2, building=None, last=2, to_drop=(1,), origins={2: ORIGIN})
    assert run(generations.switch(1, 2)), "asked again after a lost answer: it is switched"


def test_switch_is_refused_when_somebody_else_switched_or_nothing_was_built(run: Run, generations: Generations) -> None:
    assert not run(generations.switch(1, 2)), "it was not built"
    run(generations.begin(2, ORIGIN))
    run(generations.switch(1, 2))
    run(generations.begin(3, ORIGIN))

    assert not run(generations.switch(1, 3)), "1 is no longer active"
    switched = Known(active=2, building=3, last=3, to_drop=(1,), origins={2: ORIGIN, 3: ORIGIN})
    assert run(generations.known()) == switched


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


def test_dropping_deletes_every_key_of_that_generation_and_no_other(
    run: Run, generations: Generations, old: RedisSummaryStore, new: ReplayStore, fresh_valkey: EmbeddedValkey
) -> None:
    """Generation 1 is not the beginning of 11."""
    eleventh = RedisSummaryStore.from_settings(Settings(_env_file=None, redis=fresh_valkey.url, generation=11))
    for store in (old, new, eleventh):
        run(store.apply([enriched("r", f"p{number}") for number in range(700)], NOW_MS))
    run(eleventh.close())
    run(generations.begin(2, ORIGIN))
    run(generations.switch(1, 2))

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
    run(generations.switch(1, 2))

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
    run(generations.switch(1, 2))
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
    assert run(generations.switch(1, 2))
    assert not run(lost())
    assert not run(generations.known()).lost


def test_origin_of_a_view_is_noted_once(run: Run, generations: Generations) -> None:
    """Two workers that begin it agree; a number that is dropped has none."""
    other = LogIdentity("another cluster", "reviews.enriched", "another id")

    assert run(generations.record_origin(1, ORIGIN)) == ORIGIN
    assert run(generations.record_origin(1, other)) == ORIGIN
    run(generations.begin(2, other))
    run(generations.switch(1, 2))
    dropped(run, generations, 1)
    assert run(generations.known()).origins == {2: other}


def test_reviews_of_a_view_are_counted_over_all_products(run: Run, new: ReplayStore) -> None:
    """Standing ones: no deleted one, an edited one once."""
    run(new.apply([enriched(f"r{number}", f"p{number % 700}") for number in range(1500)], NOW_MS))
    run(new.apply([deletion("r0", "p0"), enriched("r1", "p1", kind="edited", revision=2)], NOW_MS))

    assert run(new.count_reviews()) == 1499
