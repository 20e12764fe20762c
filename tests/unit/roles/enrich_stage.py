"""The role `enrich` between fake models and fake acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from stream_app import contract
from stream_app.kafka.crash_memory import CrashMemory
from stream_app.models.tuned import Loaded, TunedModel
from stream_app.ports import InFlightRecord
from stream_app.records import EnrichedReview, Partition, RawRecord, Rejected
from stream_app.roles.enrich.role import Enrich
from stream_app.roles.enrich.summaries import Summaries
from stream_app.settings import ModelSettings, Settings
from stream_app.steps.crash_note import CrashNote
from stream_app.testing.kafka import FakeAcks, in_flight_of
from stream_app.testing.models import FakeClassifier, FakeModel, fake_summary
from tests.waiting import wait_until_async

NOW_MS = 1_800_000_000_000
P0, P1 = Partition("reviews", 0), Partition("reviews", 1)
ENGLISH = frozenset({"en"})
SECONDS = 30
_SIZES = ("micro_batch_tokens", "batch_tokens", "max_message_bytes", "t5_tokens_per_second", "alert_history")
LONG_BAD = (
    "The kettle came in May and I used it each day in my own kitchen. The lid broke after two weeks of careful use. "
    "The shop has never answered any of my letters."
)


class Stage:
    """An Enrich between fake models and fake acknowledgements."""

    def __init__(
        self, sizes: dict[str, Any], *, load: Callable[[ModelSettings], Loaded] | None = None, **settings: Any
    ) -> None:
        """``load``: as a worker loads its models; None: the fake ones, which this process alone can have."""
        self.bert = FakeClassifier(languages=ENGLISH)
        self.t5 = FakeModel(fake_summary, languages=ENGLISH)
        self.acks = FakeAcks()
        self.crashes = CrashMemory()
        self.errors: list[BaseException] = []
        micro_batch_tokens, batch_tokens = sizes.get("micro_batch_tokens", 1000), sizes.get("batch_tokens", 1000)
        t5_rate = sizes.get("t5_tokens_per_second", 0)
        self.role = Enrich(
            Settings(_env_file=None, **({"cached_texts": 0} | settings)),
            load
            or (
                lambda _: Loaded(
                    TunedModel(self.bert, micro_batch_tokens, batch_tokens),
                    None
                    if settings.get("summaries") == "off"
                    else TunedModel(self.t5, micro_batch_tokens, batch_tokens, 1, t5_rate),
                )
            ),
            crashes=self.crashes,
            max_message_bytes=sizes.get("max_message_bytes", 2**21),
            now_ms=lambda: NOW_MS,
            fatal=self.errors.append,
            alert_history=sizes.get("alert_history"),
        )

    @property
    def summaries(self) -> Summaries:
        assert self.role._summaries is not None
        return self.role._summaries

    async def take(self, *in_flight_records: InFlightRecord) -> None:
        async with asyncio.timeout(SECONDS):
            await self.role.take(list(in_flight_records))

    async def finished(self, *offsets: int) -> None:
        await wait_until_async(
            lambda: set(offsets) <= set(self.acks.finished()), SECONDS, f"{offsets} finished, not {self.acks.calls}"
        )

    def died_with(self, until: int, *, deaths: int = 0, alone: int | None = None, alone_deaths: int = 0) -> None:
        """A previous owner of partition 0 died: records before ``until`` may have been on its device."""
        note = CrashNote(True, until, deaths, alone, alone_deaths, alone is not None)
        self.crashes.assigned(P0, 0, note.packed(), until)

    def enriched(self) -> dict[int, EnrichedReview]:
        """What was published to reviews.enriched, by the offset of its input."""
        made = {}
        for message in self.acks.messages.get("reviews.enriched", []):
            review = contract.decode_enriched(RawRecord(message.topic, 0, 0, 0, message.key, message.value))
            assert not isinstance(review, Rejected)
            made[review.input.offset] = review
        return made

    def reasons(self) -> list[str]:
        """Why each dead letter is one."""
        return [
            dict(message.headers)[contract.HEADER_ERROR_REASON].decode()
            for message in self.acks.messages.get("reviews.dead-letter", [])
        ]


@asynccontextmanager
async def staged(**options: Any) -> AsyncIterator[Stage]:
    sizes = {name: options.pop(name) for name in _SIZES if name in options}
    stage = Stage(sizes, **options)
    await stage.role.start(stage.acks)
    try:
        yield stage
        assert stage.errors == []
    finally:
        stage.bert.gate.set()
        stage.t5.gate.set()
        await stage.role.stop()


def review(
    offset: int, text: str = "I love it.", partition: int = 0, key: bytes = b"p", **fields: Any
) -> InFlightRecord:
    value = orjson.dumps({"product_id": "p", "review_id": f"r{offset}", "text": text} | fields)
    return in_flight_of(value, offset, partition=partition, key=key, timestamp_ms=NOW_MS)


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(scenario())
