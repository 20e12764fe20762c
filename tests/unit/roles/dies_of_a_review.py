"""One life of an `enrich` whose device a certain review kills: python dies_of_a_review.py STATE_FOLDER.

Nothing is ever committed, so each life is given the same records. A life that gets through them prints the offsets
that were enriched and the reasons of the dead letters, as JSON, and ends with 0.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from stream_app.kafka.flight_log import FlightLog
from stream_app.models.loading import Loaded, Sized
from stream_app.records import Scores
from stream_app.roles.enrich import Enrich
from stream_app.settings import Settings
from tests.fakes import FakeModel, Words, fake_scores
from tests.unit.roles.test_enrich_role import NOW_MS, Stage, review
from tests.waiting import wait_until_async

KILLER, REVIEWS = 4, 9


class Deadly(FakeModel[Scores]):
    """The process dies without a word when the device gets the killer."""

    def run(self, batch: Sequence[Words]) -> list[Scores]:
        if any("deadly" in tokens.text for tokens in batch):
            os._exit(9)
        return super().run(batch)


async def life(folder: Path) -> None:
    stage = Stage(None, {}, summaries="off")
    model = Deadly(fake_scores)
    stage.role = Enrich(
        Settings(_env_file=None, summaries="off"),
        lambda: Loaded(Sized(model, 1000, 1000), None),
        flight_log=FlightLog(folder, "shop.enrich"),
        max_message_bytes=2**21,
        now_ms=lambda: NOW_MS,
        fatal=lambda error: os._exit(1),
    )
    await stage.role.start(stage.acks)
    # of equal length: they go to the device in one run
    texts = ["A very deadly review." if offset == KILLER else f"I love it, {offset}." for offset in range(REVIEWS)]
    await stage.take(*(review(offset, text) for offset, text in enumerate(texts)))
    await wait_until_async(lambda: len(stage.acks.finished()) == REVIEWS, 10, "all are finished")
    print(json.dumps({"enriched": sorted(stage.enriched()), "reasons": stage.reasons()}))
    await stage.role.stop()


if __name__ == "__main__":
    asyncio.run(life(Path(sys.argv[1])))
