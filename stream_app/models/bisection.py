"""Finds the text that a model fails on: bisects a batch that fails, and blames a text only if the canary passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from stream_app.ports import ModelFailed, OutOfDeviceMemory, TextModel

Item = TypeVar("Item")
Result = TypeVar("Result")


class DeviceBroken(Exception):
    """The model fails on a text that it answered before."""


def bisected(
    items: Sequence[Item],
    compute: Callable[[Sequence[Item]], Sequence[Result]],
    blame: Callable[[Exception], ModelFailed],
    on_out_of_memory: Callable[[Sequence[Item]], None] = lambda items: None,
) -> list[Result | ModelFailed]:
    """Return one result per item. A batch that raises is halved until the failing item is alone: it gets ``blame``'s.

    ``on_out_of_memory`` gets each batch that the device's memory did not hold.
    """
    try:
        return list(compute(items))
    except OutOfDeviceMemory as error:
        if len(items) == 1:  # guarantee: out-of-memory-is-halved
            return [blame(error)]
        on_out_of_memory(items)
    except Exception as error:  # noqa: BLE001 - whatever a model raises: each text still gets one result
        if len(items) == 1:  # guarantee: failing-batch-is-halved
            return [blame(error)]
    half = len(items) // 2
    halves = (items[:half], items[half:])
    return [result for part in halves for result in bisected(part, compute, blame, on_out_of_memory)]


def blamed(model: TextModel[Any], name: str, error: Exception) -> ModelFailed:
    """Return the failure of one text. Raise DeviceBroken if the canary fails: else all texts would be rejected."""
    if not model.canary():  # guarantee: canary-before-model-failed
        raise DeviceBroken(f"the {name} model fails on a text that it knows") from error
    return ModelFailed("model_failed", f"{type(error).__name__}: {error}"[:500])
