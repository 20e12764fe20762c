"""The role that writes each product's headline and text when they are due, and publishes products.summaries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from stream_app import contract, telemetry
from stream_app.kafka.topics import Topics
from stream_app.models.batcher import Batcher
from stream_app.models.loading import Sized
from stream_app.ports import ModelFailed, Publisher, SummaryStore
from stream_app.records import Evidence, Message, ModelName, ProductText
from stream_app.roles.patience import Patience
from stream_app.settings import Settings
from stream_app.steps import product_text

_CLAIM_AT_ONCE = 16
_IDLE_SECONDS = 0.5
_MAX_WAITING_TOKENS = 100_000
_MOST_UNFINISHED = 2  # claims, after which T5 is taken for what ends the process


class Describe:
    """Claims due products by lease, so that any number of these processes share the work.

    Order of things for one product:

    1. claimed; a claim that nobody finishes becomes due again when its lease ends
    2. representative sentences are chosen, T5 proposes a headline, which must pass the check against them; after two
       claims in a row that were not finished it is not asked, since what it was given may end the process
    3. written, unless a review it cites changed meanwhile (then it stays due)
    4. published to products.summaries and acknowledged
    5. no longer due, unless it changed since
    """

    def __init__(
        self,
        settings: Settings,
        store: SummaryStore,
        publisher: Publisher,
        summary: Sized[str] | None,
        *,
        now_ms: Callable[[], int],
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._patiently = Patience("redis", settings.redis_patience_seconds)
        self._publisher = publisher
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._batcher: Batcher[str] | None = None
        self._model: ModelName | None = None
        if summary is not None:
            self._model = summary.model.name
            self._batcher = Batcher(
                summary.model,
                on_done=self._answered,
                fatal=fatal,
                run_tokens=summary.run_tokens,
                batch_tokens=summary.batch_tokens,
                max_waiting_tokens=_MAX_WAITING_TOKENS,
                name="headline",
            )

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set; the round in progress is finished."""
        await self._patiently(self._store.check)
        if self._batcher is not None:
            self._batcher.start()
        telemetry.role_became_ready("describe")
        lease_ms = int(self._settings.text_lease_seconds * 1000)
        try:
            while not stopping.is_set():
                await self._patiently(self._store.incarnation)  # a text belongs to no view that was lost
                due = await self._patiently(
                    lambda: self._store.claim_due(self._now_ms(), limit=_CLAIM_AT_ONCE, lease_ms=lease_ms)
                )
                async with asyncio.TaskGroup() as group:
                    for product_id in due:
                        group.create_task(self._describe(product_id))
                if not due:
                    await _wait(stopping, _IDLE_SECONDS)
        finally:
            if self._batcher is not None:
                self._batcher.stop()
                await asyncio.to_thread(self._batcher.join)
            await self._store.close()

    async def _describe(self, product_id: str) -> None:
        version, evidence = await self._patiently(lambda: self._store.evidence(product_id))
        chosen = product_text.choose(evidence)
        if chosen:
            proposed = await self._propose(chosen) if await self._may_ask_t5(product_id) else None
            headline, method = product_text.checked_headline(proposed, chosen)
            text = ProductText(
                headline=headline,
                text=product_text.text_of(chosen),
                method=method,
                evidence=tuple(item.review_id for item in chosen),
                model=self._model if method == "abstractive" else None,
                made_at_ms=self._now_ms(),
            )
        else:
            text = ProductText("", "", "none", (), None, self._now_ms())
        cited = {item.review_id: item.revision for item in chosen}
        if not await self._patiently(lambda: self._store.write_text(product_id, text, cited)):
            telemetry.product_text_was_outdated(product_id)
            await self._patiently(lambda: self._store.try_again(product_id))
            return
        [summary] = await self._patiently(lambda: self._store.read([product_id], self._now_ms()))
        if summary is not None:
            await self._published(contract.product_summary_message(self._topics.summaries, summary))
        await self._patiently(lambda: self._store.not_due(product_id, version))
        telemetry.product_described(product_id, text.method)

    async def _may_ask_t5(self, product_id: str) -> bool:
        unfinished = await self._patiently(lambda: self._store.unfinished_claims(product_id))
        if unfinished < _MOST_UNFINISHED:
            return True
        telemetry.t5_was_left_out(product_id, unfinished)
        return False

    async def _propose(self, chosen: Sequence[Evidence]) -> str | None:
        """T5's headline for these sentences; None without a T5, or where it fails on them."""
        if self._batcher is None:
            return None
        answer: asyncio.Future[str | ModelFailed] = self._loop.create_future()
        self._batcher.submit([(answer, product_text.text_of(chosen))])
        proposed = await answer
        return None if isinstance(proposed, ModelFailed) else proposed

    def _answered(self, results: Sequence[tuple[asyncio.Future[str | ModelFailed], str | ModelFailed]]) -> None:
        """In the batcher's thread."""

        def resolve() -> None:
            for answer, value in results:
                if not answer.done():
                    answer.set_result(value)

        self._loop.call_soon_threadsafe(resolve)

    async def _published(self, message: Message) -> None:
        delivered = asyncio.Event()
        self._publisher.publish([message], delivered.set)
        await delivered.wait()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
