"""Hazards that the model finds in a review's sentences raise an alert, at once and once."""

from __future__ import annotations

from dataclasses import replace

from stream_app.records import Scores, SentenceScores
from stream_app.steps.sentences import sentences
from tests.unit.roles.enrich_stage import review, run, staged
from tests.unit.roles.test_enrich_alerts import alerts_of, edit

GLASS = "There was a sliver of it in the jar."


def hazardous(text: str) -> Scores:
    """Every sentence is one alike; those with a sliver speak of a hazard."""
    of = [SentenceScores(one.start, one.end, (0.2, 0.7, 0.1), 0.99 * ("sliver" in text)) for one in sentences(text)]
    return Scores(0.2, 0.7, 0.1, sentences=tuple(of))


def test_hazard_that_no_term_names_raises_a_safety_alert_once_and_is_published() -> None:
    """Neutral as the review is. An edit that says no more fires nothing; one that a term names is graver."""

    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            stage.bert._answer = hazardous
            texts = [GLASS, f"{GLASS} Again.", "It caught fire.", "It is fine."]
            for offset, text in enumerate(texts):
                await stage.take(edit(offset, text, rating=3))
                await stage.finished(offset)
            assert alerts_of(stage, "alert_id") == ["safety|p|r", "safety|p|r"]
            assert alerts_of(stage, "reason") == ["hazard", "terms"]
            assert alerts_of(stage, "severity") == ["warning", "critical"]
            assert alerts_of(stage, "sentence") == [GLASS, "It caught fire."]
            assert stage.acks.calls[0] == ("early", 0, ["reviews.alerts"])
            opinions = [stage.enriched()[offset].opinions for offset in range(4)]
            assert [None if of is None else len(of) for of in opinions] == [1, 2, 0, 0]

    run(scenario)


def test_the_same_hazard_twice_in_a_batch_fires_once() -> None:
    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            stage.bert._answer = hazardous
            await stage.take(edit(0, GLASS, rating=1), edit(1, f"{GLASS} Twice.", rating=1))
            await stage.finished(0, 1)
            assert alerts_of(stage, "alert_id") == ["safety|p|r"]

    run(scenario)


def test_one_review_of_a_hazard_raises_one_alert_however_negative_it_is() -> None:
    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            stage.bert._answer = lambda text: replace(hazardous(text), negative=0.99, neutral=0.01, positive=0.0)
            await stage.take(edit(0, GLASS, rating=1), review(1, "The lid is no good.", rating=1))
            await stage.finished(0, 1)
            assert alerts_of(stage, "alert_id") == ["safety|p|r", "negative_review|p|r1"]

    run(scenario)


def test_critical_review_after_a_warning_of_a_hazard_fires_once() -> None:
    """Four stars raise no safety alert: the graver of both that fired counts."""

    async def scenario() -> None:
        async with staged(summaries="off") as stage:
            stage.bert._answer = lambda text: replace(hazardous(text), negative=0.9, neutral=0.1, positive=0.0)
            await stage.take(edit(0, GLASS, rating=3))
            await stage.finished(0)
            for offset in (1, 2):
                await stage.take(edit(offset, "It caught fire.", rating=4))
                await stage.finished(offset)
            assert alerts_of(stage, "alert_id") == ["safety|p|r", "negative_review|p|r"]
            assert alerts_of(stage, "severity") == ["warning", "critical"]

    run(scenario)
