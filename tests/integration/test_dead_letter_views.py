"""`stream-app dead-letter list`, `show` and `tail` on a real broker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import pytest
from typer.testing import CliRunner

from stream_app import contract
from stream_app.__main__ import app
from stream_app.ports import BrokerUnavailable, ConfigurationError
from stream_app.records import Message, RawRecord, Rejected
from stream_app.settings import Settings
from tests.integration.dead_letter_shop import EXAMPLES, REASONS, Shop, place_of


def test_every_kind_of_bad_input_is_listed_and_shown(shop: Shop) -> None:
    """By reason, with its place of origin; its bytes come out as they went in."""
    shop.send([*((EXAMPLES / name).read_bytes() for name in REASONS), None])
    assert shop.reject() == len(REASONS) + 1

    wanted = Counter(REASONS.values()) + Counter({"tombstone": 1})
    assert Counter(line["reason"] for line in shop.listed()) == wanted
    assert {line["reason"] for line in shop.listed("--reason", "wrong_type", "--reason", "tombstone")} == {
        "wrong_type",
        "tombstone",
    }
    table = shop.run("list")
    assert table.splitlines()[-1].startswith(f"{len(REASONS) + 1} dead letters: 4 wrong_type, 3 ")
    for dead_letter in shop.dead_letters():
        assert dead_letter.origin is not None
        shown = shop.run("show", place_of(dead_letter))
        assert f"reason       {dead_letter.reason}\n" in shown
        assert f"{dead_letter.origin.topic} {dead_letter.origin.partition}:{dead_letter.origin.offset}" in shown
        if dead_letter.record.value is not None:
            partition, offset = place_of(dead_letter).split(":")
            assert shop.result("show", partition, offset, "--raw").stdout_bytes == dead_letter.record.value
        else:
            with pytest.raises(ConfigurationError, match="the original has none"):
                shop.run("show", place_of(dead_letter), "--raw")


def test_list_shows_the_newest_and_counts_all(shop: Shop) -> None:
    """A screen is short; the count is not."""
    assert "nothing was rejected" in shop.run("list")
    shop.send([b"{"] * 3)
    shop.reject()
    shop.send([b"[]"])
    shop.reject()

    assert [line["reason"] for line in shop.listed("--limit", "2")] == ["not_json", "not_an_object"]
    assert "4 dead letters, the newest 1 shown (--limit 0: all): 3 not_json, 1 not_an_object" in shop.run(
        "list", "--limit", "1"
    )
    assert "None of the 4 dead letters matches. Their reasons: 3 not_json" in shop.run("list", "--reason", "too_deep")
    assert len(shop.listed("--since", "1h")) == 4
    assert shop.listed("--until", "1h") == []
    assert "no dead letters from then" in shop.run("list", "--since", "0s")


def test_dead_letter_that_is_not_there_is_said(shop: Shop) -> None:
    """The error states how to find one. Nothing is replayed if one of several is wrong."""
    shop.send([b"{"])
    shop.reject()
    [dead_letter] = shop.dead_letters()
    before = shop.ends()

    for missing in ("2:17", "77:0"):
        with pytest.raises(ConfigurationError, match="dead-letter list"):
            shop.run("show", missing)
        with pytest.raises(ConfigurationError, match=f"No dead letter is at {missing}"):
            shop.run("replay", "--at", missing, "--at", place_of(dead_letter))
    with pytest.raises(ConfigurationError, match="leave --reason"):
        shop.run("replay", "--at", place_of(dead_letter), "--reason", "not_json")
    assert shop.ends() == before


@pytest.mark.parametrize("command", ["list", "replay"])
def test_mistyped_reason_is_answered_with_the_reasons_there_are(shop: Shop, command: str) -> None:
    """Nothing would match it; a reason of another version may be there."""
    shop.send([b"{"])
    shop.reject()
    shop.write(
        [
            contract.dead_letter_message(
                shop.topics.dead_letter, Rejected(RawRecord("t", 0, 0, 0, b"", b"{}"), "new", "")
            )
        ]
    )

    with pytest.raises(ConfigurationError, match=r"Did you mean not_json.*there: 1 .*, 1 .*wrong_type"):
        shop.run(command, "--reason", "notjson")
    assert shop.run(command, "--reason", "new")
    if command == "replay":
        said = shop.run("replay", "--reason", "too_deep")
        assert "none of the 2 dead letters matches. Their reasons: 1 " in said


def test_tail_names_a_dead_letter_as_show_takes_it(shop: Shop) -> None:
    """Its partition too, for people and for programs."""
    shop.send([b"{"])
    shop.reject()
    [dead_letter] = shop.dead_letters()
    servers = ["--brokers", shop.settings.brokers, "--topic-prefix", shop.settings.topic_prefix, "--until-end"]

    line = CliRunner().invoke(app, ["tail", "dead-letter", *servers]).stdout
    found = json.loads(CliRunner().invoke(app, ["tail", "dead-letter", "--json", *servers]).stdout)

    assert place_of(dead_letter) in line
    assert f"{found['partition']}:{found['offset']}" == place_of(dead_letter)


def test_broker_that_goes_away_is_one_message_with_the_next_step(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is certain, and that a second run goes on."""
    shop.send([b"{"])
    shop.reject()

    def away(settings: Settings, messages: Iterable[Message], on_done: object) -> None:
        raise BrokerUnavailable("Kafka does not answer.")

    monkeypatch.setattr("stream_app.commands.dead_letter_replay.republish", away)

    with pytest.raises(BrokerUnavailable, match=r"0 of 1 are replayed for certain. Run the same command again"):
        shop.run("replay", "--all")
