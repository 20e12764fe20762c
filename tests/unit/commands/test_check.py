"""`stream-app check`: what it finds is said, with the exit code that a script sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stream_app.__main__ import app
from stream_app.commands import check

COMMITTED = {0: 40, 1: 7}


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[int, int]]:
    """What the brokers say of each topic and group: change it. All else that is checked is well."""
    found = {"begins": {0: 0, 1: 0}, "ends": {0: 100, 1: 7}, "readable": {0: 100, 1: 7}}

    async def as_they_are(settings: Any) -> Any:
        return settings.model_copy(update={"generation": 1})

    monkeypatch.setattr("stream_app.store.generations.fixed", as_they_are)
    monkeypatch.setattr("stream_app.kafka.group_check.committed_offsets", lambda settings, role: COMMITTED)
    monkeypatch.setattr("stream_app.kafka.group_check.begin_offsets", lambda settings, topic: found["begins"])
    monkeypatch.setattr("stream_app.kafka.group_check.log_ends", lambda settings, topic: found["ends"])
    monkeypatch.setattr("stream_app.kafka.offsets.log_ends", lambda settings, topic: found["ends"])
    monkeypatch.setattr("stream_app.kafka.offsets.end_offsets", lambda settings, topic: found["readable"])
    others = ("kafka", "topics", "redis", "view", "device", "sentiment_model", "summary_model", "sentence_encoders")
    for name in others:
        monkeypatch.setattr(check, f"_{name}", lambda settings: "well")
    return found


def checked() -> tuple[int, str]:
    """(exit code, what is said of the consumer groups)"""
    result = CliRunner().invoke(app, ["check"])
    [said] = " ".join(result.output.split()).split(" consumer groups: ")[1:]
    return result.exit_code, said.partition(" ok Redis: ")[0]


def test_own_aspects_are_named_or_what_is_wrong_with_their_file(
    kafka: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.toml"
    monkeypatch.setenv("STREAM_APP_ASPECTS_FILE", str(file))
    missing = CliRunner().invoke(app, ["check"])
    assert missing.exit_code == 1
    assert str(missing.exception).startswith(f"STREAM_APP_ASPECTS_FILE: {file}: No such file")
    file.write_text('[strings]\nname.en = "Strings"\ndescription.en = "Strings."\nkeywords.en = ["strings"]\n')
    read = CliRunner().invoke(app, ["check"])
    monkeypatch.delenv("STREAM_APP_ASPECTS_FILE")
    assert "aspects: the 16 default ones" in CliRunner().invoke(app, ["check"]).output
    assert read.exit_code == 0
    assert "aspects: 17, of " in read.output


def test_groups_that_lost_nothing_are_well(kafka: Any) -> None:
    assert checked() == (0, "each goes on where it committed")


@pytest.mark.parametrize(("begins", "lost"), [(55, 15), (100, 60)], ids=["some are left", "nothing is left"])
def test_records_that_retention_removed_unread_are_said(kafka: Any, begins: int, lost: int) -> None:
    """By group and partition, before a worker that starts commits past them."""
    kafka["begins"][0] = begins

    code, said = checked()

    assert code == 1
    assert said.count(f"reviews-0 begins at {begins} and is committed at 40: retention removed {lost} records") == 1
    assert {"stream-app.enrich", "stream-app.notify"} <= set(said.replace(":", "").split())
    assert "-1 begins" not in said


def test_commit_behind_the_end_of_a_topic_is_said(kafka: Any) -> None:
    kafka["ends"][0] = 3
    code, said = checked()
    assert code == 1
    assert "reviews-0 ends at 3 and is committed at 40: it was recreated or lost its end" in said


def test_transaction_that_stays_open_is_said_and_is_no_fault(kafka: Any) -> None:
    kafka["readable"][0] = 90
    code, said = checked()
    assert code == 0
    assert "10 records of reviews wait for an open transaction" in said
