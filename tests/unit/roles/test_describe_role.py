"""The role that writes texts and publishes summaries: refused when evidence changed, published before no longer due."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from stream_app import contract
from stream_app.models.tuned import TunedModel
from stream_app.ports import DueProduct
from stream_app.records import Evidence, Message, ProductSummary, ProductText, TextBasis, Themes
from stream_app.roles.describe import Describe
from stream_app.roles.record_errors import TooManyFailures
from stream_app.settings import Settings
from stream_app.steps import product_text
from stream_app.steps.fold import EMPTY_TALLY
from stream_app.steps.nearness import Nearness
from stream_app.steps.product_sentences import Quotable
from stream_app.testing.embedder import FakeEmbedder
from stream_app.testing.kafka import FakePublisher
from stream_app.testing.models import FakeModel
from stream_app.testing.store import MemorySummaryStore
from tests.behaviour.enriched import NOW_MS, enriched
from tests.waiting import wait_until_async

_SECONDS = 30
_SENTENCES = ("The kettle boils water fast.", "This kettle boils water very fast.", "Boils water fast, lovely kettle.")


class _KilledError(Exception):
    """Ends the process."""


class RecordingStore(MemorySummaryStore):
    """Notes what was written and what is no longer due; ``before_write`` runs between the evidence and the write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[ProductText, bool]] = []
        self.done: list[str] = []
        self.claims = 0
        self.before_write: Callable[[], Any] | None = None

    async def claim_due(self, now_ms: int, texts: int, publications: int, lease_ms: int) -> list[DueProduct]:
        self.claims += 1
        return await super().claim_due(now_ms, texts, publications, lease_ms)

    async def write_text(
        self,
        product_id: str,
        text: ProductText,
        revisions: dict[str, int],
        themes: Themes | None = None,
        basis: TextBasis | None = None,
    ) -> bool:
        if self.before_write is not None:
            await self.before_write()
        accepted = await super().write_text(product_id, text, revisions, themes, basis)
        self.written.append((text, accepted))
        return accepted

    async def finish_due(self, published: Mapping[str, int | None], now_ms: int) -> None:
        self.done += published
        await super().finish_due(published, now_ms)


class Stage:
    """A Describe on a store in memory, with three reviews of the product p."""

    def __init__(
        self,
        answer: Callable[[str], str] | None,
        *,
        at_once: bool = True,
        now_ms: Callable[[], int] = lambda: NOW_MS,
    ) -> None:
        self.store, self.publisher = RecordingStore(), FakePublisher(at_once=at_once)
        self.errors: list[BaseException] = []
        self.stopping = asyncio.Event()
        self.t5 = FakeModel(answer) if answer else None
        self.embedder = FakeEmbedder()
        self.role = Describe(
            Settings(_env_file=None, redis_patience_seconds=30),
            self.store,
            self.publisher,
            TunedModel(self.t5, 1000, 1000) if self.t5 else None,
            self.embedder,
            now_ms=now_ms,
            fatal=self.errors.append,
        )

    def summaries(self) -> list[ProductSummary]:
        """What was published to products.summaries."""
        return [contract.decode_product_summary(one.value or b"") for one in self.messages("products.summaries")]

    def messages(self, topic: str) -> list[Message]:
        return [one for one in self.publisher.published if one.topic == topic]

    async def described(self) -> ProductText:
        await wait_until_async(lambda: self.store.done, _SECONDS, "the product is described")
        [summary] = await self.store.read(["p"], NOW_MS)
        assert summary is not None
        assert summary.text is not None
        return summary.text


@asynccontextmanager
async def staged(answer: Callable[[str], str] | None, *, at_once: bool = True) -> AsyncIterator[Stage]:
    stage = Stage(answer, at_once=at_once)
    reviews = [enriched(f"r{n}", text=text, key_sentence=None) for n, text in enumerate(_SENTENCES)]
    await stage.store.apply(reviews, NOW_MS)
    running = asyncio.create_task(stage.role.run(stage.stopping))
    try:
        yield stage
        assert stage.errors == []
    finally:
        stage.stopping.set()
        async with asyncio.timeout(_SECONDS):
            await running


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(scenario())


