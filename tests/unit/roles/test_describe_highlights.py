"""The role that writes texts writes the highlights with them."""

from __future__ import annotations

import asyncio

from tests.behaviour.enriched import NOW_MS, enriched, opinion
from tests.unit.roles.test_describe_role import _SENTENCES, Stage, run


def test_highlights_are_written_with_the_text_and_published() -> None:
    async def scenario() -> None:
        stage = Stage(None)
        said = [enriched(f"r{n}", text=text, opinions=(opinion("positive"),)) for n, text in enumerate(_SENTENCES)]
        other = enriched("r9", text="The lid leaks.", opinions=(opinion("negative", "quality"),))
        await stage.store.apply([*said, other, enriched("r8", text="Hm.", opinions=())], NOW_MS)
        running = asyncio.create_task(stage.role.run(stage.stopping))
        await stage.described()
        stage.stopping.set()
        await running

        highlights = stage.summaries()[-1].highlights
        assert highlights is not None
        assert (highlights.read, highlights.complaints) == (5, ()), "one of five is no theme"
        [praise] = highlights.praise
        assert (praise.reviews, sorted(praise.evidence)) == (3, ["r0", "r1", "r2"])
        assert praise.quote.text in _SENTENCES

    run(scenario)
