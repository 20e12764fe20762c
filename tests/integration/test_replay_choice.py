"""Which dead letters `stream-app dead-letter replay` publishes, and what it asks before."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys

import pytest

from stream_app import contract
from stream_app.kafka.reader import read_to_end
from stream_app.ports import ConfigurationError
from stream_app.records import RawRecord, Rejected
from tests.integration.dead_letter_shop import Shop, place_of


def test_dry_run_publishes_nothing(shop: Shop) -> None:
    """And says what would be done."""
    shop.send([b"{", b"[]"])
    shop.reject()
    before = shop.ends()

    said = shop.run("replay", "--dry-run")

    assert f"Would replay 2 dead letters to {shop.topics.reviews}: 1 not_json, 1 not_an_object" in said
    assert shop.ends() == before


def test_replay_of_everything_must_be_said(shop: Shop) -> None:
    """A script that forgot its filter replays nothing."""
    shop.send([b"{", b"[]"])
    shop.reject()
    before = shop.ends()

    with pytest.raises(ConfigurationError, match=r"--reason.*--all"):
        shop.run("replay", "--yes")
    with pytest.raises(ConfigurationError, match="leave it away"):
        shop.run("replay", "--all", "--reason", "not_json")
    assert shop.ends() == before
    assert "2 replayed" in shop.run("replay", "--all")


def test_replay_chooses_by_reason_place_and_limit(shop: Shop) -> None:
    """The limit counts what is left to do, so that the same command goes on."""
    shop.send([b"{", b"[]", b"{", b"{"])
    shop.reject()
    dead_letters = shop.dead_letters()

    shop.run("replay", "--reason", "not_an_object")
    assert shop.replayed() == {f"{shop.topics.reviews}/{dead_letters[1].record.partition}/1".encode(): 1}
    said = [shop.run("replay", "--reason", "not_json", "--limit", "1") for _ in range(2)]
    assert "left: 2 beyond --limit" in said[0]
    assert "left: 1 beyond --limit" in said[1]
    assert shop.replayed().total() == 3
    shop.run("replay", "--at", place_of(dead_letters[3]))
    assert "Nothing to replay" in shop.run("replay", "--all")
    assert "1 replayed" in shop.run("replay", "--at", place_of(dead_letters[3]), "--again")
    assert sorted(shop.replayed().values()) == [1, 1, 1, 2]


def test_several_dead_letters_are_replayed_after_a_question(shop: Shop) -> None:
    """On a terminal; a script is not asked, nor who says --yes."""
    shop.send([b"{", b"[]", b"{ "])
    shop.reject()

    no, said = on_a_terminal(shop.arguments("replay"), "n\n")
    assert (no, f"3 dead letters to {shop.topics.reviews}?" in said) == (1, True)
    assert shop.replayed().total() == 0
    assert on_a_terminal(shop.arguments("replay", "--limit", "1"), "")[0] == 0
    assert shop.replayed().total() == 1
    assert on_a_terminal(shop.arguments("replay", "--dry-run"), "")[0] == 0
    assert on_a_terminal(shop.arguments("replay"), "y\n")[0] == 0
    assert shop.replayed().total() == 3


def on_a_terminal(arguments: list[str], answer: str) -> tuple[int, str]:
    """Exit code and what is printed, to a person who answers so."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    done = subprocess.run(
        [sys.executable, "-m", "stream_app", *arguments],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while piece := os.read(ours, 65536):
            said += piece
    os.close(ours)
    return done.returncode, said.decode()


def test_tombstones_are_replayed_only_when_named(shop: Shop) -> None:
    """They cannot become anything else, and in a compacted topic they would erase what came after them."""
    shop.send([None])
    shop.reject()

    assert "left: 1 tombstones" in shop.run("replay", "--all")
    assert shop.replayed().total() == 0
    assert "1 replayed" in shop.run("replay", "--reason", "tombstone")
    [replayed] = [r for r in read_to_end(shop.settings, shop.topics.reviews) if r.headers]
    assert (replayed.key, replayed.value) == (b"kettle", None)


def test_dead_letter_whose_original_was_too_large_is_not_replayed_as_a_tombstone(shop: Shop) -> None:
    """The bytes are not here; the message says where they may be."""
    rejected = Rejected(RawRecord(shop.topics.reviews, 1, 5, 0, b"kettle", None), "text_too_long", "long")
    shop.write([contract.dead_letter_message(shop.topics.dead_letter, rejected)])
    [dead_letter] = shop.dead_letters()

    assert "left: 1 without their whole original" in shop.run("replay", "--all")
    with pytest.raises(ConfigurationError, match=f"look for it in {shop.topics.reviews} at 1:5"):
        shop.run("replay", "--at", place_of(dead_letter))
    assert shop.ends()[shop.topics.reviews] == 0


def test_what_was_left_out_is_shown_and_the_rest_is_not_replayed(shop: Shop) -> None:
    """A record of 2.5 MB of headers came compressed: its value is here, its headers are not."""
    record = RawRecord(shop.topics.reviews, 1, 5, 0, b"kettle", b"{", (("trace", b"x" * 2_500_000),))
    shop.write([contract.dead_letter_message(shop.topics.dead_letter, Rejected(record, "not_json", "no"))])
    [dead_letter] = shop.dead_letters()

    shown = shop.run("show", place_of(dead_letter))
    assert "left out     headers;bytes=2500005;sha256=" in shown
    assert shown.endswith("value        1 bytes\n{\n")
    assert shop.listed()[0]["lacks_original"] is True
    assert "left: 1 without their whole original" in shop.run("replay", "--all")
    assert shop.ends()[shop.topics.reviews] == 0
