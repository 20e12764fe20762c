"""Signals that `describe` publishes beside the summary."""

from __future__ import annotations

import orjson

from tests.unit.roles.test_describe_role import run, staged
from tests.waiting import wait_until_async

_SECONDS = 30


def test_signals_are_published_with_the_summary_that_they_are_made_of() -> None:
    """Before it is noted as published: both are of the same state."""

    async def scenario() -> None:
        async with staged(None, at_once=False) as stage:
            await wait_until_async(lambda: stage.publisher.published, _SECONDS, "both are on their way")
            [summary], [signals] = stage.messages("products.summaries"), stage.messages("products.signals")
            assert stage.store.done == []
            assert (signals.key, signals.value is None) == (b"p", False)
            assert dict(signals.headers)["ce_id"] == dict(summary.headers)["ce_id"]
            assert orjson.loads(signals.value or b"")["reviews"] == 3
            stage.publisher.deliver()
            await wait_until_async(lambda: stage.store.done, _SECONDS, "it is noted")

    run(scenario)
