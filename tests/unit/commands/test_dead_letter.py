"""What a person writes to choose dead letters, and how dead letters are shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app import contract
from stream_app.commands.dead_letter_filter import Entry, Filter, Place, entry_of, filter_from, moment, place
from stream_app.commands.dead_letter_view import json_of, print_dead_letter, print_table
from stream_app.commands.terminal import printable, printable_bytes
from stream_app.ports import ConfigurationError
from stream_app.records import Position, RawRecord, Rejected

NOW_MS = contract.from_rfc3339("2026-06-01T12:00:00Z")
HOUR_MS = 3_600_000
TEXT = "I am Ada Lovelace and this kettle burnt me"


def dead_letter(reason: str = "wrong_type", value: bytes | None = TEXT.encode(), topic: str = "reviews") -> RawRecord:
    """As a role writes it; its detail quotes the review, as details do."""
    rejected = Rejected(RawRecord(topic, 1, 7, 0, b"ada@example.org", value), reason, f"text must be … not {TEXT!r}")
    message = contract.dead_letter_message("reviews.dead-letter", rejected)
    return RawRecord(message.topic, 2, 30, NOW_MS, message.key, message.value, message.headers)


def entry(**changes: object) -> Entry:
    return entry_of(contract.read_dead_letter(dead_letter(**changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", NOW_MS - 90_000),
        ("15m", NOW_MS - 15 * 60_000),
        ("2h", NOW_MS - 2 * HOUR_MS),
        ("1.5h", NOW_MS - 90 * 60_000),
        ("7d", NOW_MS - 7 * 24 * HOUR_MS),
        ("1w", NOW_MS - 7 * 24 * HOUR_MS),
        ("2026-06-01", NOW_MS - 12 * HOUR_MS),
        ("2026-06-01T11:00:00Z", NOW_MS - HOUR_MS),
        ("2026-06-01T11:00:00", NOW_MS - HOUR_MS),
        ("2026-06-01T12:00:00+02:00", NOW_MS - 2 * HOUR_MS),
    ],
)
def test_time_is_an_age_a_day_or_a_moment(text: str, ms: int) -> None:
    """Without a zone it is UTC, as everywhere here."""
    assert moment("--since", text, NOW_MS) == ms


@pytest.mark.parametrize("text", ["", "soon", "2 hours", "-2h", "2026-13-01", "h", "1e3s", "٣h x"])
def test_what_is_no_time_is_said_with_examples(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--since.*2h"):
        moment("--since", text, NOW_MS)


def test_time_that_ends_before_it_begins_is_a_mistake() -> None:
    """Not silently an empty list."""
    with pytest.raises(ConfigurationError, match="not before"):
        filter_from((), "1h", "2h", None, prefix="", now_ms=NOW_MS)


@pytest.mark.parametrize("text", ["", "3", "3:", ":4", "a:b", "-1:4", "3:4:5", "3/4", "٣:4"])
def test_what_is_no_place_of_a_letter_is_said(text: str) -> None:
    with pytest.raises(ConfigurationError, match="PARTITION:OFFSET"):
        place(text)


def test_place_is_written_as_it_is_read() -> None:
    """So that a place can be copied from the list."""
    assert place(str(Place(3, 4))) == Place(3, 4)


def test_filter_takes_each_criterion_and_all_together() -> None:
    """Several reasons are alternatives; the end of the time is excluded, so that two runs of a day each meet."""
    one = entry()

    assert one in Filter()
    assert one in Filter(reasons=frozenset({"wrong_type", "not_json"}))
    assert one not in Filter(reasons=frozenset({"not_json"}))
    assert one in Filter(since_ms=NOW_MS, until_ms=NOW_MS + 1)
    assert one not in Filter(since_ms=NOW_MS + 1)
    assert one not in Filter(until_ms=NOW_MS)
    assert one not in Filter(reasons=frozenset({"wrong_type"}), topics=frozenset({"reviews.alerts"}))


def test_topic_of_origin_is_named_with_or_without_the_prefix() -> None:
    """The prefix is a setting, and need not be written twice."""
    one = entry(topic="shop.reviews")

    assert one in filter_from((), None, None, "reviews", prefix="shop.", now_ms=NOW_MS)
    assert one in filter_from((), None, None, "shop.reviews", prefix="shop.", now_ms=NOW_MS)
    assert one not in filter_from((), None, None, "reviews.enriched", prefix="shop.", now_ms=NOW_MS)


def test_list_shows_nothing_that_a_person_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither as a table nor for programs: no value, no key, and no detail, which quotes the value."""
    print_table([entry()])
    printed = capsys.readouterr().out + str(json_of(entry()))

    assert "wrong_type" in printed
    assert "reviews 1:7" in printed
    assert "2:30" in printed
    assert [word for word in ("Ada", "Lovelace", "ada@", "kettle") if word in printed] == []


