"""The role that writes each product's headline, text and highlights when due, and publishes products.summaries and
products.signals.

It publishes at once after a text was written, or a review was edited or deleted, and changed counts at most a minute
after they changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from stream_app import contract, telemetry
from stream_app.kafka.topics import Topics
from stream_app.models.batcher import Batcher, BatcherOptions
from stream_app.models.sentence_space import SentenceSpace
from stream_app.models.tuned import TunedModel
from stream_app.ports import DueProduct, Embedder, ModelFailed, Publisher, SummaryStore, Unavailable
from stream_app.records import Evidence, Message, ModelName, ProductText, Themes
from stream_app.retry import Retry
from stream_app.roles.record_errors import NOT_OF_A_RECORD, TooManyFailures
from stream_app.settings import ViewSettings
from stream_app.steps import product_text
from stream_app.steps.failure_share import FailureShare
from stream_app.steps.product_sentences import quotable
from stream_app.steps.signals import signals_of
from stream_app.steps.themes import themes_of

_TEXTS_AT_ONCE = 16
_PUBLICATIONS_AT_ONCE = 500  # about 1.5 KB each
_IDLE_SECONDS = 0.5
_GIVE_BACK_SECONDS = 1.0
_LATE_MS = 10_000  # what is sent and not acknowledged may arrive until then: the next publication must be behind it
_MAX_WAITING_TOKENS = 100_000
_MOST_UNFINISHED = 2  # claims; after these, a model is assumed to be what ends the process
_WITHOUT_VECTORS = SentenceSpace(None)


class Describe:
    """Claims due products by lease, so that any number of these processes share the work.

    The steps of one round:

    1. claimed: products whose text is due, and others whose counts changed; what a process does not finish is found
       due again, by the state of the product, when its lease ends
    2. for each due text, alongside the others: representative sentences are chosen by their vectors, and T5 proposes a
       headline, which must pass the check against them; after two claims in a row that were not finished neither model
       is asked, since what it was given may end the process. Written, unless a review it cites changed meanwhile
    3. the summaries are read in one round trip, published to products.summaries, with the signals that are made of them
       to products.signals, and acknowledged, whether a text was
       written or refused; those whose counts alone changed wait for no text
    4. noted as published; no longer due, unless something changed since
    """

    def __init__(
        self,
        settings: ViewSettings,
        store: SummaryStore,
        publisher: Publisher,
        summary: TunedModel[str] | None,
        embedder: Embedder | None = None,
        *,
        now_ms: Callable[[], int],
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._store = store
        self._retry = Retry("redis", settings.redis_patience_seconds)
        self._publisher = publisher
        self._now_ms = now_ms
        self._failures = FailureShare()
        self._space = SentenceSpace(embedder)
        self._choosing = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._batcher: Batcher[str] | None = None
        self._model: ModelName | None = None
        if summary is not None:
            self._model = summary.model.name
            options = BatcherOptions(
                name="headline",
                micro_batch_tokens=summary.micro_batch_tokens,
                batch_tokens=summary.batch_tokens,
                max_waiting_tokens=_MAX_WAITING_TOKENS,
            )
            self._batcher = Batcher(summary.model, options, on_done=self._answered, fatal=fatal)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set; the round in progress is finished. Where it can't be, as a dependency is
        away, cancel this: the round's products are due again soon.
        """
        await self._retry(self._store.check)
        if self._batcher is not None:
            self._batcher.start()
        telemetry.role_became_ready("describe")
        lease_ms = int(self._settings.text_lease_seconds * 1000)
        try:
            while not stopping.is_set():
                await self._retry(self._store.server_identity)  # a text belongs to no view that was lost
                due = await self._retry(
                    lambda: self._store.claim_due(
                        self._now_ms(), texts=_TEXTS_AT_ONCE, publications=_PUBLICATIONS_AT_ONCE, lease_ms=lease_ms
                    )
                )
                await self._round(due)
                if not due:
                    await _wait(stopping, _IDLE_SECONDS)
        except asyncio.CancelledError:
            with suppress(Unavailable, TimeoutError):  # their leases end by themselves
                async with asyncio.timeout(_GIVE_BACK_SECONDS):
                    # guarantee: late-publication-is-superseded
                    await self._store.give_back_due(self._now_ms() + _LATE_MS)
            raise
        finally:
            if self._batcher is not None:
                self._batcher.stop()
                await asyncio.to_thread(self._batcher.join)
            await self._store.close()

    async def _round(self, due: Sequence[DueProduct]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publish([one.product_id for one in due if not one.text_is_due]))
                group.create_task(self._describe([one.product_id for one in due if one.text_is_due]))
        except BaseExceptionGroup as raised:  # exit code and message are those of the first error
            raise _first_of(raised) from raised

    async def _describe(self, product_ids: Sequence[str]) -> None:
        async with asyncio.TaskGroup() as group:
            for product_id in product_ids:
                group.create_task(self._write(product_id))
        await self._publish(product_ids)

    async def _write(self, product_id: str) -> None:
        """Make the product's text and write it. It is refused, and due again, if a review changed meanwhile."""
        basis, evidence = await self._retry(lambda: self._store.text_basis(product_id))
        text, cited, themes = await self._made(product_id, evidence)
        if await self._retry(lambda: self._store.write_text(product_id, text, cited, themes, basis)):
            telemetry.product_described(product_id, text.method)
        else:
            telemetry.product_text_was_outdated(product_id)

    async def _made(
        self, product_id: str, evidence: Sequence[Evidence]
    ) -> tuple[ProductText, dict[str, int], Themes | None]:
        """Return the text, the revisions that it cites, and what several reviews say. A product whose sentences trigger
        a bug gets none of them.

        Raises TooManyFailures, which ends the process, if too many of the recent products failed.
        """
        try:
            may_ask = bool(evidence) and await self._may_ask_models(product_id)
            choice, themes = await self._chosen(evidence, self._space if may_ask else _WITHOUT_VECTORS)
            if choice is not None:
                proposed = await self._propose(choice) if may_ask else None
                text = self._text_of(choice, proposed)
                self._failures.passed(1)
                return text, {item.review_id: item.revision for item in choice.reviews}, themes
        except NOT_OF_A_RECORD:
            raise
        except Exception as error:  # noqa: BLE001 - a bug that one product triggers
            telemetry.product_text_failed(product_id, error)
            if self._failures.failed(1):  # guarantee: a-products-bug-stays-with-it
                raise TooManyFailures(
                    "The texts of more than a tenth of the recent products fail: a bug, or a broken dependency. See "
                    "product_text_failed above."
                ) from None  # its words may be a review's
        return ProductText("", "", "none", (), None, self._now_ms()), {}, None

    async def _chosen(
        self, evidence: Sequence[Evidence], space: SentenceSpace
    ) -> tuple[product_text.Choice | None, Themes]:
        """Choose in a thread, one product at a time: the first text of a product takes a second or two of a core."""

        def chosen() -> tuple[product_text.Choice | None, Themes]:
            found = quotable(evidence)
            nearness = space.measure(found)
            return product_text.choose(found, nearness), themes_of(found, nearness, len(evidence), self._now_ms())

        async with self._choosing:
            return await asyncio.to_thread(chosen)

    def _text_of(self, choice: product_text.Choice, proposed: str | None) -> ProductText:
        headline, method = product_text.checked_headline(proposed, choice)
        return ProductText(
            headline=headline,
            text=product_text.text_of(choice.sentences),
            method=method,
            evidence=tuple(item.review_id for item in choice.reviews),
            model=self._model if method == "abstractive" else None,
            made_at_ms=self._now_ms(),
        )

    async def _publish(self, product_ids: Sequence[str]) -> None:
        """Publish these products as they are now, and note it after the acknowledgement: three round trips for all."""
        if not product_ids:
            return
        summaries = await self._retry(lambda: self._store.read(product_ids, self._now_ms()))
        known = [one for one in summaries if one is not None]
        await self._delivered(
            [
                *(contract.product_summary_message(self._topics.summaries, one) for one in known),
                # guarantee: signals-come-with-the-summary
                *(contract.product_signals_message(self._topics.signals, signals_of(one)) for one in known),
            ]
        )
        published = {
            product_id: None if summary is None else summary.state_version
            for product_id, summary in zip(product_ids, summaries, strict=True)
        }
        await self._retry(lambda: self._store.finish_due(published, self._now_ms()))

    async def _may_ask_models(self, product_id: str) -> bool:
        unfinished = await self._retry(lambda: self._store.unfinished_claims(product_id))
        if unfinished < _MOST_UNFINISHED:  # guarantee: unfinished-claims-leave-t5-out
            return True
        telemetry.t5_was_left_out(product_id, unfinished)
        return False

    async def _propose(self, choice: product_text.Choice) -> str | None:
        """Return T5's headline for the prevailing sentences; None without a T5, or if it fails on them."""
        if self._batcher is None:
            return None
        answer: asyncio.Future[str | ModelFailed] = self._loop.create_future()
        self._batcher.submit([(answer, product_text.text_of(choice.prevailing))])
        proposed = await answer
        return None if isinstance(proposed, ModelFailed) else proposed

    def _answered(self, results: Sequence[tuple[asyncio.Future[str | ModelFailed], str | ModelFailed]]) -> None:
        """Pass results from the batcher's thread to the event loop."""

        def resolve() -> None:
            for answer, value in results:
                if not answer.done():
                    answer.set_result(value)

        self._loop.call_soon_threadsafe(resolve)

    async def _delivered(self, messages: Sequence[Message]) -> None:
        if messages:
            delivered = asyncio.Event()
            self._publisher.publish(messages, delivered.set)
            await delivered.wait()  # guarantee: published-is-what-the-broker-has


def _first_of(raised: BaseException) -> BaseException:
    while isinstance(raised, BaseExceptionGroup):
        raised = raised.exceptions[0]
    return raised


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