def tries_that_failed() -> float:
    return REGISTRY.get_sample_value("stream_app_dependency_unavailable_total", {"dependency": "redis"}) or 0.0


def test_headline_that_the_reviews_bear_out_is_written_and_published() -> None:
    async def scenario() -> None:
        async with staged(lambda text: "Kettle boils fast") as stage:
            text = await stage.described()
            assert (text.headline, text.method) == ("Kettle boils fast", "abstractive")
            assert set(text.evidence) == {"r0", "r2"}, "two reviews say almost the same"
            assert stage.t5 is not None
            assert text.model == stage.t5.name
            [message] = stage.messages("products.summaries")
            assert message.key == b"p"
            assert message.value is not None
            assert contract.decode_product_summary(message.value).text == text

    run(scenario)


def test_made_up_headline_is_replaced_by_a_sentence_of_a_review() -> None:
    async def scenario() -> None:
        async with staged(lambda text: "Great toaster") as stage:
            text = await stage.described()
            assert (text.method, text.model) == ("extractive", None)
            assert text.headline in _SENTENCES

    run(scenario)


def test_text_is_made_without_a_t5_too() -> None:
    async def scenario() -> None:
        async with staged(None) as stage:
            assert (await stage.described()).headline in _SENTENCES

    run(scenario)


def test_sentences_are_chosen_by_their_vectors() -> None:
    async def scenario() -> None:
        async with staged(None) as stage:
            await stage.described()
            assert set(_SENTENCES) <= {text for call in stage.embedder.embedded for text in call}

    run(scenario)


def test_failing_t5_leaves_a_sentence() -> None:
    def fail(text: str) -> str:
        raise ValueError("no headline for this")

    async def scenario() -> None:
        async with staged(fail) as stage:
            assert (await stage.described()).method == "extractive"

    run(scenario)


def test_text_is_refused_when_its_evidence_changed_and_made_again() -> None:
    async def scenario() -> None:
        stage = Stage(None)
        await stage.store.apply([enriched("r0", text=_SENTENCES[0], key_sentence=None)], NOW_MS)

        async def edit_once() -> None:
            stage.store.before_write = None
            edited = enriched("r0", revision=1, kind="edited", text="It broke.", label="negative", key_sentence=None)
            await stage.store.apply([edited], NOW_MS)

        stage.store.before_write = edit_once
        running = asyncio.create_task(stage.role.run(stage.stopping))
        await wait_until_async(lambda: len(stage.store.done) == 2, _SECONDS, "the text is made again")
        stage.stopping.set()
        await running

        assert [accepted for _, accepted in stage.store.written] == [False, True]
        texts = [summary.text and summary.text.text for summary in stage.summaries()]
        assert texts == [None, "It broke."], "what was refused is published as counts alone"

    run(scenario)


def test_review_that_comes_while_a_text_is_made_is_new_since_the_text() -> None:
    async def scenario() -> None:
        stage = Stage(None)
        await stage.store.apply([enriched("r0", text=_SENTENCES[0], key_sentence=None)], NOW_MS)

        async def arrive() -> None:
            await stage.store.apply([enriched("late", text=_SENTENCES[1], key_sentence=None)], NOW_MS)

        stage.store.before_write = arrive
        running = asyncio.create_task(stage.role.run(stage.stopping))
        await wait_until_async(lambda: stage.store.done, _SECONDS, "the text is published")
        stage.stopping.set()
        await running

        summary = stage.summaries()[0]
        assert summary.text is not None
        assert (summary.text.evidence, summary.reviews_since_text) == (("r0",), 1)

    run(scenario)


def test_product_stays_due_until_its_text_was_delivered() -> None:
    async def scenario() -> None:
        async with staged(None, at_once=False) as stage:
            await wait_until_async(lambda: stage.publisher.published, _SECONDS, "the text is published")
            assert stage.store.done == []
            stage.publisher.deliver()
            await stage.described()
            assert stage.store.done == ["p"]

    run(scenario)


