"""A product whose sentences kill T5: `describe` dies of it twice, and then describes it without T5."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream_app.commands.options import environment_of
from stream_app.settings import Settings
from tests.behaviour.enriched import enriched
from tests.behaviour.running import Run
from tests.integration.store import dying_describe
from tests.integration.store.conftest import Opener

pytestmark = pytest.mark.store


@pytest.mark.timeout(120)
def test_product_that_kills_describe_has_its_text_at_the_third_start(
    run: Run, valkey: str, open_store: Opener, generation: int
) -> None:
    settings = Settings(redis=valkey, generation=generation, text_lease_seconds=1.0)
    store = open_store(valkey, generation=generation, begun=True)
    now_ms = time.time_ns() // 1_000_000
    texts = {"calm": "The kettle boils water fast.", "killer": "A deadly kettle boils water fast."}
    reviews = [
        enriched(f"r{number}", product_id=product_id, text=text, key_sentence=None, created_at_ms=now_ms - 1000)
        for product_id, text in texts.items()
        for number in range(3)
    ]
    run(store.apply(reviews, now_ms))
    ends: list[int] = []
    while 0 not in ends and len(ends) < 5:
        life = subprocess.run(
            [sys.executable, "-m", dying_describe.__name__],
            env=environment_of(settings),
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=30,
        )
        ends.append(life.returncode)
    assert ends == [dying_describe.EXIT_CODE, dying_describe.EXIT_CODE, 0], life.stderr[-2000:]
    assert "t5_was_left_out" in life.stderr + life.stdout
    summaries = run(store.read(["killer"], now_ms))
    assert summaries[0].text.method == "extractive"
    assert run(store.unfinished_claims("killer")) == 0
