"""A classifier per language: each review goes to the one that reads it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from stream_app.models.tuned import Loaded, TunedModel
from stream_app.records import ModelName
from stream_app.roles.enrich.classifiers import Classifiers
from stream_app.testing.models import FakeClassifier, FakeModel, fake_summary
from tests.unit.roles.enrich_stage import ENGLISH, LONG_BAD, P0, Stage, review, run
from tests.waiting import wait_until_async

CHINESE, ENGLISH_TEXT, GERMAN = "质量很好，物流也快。", "I love it.", "Der Deckel ist nach einer Woche abgebrochen"
LONG_CHINESE = "水壶用了两个星期盖子就坏了，客服一直不理人。" * 6
EN, ZH = ModelName("english", "1"), ModelName("chinese", "2")


class TwoLanguages(Stage):
    """A Stage whose role has an English and a Chinese classifier, and a T5 that reads English."""

    def __init__(self, **settings: Any) -> None:
        self.english, self.chinese = FakeClassifier(languages=ENGLISH), FakeClassifier(languages=frozenset({"zh"}))
        self.english.name, self.chinese.name = EN, ZH
        self.summarizer = FakeModel(fake_summary, languages=ENGLISH)
        loaded = Loaded(
            TunedModel(self.english, 1000, 1000),
            TunedModel(self.summarizer, 1000, 1000),
            {"zh": TunedModel(self.chinese, 1000, 1000)},
        )
        super().__init__({}, load=lambda _: loaded, sentiment_models="zh=chinese", **settings)

    async def __aenter__(self) -> TwoLanguages:
        await self.role.start(self.acks)
        return self

    async def __aexit__(self, *_: object) -> None:
        for model in (self.english, self.chinese, self.summarizer):
            model.gate.set()
        await self.role.stop()
        assert self.errors == []


def test_each_review_goes_to_the_model_of_its_language_and_names_it() -> None:
    async def scenario() -> None:
        async with TwoLanguages(summaries="off") as stage:
            await stage.take(review(0, ENGLISH_TEXT), review(1, CHINESE), review(2, "ok"), review(3, CHINESE))
            await stage.finished(0, 1, 2, 3)
            assert [stage.enriched()[offset].sentiment_model for offset in range(4)] == [EN, ZH, EN, ZH]
            assert {text for texts in stage.chinese.ran for text in texts} == {CHINESE}
            assert {text for texts in stage.english.ran for text in texts} == {ENGLISH_TEXT, "ok"}

    run(scenario)


def test_language_that_neither_model_reads_is_flagged() -> None:
    async def scenario() -> None:
        async with TwoLanguages(summaries="off") as stage:
            await stage.take(review(0, GERMAN), review(1, "とても良い商品です"))
            await stage.finished(0, 1)
            for offset, language in ((0, "de"), (1, "ja")):
                made = stage.enriched()[offset]
                assert (made.language, made.sentiment, made.sentiment_missing) == (
                    language,
                    None,
                    "unsupported_language",
                )
                assert made.sentiment_model is None
            assert (stage.english.ran, stage.chinese.ran) == ([], [])

    run(scenario)


def test_summarizer_is_not_asked_about_what_it_does_not_read() -> None:
    """The classifier reads Chinese, T5 does not: the review's own sentence is its summary."""

    async def scenario() -> None:
        async with TwoLanguages(summaries="always") as stage:
            await stage.take(review(0, LONG_BAD), review(1, LONG_CHINESE))
            await stage.finished(0, 1)
            assert stage.enriched()[0].summary_method == "abstractive"
            assert stage.enriched()[1].summary_method == "extractive"
            assert [text for texts in stage.summarizer.ran for text in texts] == [LONG_BAD]

    run(scenario)


def test_backlog_in_either_language_pauses_fetching() -> None:
    """The next records may be in that language: what waits is bounded."""

    async def scenario() -> None:
        async with TwoLanguages(summaries="off", waiting_tokens=20) as stage:
            for model, text in ((stage.english, ENGLISH_TEXT), (stage.chinese, CHINESE)):
                model.gate.clear()
                assert stage.role.has_room()
                await stage.take(*(review(offset, text) for offset in range(500)))
                assert not stage.role.has_room()
                model.gate.set()
                await wait_until_async(stage.role.has_room, 30, "both have room again")

    run(scenario)


def test_revoked_partition_leaves_neither_queue_anything() -> None:
    async def scenario() -> None:
        async with TwoLanguages(summaries="off") as stage:
            stage.english.gate.clear()
            stage.chinese.gate.clear()
            texts = [ENGLISH_TEXT, CHINESE] * 1_000  # more than two batches of each: one computes, one is prepared
            await stage.take(*(review(offset, text) for offset, text in enumerate(texts)))
            await wait_until_async(lambda: bool(stage.english.ran and stage.chinese.ran), 30, "both models compute")
            stage.role.drop_waiting(frozenset({P0}))
            stage.english.gate.set()
            stage.chinese.gate.set()
            await stage.role.finish_started(frozenset({P0}))
            sentiment = stage.role._sentiment
            await wait_until_async(lambda: sentiment.unfinished_tokens == 0, 30, "no queue holds anything")
            computed = [
                len([text for texts in model.ran for text in texts]) for model in (stage.english, stage.chinese)
            ]
            assert max(computed) < 1_000
            assert len(stage.acks.finished()) == sum(computed)

    run(scenario)


def test_classifiers_that_hang_are_waited_for_together() -> None:
    """A stop has a deadline, however many languages there are."""
    waited: list[float] = []

    class Hanging:
        def join(self, seconds: float) -> None:
            waited.append(seconds)
            time.sleep(seconds)

    classifiers: Any = object.__new__(Classifiers)
    classifiers._batchers = [Hanging(), Hanging()]
    classifiers.join(0.05)
    assert waited[0] == pytest.approx(0.05, abs=0.01)
    assert waited[1] == 0