def test_process_that_is_stopped_while_kafka_is_away_gives_its_products_back() -> None:
    """The next process publishes them soon, and T5 is not suspected of having ended this one."""

    async def scenario() -> None:
        stage = Stage(None, at_once=False)
        await stage.store.apply([enriched("r0", text=_SENTENCES[0], key_sentence=None)], NOW_MS)
        running = asyncio.create_task(stage.role.run(stage.stopping))
        await wait_until_async(lambda: stage.publisher.published, _SECONDS, "it waits for the broker")
        stage.stopping.set()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert stage.store.done == []
        assert await stage.store.claim_due(NOW_MS, 9, 9, 1000) == [], "what was sent may still arrive, and be behind"
        assert [one.product_id for one in await stage.store.claim_due(NOW_MS + 10_000, 9, 9, 1000)] == ["p"]
        assert await stage.store.unfinished_claims("p") == 0

    run(scenario)


def test_product_without_reviews_left_has_an_empty_text() -> None:
    async def scenario() -> None:
        stage = Stage(None)

        async def nothing_left(product_id: str) -> tuple[TextBasis, list[Evidence]]:
            return TextBasis(1, EMPTY_TALLY), []

        stage.store.text_basis = nothing_left  # type: ignore[method-assign]
        await stage.store.apply([enriched()], NOW_MS)
        running = asyncio.create_task(stage.role.run(stage.stopping))
        text = await stage.described()
        stage.stopping.set()
        await running
        assert (text.headline, text.text, text.method, text.evidence) == ("", "", "none", ())

    run(scenario)


def test_store_that_is_away_is_waited_for() -> None:
    async def scenario() -> None:
        stage = Stage(None)
        await stage.store.apply([enriched()], NOW_MS)
        stage.store.away = True
        before = tries_that_failed()
        running = asyncio.create_task(stage.role.run(stage.stopping))
        await wait_until_async(lambda: tries_that_failed() > before, _SECONDS, "a try fails")
        stage.store.away = False
        await stage.described()
        stage.stopping.set()
        await running

    run(scenario)


def test_product_whose_claims_were_not_finished_twice_is_described_without_t5() -> None:
    """What T5 is given may be what ended the processes; once described, the product has T5 again."""

    async def scenario() -> None:
        stage = await stage_after_unfinished_claims(2)
        running = asyncio.create_task(stage.role.run(stage.stopping))
        text = await stage.described()
        assert text.method == "extractive"
        assert stage.t5 is not None
        assert stage.t5.ran == []
        assert stage.embedder.embedded == [], "nor are its sentences embedded"
        stage.stopping.set()
        await running
        assert await stage.store.unfinished_claims("p") == 0

    run(scenario)


def test_product_with_one_unfinished_claim_has_its_headline_by_t5() -> None:
    async def scenario() -> None:
        stage = await stage_after_unfinished_claims(1)
        running = asyncio.create_task(stage.role.run(stage.stopping))
        assert (await stage.described()).method == "abstractive"
        stage.stopping.set()
        await running

    run(scenario)


async def stage_after_unfinished_claims(count: int) -> Stage:
    stage = Stage(lambda text: "Kettle boils fast")
    reviews = [enriched(f"r{n}", text=text, key_sentence=None) for n, text in enumerate(_SENTENCES)]
    await stage.store.apply(reviews, NOW_MS - 10)
    for number in range(count):
        assert len(await stage.store.claim_due(NOW_MS - 5 + number, 10, 0, 1)) == 1
    return stage


