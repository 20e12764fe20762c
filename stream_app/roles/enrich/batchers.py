"""Makes the batchers of the role, whose results come back on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from stream_app.models.batcher import Batcher, BatcherOptions, Busy
from stream_app.models.tuned import TunedModel
from stream_app.ports import ModelFailed
from stream_app.roles.enrich.open_review import OpenReview
from stream_app.settings import ModelSettings

Result = TypeVar("Result")

_LINGER_SECONDS = 0.02  # on a GPU: a fifth of the time that an alert may take there


def make_batcher(
    name: str,
    tuned: TunedModel[Result],
    handle: Callable[[Sequence[tuple[OpenReview, Result | ModelFailed]]], None],
    settings: ModelSettings,
    *,
    waiting_tokens: int,
    fatal: Callable[[BaseException], None],
    priorities: bool = False,
    yield_to: Busy | None = None,
    max_unfinished_ahead: int = 0,
) -> Batcher[Result]:
    """Make a batcher that calls ``handle`` on the running event loop. ``priorities``: alert candidates go first."""
    loop = asyncio.get_running_loop()

    def on_done(results: Sequence[tuple[OpenReview, Result | ModelFailed]]) -> None:
        loop.call_soon_threadsafe(handle, results)

    options = BatcherOptions(
        name=name,
        micro_batch_tokens=tuned.micro_batch_tokens,
        batch_tokens=tuned.batch_tokens,
        max_waiting_tokens=waiting_tokens,
        workers=tuned.workers,
        tokenizers=tuned.tokenizers,
        hang_seconds=settings.device_patience_seconds,
        cached_texts=settings.cached_texts,
        linger_seconds=_LINGER_SECONDS if tuned.device == "cuda" else 0.0,
        max_unfinished_ahead=max_unfinished_ahead,
    )
    return Batcher(
        tuned.model,
        options,
        on_done=on_done,
        fatal=fatal,
        unwanted=lambda review: review.finished,
        high_priority=lambda review: priorities and review.high_priority,
        yield_to=yield_to,
    )


def waiting_limit(tuned: TunedModel[Any], configured_tokens: int) -> int:
    """Return how many tokens may wait: the setting; on a GPU, whose batches may be larger, at least two batches."""
    return max(configured_tokens, 2 * tuned.batch_tokens) if tuned.device == "cuda" else configured_tokens
