"""The role that writes texts writes the highlights with them."""

from __future__ import annotations

import asyncio

from tests.behaviour.enriched import NOW_MS, enriched, opinion
from tests.unit.roles.test_describe_role import _SENTENCES, Stage, run


def test_highlights_are_written_with_the_text_and_published() -> None:
    async def scenario() -> None:
        stage = Stage(None)
        stage.embedder.damaged = True  # shared words stand in
        said = [(text, opinion("positive")) for text in _SENTENCES] + [
            ("The lid leaks.", opinion("negative", "quality"))
        ]
        reviews = [
            enriched(f"r{n}", text=text, key_sentence=None, opinions=(one,)) for n, (text, one) in enumerate(said)
        ]
        await stage.store.apply([*reviews, enriched("r8", text="Hm.", key_sentence=None, opinions=())], NOW_MS)
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
