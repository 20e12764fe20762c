"""A shopper and a quality engineer, on the roles as they are started in production: what a bad batch shows each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook

from stream_app.commands.processes import Processes
from stream_app.records import EnrichedReview, Span
from tests.behaviour.enriched import HOUR_MS, enriched, opinion
from tests.integration.delivery.local_receiver import LocalReceiver, Posted
from tests.integration.place import Place, summary_of
from tests.waiting import wait_until_async

pytestmark = pytest.mark.timeout(300)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FILE = """
[receivers.hook]
kind = "webhook"
url = "{url}"
secrets = [{{ env = "HOOK_SECRET" }}]
allow_private = true
[[rules]]
receiver = "hook"
rules = ["negative_spike"]
"""
ROLES = ("summarize", "describe", "notify")


def reviews(kind: str, count: int, hours_ago: int) -> list[EnrichedReview]:
    """Good ones praise the look; bad ones complain of the quality. An hour between two."""
    now_ms = time.time_ns() // 1_000_000
    found = []
    for n in range(count):
        more: dict[str, Any] = {"opinions": (opinion("positive", "look"),)}
        if kind == "bad":
            text = f"The lid broke after {n + 2} days. I sent it back."
            more = {"label": "negative", "rating": 1, "opinions": (opinion("negative", "quality"),)}
            more |= {"text": text, "key_sentence": Span(0, text.index(" I"))}
        created_at_ms = now_ms - (hours_ago + count - n) * HOUR_MS
        found.append(enriched(f"{kind}-{n}", "kettle", created_at_ms=created_at_ms, enriched_at_ms=now_ms, **more))
    return found


def test_bad_batch_reaches_ones_own_webhook_and_the_text_that_shoppers_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both within seconds: the spike once, signed, with its aspect; the text with the complaint and its number."""

    async def run() -> tuple[Posted, dict[str, Any], dict[str, Any]]:
        async with LocalReceiver() as receiver:
            file = place.folder / "receivers.toml"
            file.write_text(FILE.format(url=receiver.url))
            settings = place.settings.model_copy(update={"receivers_file": str(file)})
            with Processes(settings, say=print, log_folder=place.folder / "logs", roles=ROLES) as processes:

                async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
                    def looked() -> bool:
                        processes.keep_running()
                        return condition()

                    await wait_until_async(looked, seconds, f"{what}; logs in {place.folder}")

                def shown() -> dict[str, Any]:
                    return summary_of(processes.look_ups, "kettle")

                place.publish_reviews(reviews("good", 40, 24))
                await asyncio.to_thread(place.caught_up, 1, processes.keep_running)
                await until(lambda: bool(shown()["text"]), 60, "a first text")
                before = shown()
                place.publish_reviews(reviews("bad", 12, 1))
                # on a busy machine; `python -m benchmarks` measures how many milliseconds these take on a quiet one
                await until(lambda: len(receiver.posted) == 1, 60, "the spike is delivered")
                await until(lambda: shown()["windows"]["all"]["reviews"] == 52, 60, "all are counted")
                await until(lambda: "lid" in str(shown()["text"]), 60, "the text changes")
                return receiver.posted[0], before, shown()

    monkeypatch.setenv("HOOK_SECRET", SECRET)
    posted, before, after = asyncio.run(run())
    [alert] = Webhook(SECRET).verify(posted.body, posted.headers)["alerts"]
    assert (alert["rule"], alert["product_id"], alert["aspect"]) == ("negative_spike", "kettle", "quality")
    assert {one["sentence"] for one in alert["quotes"]} <= {f"The lid broke after {n + 2} days." for n in range(12)}
    assert "The lid broke after" not in before["text"]["text"]
    assert "The lid broke after" in after["text"]["text"]
    assert any(one.startswith("bad-") for one in after["text"]["evidence"])
    digest = after["digest"]["texts"]["en"]["text"]
    assert digest.startswith("Of 52 reviews, 40 are positive and 12 negative.")
    assert digest.endswith("Most praise the look (40). Some complain about the quality (12).")
