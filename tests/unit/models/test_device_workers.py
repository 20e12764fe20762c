"""How many threads of one process run a model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_app.models.loading import load_sentiment_model
from stream_app.settings import Settings

LABELS = {0: "negative", 1: "neutral", 2: "positive"}


@pytest.mark.parametrize(("asked", "workers"), [(0, 4), (1, 1), (3, 3)])
def test_device_workers_are_as_set_or_one_per_core(
    classifier_folder: Callable[[dict[int, str]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: int,
    workers: int,
) -> None:
    """Several processes on one machine get their share of the cores by this setting."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = str(classifier_folder(LABELS))
    settings = Settings(_env_file=None, sentiment_model=model, device="cpu", precision="fp32", device_workers=asked)

    assert load_sentiment_model(settings).workers == workers
