"""Time a batcher of a worker on texts that all wait from the beginning."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

_SUBMITTED_AT_ONCE = 2000
console = Console(stderr=True)


def drain(
    model: Any, texts: Sequence[str], micro_batch_tokens: int, batch_tokens: int, workers: int, tokenizers: int = 1
) -> tuple[list[Any], float]:
    """(results, seconds) of a batcher that has all texts waiting, as soon as they can be given to it."""
    from stream_app.models.batcher import Batcher, BatcherOptions
    from stream_app.ports import ModelFailed

    found: dict[int, Any] = {}
    done = threading.Event()

    def on_done(results: list[tuple[int, Any]]) -> None:
        for index, result in results:
            assert not isinstance(result, ModelFailed), result
            found[index] = result
        if len(found) == len(texts):
            done.set()

    def fatal(error: BaseException) -> None:
        console.print(f"[red]{type(error).__name__}: {error}")
        done.set()

    batcher: Batcher[Any] = Batcher(
        model,
        BatcherOptions(
            name="bench",
            micro_batch_tokens=micro_batch_tokens,
            batch_tokens=batch_tokens,
            max_waiting_tokens=10**9,
            workers=workers,
            tokenizers=tokenizers,
        ),
        on_done=on_done,
        fatal=fatal,
    )
    batcher.start()
    began = time.perf_counter()
    for start in range(0, len(texts), _SUBMITTED_AT_ONCE):
        batcher.submit(list(enumerate(texts[start : start + _SUBMITTED_AT_ONCE], start)))
    done.wait()
    seconds = time.perf_counter() - began
    batcher.stop()
    batcher.join()
    return [found[index] for index in range(len(texts))], seconds