def test_list_survives_letters_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    """With escape sequences where we have a reason, no value, and a time beyond the calendar."""
    headers = ((contract.HEADER_ERROR_REASON, b"[red]\x1b[31m"),)
    strange = entry_of(contract.read_dead_letter(RawRecord("dead", 0, 1, 10**17, None, None, headers)))

    print_table([strange])
    printed = capsys.readouterr().out

    assert "[red]\\x1b[31m" in printed
    assert "\x1b" not in printed
    assert json_of(strange)["origin"] is None
    assert json_of(strange)["bytes"] is None


def test_show_prints_everything_but_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    """Reading a dead letter must not obey it."""
    record = dead_letter(value=b'\x1b[2J {"text":\t"\xffbad"}\n\r next \xe2\x80\xae')
    headers: Any = (("h\x07", b"\x1b]0;x"), ("n", None), *record.headers)
    print_dead_letter(contract.read_dead_letter(record._replace(headers=headers)))
    printed = capsys.readouterr().out

    assert '\\x1b[2J {"text":\t"\\xffbad"}\n\\r next \\u202e' in printed
    assert "h\\x07: \\x1b]0;x" in printed
    assert "n: null" in printed
    assert f"{contract.HEADER_ERROR_REASON}: wrong_type" in printed
    assert "Ada" in printed  # of the detail


def test_show_says_why_a_letter_has_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    """A tombstone, or bytes that were too large: then where they may still be."""
    print_dead_letter(contract.read_dead_letter(dead_letter("tombstone", None)))
    print_dead_letter(contract.read_dead_letter(dead_letter("text_too_long", None)))
    printed = capsys.readouterr().out

    assert "null: the original has none" in printed
    assert "is not kept here, whole; it may still be in reviews at 1:7" in printed


@given(st.binary())
def test_no_bytes_whatever_reach_a_terminal_as_commands(value: bytes) -> None:
    assert all(c.isprintable() or c in "\n\t" for c in printable_bytes(value, lines=True))
    assert printable_bytes(value).isprintable()


@given(st.text())
def test_readable_text_is_left_as_it_is(text: str) -> None:
    assert printable("".join(c for c in text if c.isprintable())) == "".join(c for c in text if c.isprintable())


def test_origin_of_programs_has_names() -> None:
    assert json_of(entry())["origin"] == {"topic": "reviews", "partition": 1, "offset": 7}
    assert entry().origin == Position("reviews", 1, 7)


@pytest.mark.parametrize("timestamp_ms", [-(2**63), -(10**15), -1, 0, 10**15, 2**63 - 1])
def test_letter_is_shown_whatever_its_record_s_timestamp(timestamp_ms: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Another program may have written it."""
    record = dead_letter()._replace(timestamp_ms=timestamp_ms)

    print_dead_letter(contract.read_dead_letter(record))
    print_table([entry_of(contract.read_dead_letter(record))])

    assert capsys.readouterr().out.count("wrong_type") >= 2
    assert json_of(entry_of(contract.read_dead_letter(record)))["written"]
