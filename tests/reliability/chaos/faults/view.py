"""The view in Redis is emptied under the workers, or replaced by an older one."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.error import URLError
from urllib.request import urlopen

from redis import Redis

from stream_app.kafka.groups import committed_offsets
from stream_app.settings import Settings
from stream_app.store.keys import DUE_SHARDS, Keys, Namespace
from tests.reliability.chaos.checker_view import look_up
from tests.reliability.chaos.faults.table import fault, few_reviews, must, until
from tests.reliability.testbed.testbed import Testbed
from tests.reliability.testbed.workers import Exit, Worker

_SWITCHED = 75  # how a worker ends when another generation of the view became active
_NOTICED_SECONDS = 20.0
_STALE_SECONDS = 3.0  # the API looks once a second
_REBUILD_SECONDS = 300.0  # a long run has a long log
_TEXTS_SECONDS = 300.0  # a long run has thousands of products, of which some end `describe` twice each
_TO_BE_CHANGED = 2
DIES_OVER_A_TEXT = Exit("describe", -9)


_EXITS = (
    *(Exit(role, _SWITCHED) for role in ("summarize", "notify", "describe")),
    *(Exit(role, code) for role in ("summarize", "notify", "describe") for code in (1, _TO_BE_CHANGED)),
    DIES_OVER_A_TEXT,
)


@fault("redis", "FLUSHALL", 0.5, stall_seconds=20.0, exits=_EXITS, alone=True, loses_deliveries=True)
def _flushed(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """summarize ends and asks for a rebuild. Until then look-ups report that the view is lost.

    With the view goes which generation is active: after an earlier rebuild a worker ends over that, and it is the next
    one that asks for the rebuild.
    """
    until(lambda: _known(testbed), 20, "no product was known before the view was emptied")
    product = _known(testbed)[0]
    summarize = list(testbed.of("summarize"))
    with testbed.store.client() as client:
        client.flushall()
    _noticed(testbed, summarize, product)
    yield
    rebuild_view(testbed)


@fault("redis", "an older backup is restored", 0.5, stall_seconds=20.0, exits=_EXITS, alone=True, loses_deliveries=True)
def _restored(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """As where it was emptied: nothing is counted into a view that lacks what was acknowledged since."""
    until(lambda: _known(testbed), 20, "no product was known before the backup was made")
    product = _known(testbed)[0]
    summarize = list(testbed.of("summarize"))
    with testbed.store.client() as client:
        view = _active(testbed, client)
        backup = [(key, client.pttl(key), client.dump(key)) for key in client.scan_iter(count=1000)]
        progress: Any = client.hgetall(Keys.of(view).progress)  # at least that of the backup
        applied = {int(number): int(at) for number, at in progress.items()}
        few_reviews(testbed, chance)  # a backup of many keys may have taken longer than the load
        until(lambda: _all_further(view, applied), 20, "not every partition was acknowledged further after the backup")
        with client.pipeline(transaction=True) as pipeline:
            pipeline.flushall()
            for key, left_ms, value in backup:
                if value is not None:  # else it ended meanwhile
                    pipeline.restore(key, max(0, left_ms), value)
            pipeline.execute()
    few_reviews(testbed, chance)  # who acknowledged something since the backup notices with the next review
    _noticed(testbed, summarize, product)
    yield
    rebuild_view(testbed)


def _all_further(view: Settings, applied: Mapping[int, int]) -> bool:
    committed = committed_offsets(view, "summarize")
    return bool(applied) and all(committed.get(number, 0) > at for number, at in applied.items())


def _noticed(testbed: Testbed, summarize: list[Worker], product: str) -> None:
    """Those that write the view end and ask for a rebuild; look-ups report that it is lost."""
    began = time.monotonic()
    served_as_right = 0
    while any(worker.running for worker in summarize) and time.monotonic() - began < _NOTICED_SECONDS:
        if time.monotonic() - began > _STALE_SECONDS:
            served_as_right += _served_as_right(testbed, product)
        time.sleep(0.1)
    for worker in summarize:
        if worker.running:
            testbed.found_wrong(f"{worker.name} went on over a lost view")
    must(
        testbed,
        lambda: any("rebuild" in one.log_text() for one in [*summarize, *testbed.of("summarize")]),
        _NOTICED_SECONDS,
        "summarize says that the view must be rebuilt",
    )
    if served_as_right:
        testbed.found_wrong(f"a lost view was served {served_as_right} times as if it were right")


def rebuild_view(testbed: Testbed) -> None:
    """Rebuild it; return when all texts are made: one that killed `describe` in an earlier round does so again."""
    done = testbed.workers.run("rebuild", seconds=_REBUILD_SECONDS)
    if done.returncode:
        testbed.found_wrong(f"`rebuild` ended with {done.returncode}: {done.stderr[-500:]}")
    must(testbed, lambda: testbed.workers.is_complete(), 60.0, "all workers are ready after the rebuild")
    must(testbed, lambda: not _due(testbed), _TEXTS_SECONDS, "all texts of the rebuilt view are made")


def _due(testbed: Testbed) -> int:
    """How many products wait for their text or their publication, or are in work: of a `describe` that died, too."""
    with testbed.store.client() as client:
        keys = Keys.of(_active(testbed, client))
        return sum(client.zcard(key) for shard in range(DUE_SHARDS) for key in (keys.due(shard), keys.leased(shard)))


def _active(testbed: Testbed, client: Redis) -> Settings:
    """The settings with the number of the active view."""
    generation = cast("bytes | None", client.hget(Namespace.of(testbed.settings).generations, "active"))
    return testbed.settings.model_copy(update={"generation": int(generation or 1)})


def _known(testbed: Testbed) -> list[str]:
    """A product of this round that the view knows with reviews."""
    products = sorted({str(one.fields["product_id"]) for one in testbed.sent_so_far() if one.fields})
    shown = look_up(testbed.api, products)
    return [product for product, summary in shown.items() if summary["windows"]["all"]["reviews"] > 2]


def _served_as_right(testbed: Testbed, product: str) -> bool:
    """Does the API answer for a product, or deny that there is one, without saying that it is stale?"""
    try:
        with urlopen(f"{testbed.api}/v1/products?id={product}", timeout=2) as answer:
            body = json.load(answer)
    except (URLError, OSError):
        return False
    return not (body.get("stale") or any(one.get("stale") for one in body["products"]))
