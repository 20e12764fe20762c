"""The demo says what will happen, its 24 hours are not empty, and logs of a failure are kept."""

from __future__ import annotations

import io
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from rich.console import Console
from rich.text import Text

from stream_app.commands import demo_replay
from stream_app.commands.demo import _WITHIN, _sample, scratch_folder
from stream_app.commands.demo_replay import _noting, outlook
from stream_app.commands.review_files import Line, read_lines


def test_outlook_names_the_first_alerts_and_the_turn() -> None:
    """In seconds of the replay, at its rate."""
    stars = [5] * 50 + [1] + [5] * 99 + [1] * 20 + [5] * 30
    lines = [Line(b"p", orjson.dumps({"rating": one}), number) for number, one in enumerate(stars)]

    said = outlook([*lines, Line(None, b"{", 999)], 5.0)

    assert "201 reviews in about 40 s" in said
    assert "after about 10 s" in said
    assert "turns after about 30 s" in said
    assert "no alert" in outlook(lines[:20], 5.0)
    assert "alerts" in outlook(read_lines(_sample()), 5.0)


def test_outlook_of_a_story_that_is_bad_from_the_start_names_no_turn() -> None:
    lines = [Line(b"p", orjson.dumps({"rating": one}), number) for number, one in enumerate([1] * 20 + [5] * 30)]
    said = outlook(lines, 5.0)
    assert "turns" not in said
    assert "about 0 s" not in said
    assert "The first alerts come at once" in said


def test_no_review_of_a_live_demo_is_older_than_a_day() -> None:
    """The sample is of 60 days: shifted alone, the pages' 24 hours would be empty until the last reviews."""
    now = datetime.now(UTC)
    dates = []
    for line in read_lines(_sample(), retime_to=now, within=_WITHIN):
        try:
            fields = orjson.loads(line.value)
        except orjson.JSONDecodeError:
            continue
        dates += [datetime.fromisoformat(fields[name]) for name in ("created_at", "updated_at") if name in fields]

    assert now - timedelta(hours=24) < min(dates) < now - timedelta(hours=19)
    assert abs(max(dates) - now) < timedelta(seconds=1)


def test_logs_are_kept_when_something_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only then: by an exception, or a process that died on the way."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    said: list[str] = []

    def run(line: str = "", error: BaseException | None = None) -> None:
        with scratch_folder(said.append) as folder:
            (folder / "logs").mkdir()
            (folder / "logs" / "enrich.log").write_text("why")
            if line:
                _noting(folder)(line)
            if error:
                raise error

    run()
    run("enrich ended to follow a rebuilt view; starting it again.")
    with pytest.raises(KeyboardInterrupt):
        run(error=KeyboardInterrupt())
    assert said == []
    run("enrich ended with exit code -9; starting it again in 1 s.")
    with pytest.raises(RuntimeError):
        run(error=RuntimeError("no"))
    kept = [Path(line.split()[-1].rstrip(".")) for line in said]
    assert [(folder / "enrich.log").read_text() for folder in kept] == ["why", "why"]


def test_progress_in_a_file_is_a_line_at_once_and_then_each_quarter_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, out = [100.0], io.StringIO()
    monkeypatch.setattr(demo_replay, "console", Console(file=out, width=80))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with demo_replay._each_quarter_minute() as update:
        for second in range(31):
            now[0] = 100.0 + second
            update(lambda: Text(f"published {'x' * 100} {now[0]:.0f}"))

    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["100", "115", "130"]