def test_text_is_published_by_the_next_process_where_the_first_died_before_it() -> None:
    """No review ever comes again: what the text's product says in Redis is what products.summaries gets."""

    async def scenario() -> None:
        died = Stage(None)
        await died.store.apply([enriched("r0", text=_SENTENCES[0], key_sentence=None)], NOW_MS)

        async def die(product_ids: Sequence[str], now_ms: int) -> list[ProductSummary | None]:
            raise _KilledError

        died.store.read = die  # type: ignore[method-assign]
        with pytest.raises(_KilledError):
            await died.role.run(died.stopping)
        assert [accepted for _, accepted in died.store.written] == [True]
        assert died.publisher.published == []

        next_one = Stage(None, now_ms=lambda: NOW_MS + 60_000)
        del died.store.read
        next_one.role._store = next_one.store = died.store
        running = asyncio.create_task(next_one.role.run(next_one.stopping))
        await wait_until_async(lambda: next_one.store.done, _SECONDS, "it is published")
        next_one.stopping.set()
        await running

        [summary] = next_one.summaries()
        assert summary.text is not None
        assert len(died.store.written) == 1, "the text is not made again"

    run(scenario)


def test_counts_are_published_together_while_a_headline_is_made() -> None:
    """A slow T5 holds no counts back, and 30 products cost one publication."""

    async def scenario() -> None:
        answer = threading.Event()

        def slow(text: str) -> str:
            answer.wait(_SECONDS)
            return "Kettle boils fast"

        stage = Stage(slow)
        products = [f"p{number}" for number in range(30)]
        await stage.store.apply([enriched("r", product_id, text="") for product_id in products], NOW_MS)
        for product_id in products:
            await stage.store.write_text(product_id, ProductText("", "", "none", (), None, NOW_MS), {})
        await stage.store.apply([enriched("r0", text=_SENTENCES[0], key_sentence=None)], NOW_MS)
        running = asyncio.create_task(stage.role.run(stage.stopping))
        await wait_until_async(lambda: stage.store.done, _SECONDS, "the counts are published")
        assert sorted(stage.store.done) == sorted(products)
        assert len(stage.summaries()) == 30
        answer.set()
        await wait_until_async(lambda: "p" in stage.store.done, _SECONDS, "the text is published")
        stage.stopping.set()
        await running

    run(scenario)


def fail_on(monkeypatch: pytest.MonkeyPatch, product_ids: Sequence[str]) -> None:
    """A bug that the sentences of these products' reviews trigger."""
    choose = product_text.choose

    def buggy(found: Sequence[Quotable], nearness: Nearness) -> Any:
        if any(one.review.review_id.split(".")[0] in product_ids for one in found):
            raise ZeroDivisionError("a sentence that a person wrote")
        return choose(found, nearness)

    monkeypatch.setattr(product_text, "choose", buggy)


def test_product_whose_sentences_trigger_a_bug_leaves_the_others_their_texts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_on(monkeypatch, ["bad"])

    async def scenario() -> None:
        stage = Stage(None)
        for product_id in ("bad", "good"):
            reviews = [enriched(f"{product_id}.{n}", product_id=product_id, text=_SENTENCES[0]) for n in range(3)]
            await stage.store.apply(reviews, NOW_MS)
        running = asyncio.create_task(stage.role.run(stage.stopping))
        await wait_until_async(lambda: {"bad", "good"} <= set(stage.store.done), _SECONDS, "both are done with")
        stage.stopping.set()
        await running
        bad, good = await stage.store.read(["bad", "good"], NOW_MS)
        assert good is not None
        assert good.text is not None
        assert good.text.text
        assert bad is not None
        assert not (bad.text and bad.text.text)

    asyncio.run(scenario())
    logged = "".join(capsys.readouterr())
    assert "product_text_failed" in logged
    assert "a sentence that a person wrote" not in logged


def test_bug_that_many_products_trigger_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"bad{number}" for number in range(40)]
    fail_on(monkeypatch, names)

    async def scenario() -> None:
        stage = Stage(None)
        for product_id in names:
            reviews = [enriched(f"{product_id}.{n}", product_id=product_id, text=_SENTENCES[0]) for n in range(3)]
            await stage.store.apply(reviews, NOW_MS)
        # no group of exceptions around it, and not the words of any
        with pytest.raises(TooManyFailures, match="product_text_failed above") as ended:
            await asyncio.wait_for(stage.role.run(stage.stopping), _SECONDS)
        assert "a sentence that a person wrote" not in "".join(traceback.format_exception(ended.value))

    asyncio.run(scenario())
