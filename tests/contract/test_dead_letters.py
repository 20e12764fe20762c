"""Dead letters fit their topic whatever the original was, and say what they lack."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from typing import Any

import pytest

from stream_app import contract
from stream_app.records import EscapedName, Message, RawRecord, Rejected, size_of

LIMIT = 3_000


def dead_letter_of(record: RawRecord, detail: str = "no") -> tuple[Message, contract.DeadLetter]:
    message = contract.dead_letter_message("dead", Rejected(record, "not_json", detail), LIMIT)
    return message, contract.read_dead_letter(RawRecord("dead", 0, 0, 0, message.key, message.value, message.headers))


def original(key: int, value: int, header: int) -> RawRecord:
    """A record whose parts have these numbers of bytes."""
    return RawRecord("reviews", 4, 99, 0, b"k" * key, b"v" * value, (("trace", b"h" * header), ("nothing", None)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "left_out"),
    [
        ((10, 10, 10), []),
        ((10, 5_000, 10), ["value"]),
        ((10, 10, 5_000), ["headers"]),
        ((10, 5_000, 5_000), ["value", "headers"]),
        ((5_000, 10, 10), ["key"]),
        ((5_000, 5_000, 10), ["value", "key"]),
        ((5_000, 10, 5_000), ["headers", "key"]),
        ((5_000, 5_000, 5_000), ["value", "headers", "key"]),
        ((900, 1_500, 900), ["value"]),
    ],
)
def test_what_does_not_fit_is_left_out_and_accounted_for(sizes: tuple[int, int, int], left_out: list[str]) -> None:
    """Value, headers, key, in this order, and no more than must be; each with its length and hash."""
    record = original(*sizes)

    message, dead_letter = dead_letter_of(record)

    assert size_of(message) <= LIMIT
    accounts = {
        "value": (len(record.value or b""), hashlib.sha256(record.value or b"").hexdigest()),
        "key": (len(record.key or b""), hashlib.sha256(record.key or b"").hexdigest()),
        "headers": (sizes[2] + len("trace" + "nothing"), contract.headers_hash(record.headers)),
    }
    assert dead_letter.dropped == tuple(
        f"{part};bytes={accounts[part][0]};sha256={accounts[part][1]}" for part in left_out
    )
    assert message.value == (None if "value" in left_out else record.value)
    assert message.key == (None if "key" in left_out else record.key)
    assert dead_letter.original_headers == (() if "headers" in left_out else record.headers)
    assert (dead_letter.origin, dead_letter.reason, dead_letter.detail) == (("reviews", 4, 99), "not_json", "no")


def test_hash_of_headers_tells_names_values_and_nulls_apart() -> None:
    """As documented: each behind its length and a colon, -1 for null."""
    found = contract.headers_hash([("trace", b"ab"), ("no", None)])

    assert found == hashlib.sha256(b"5:trace2:ab2:no-1:").hexdigest()


@pytest.mark.parametrize("sizes", [(10, 5_000, 10), (10, 10, 5_000), (5_000, 10, 10)])
def test_dead_letter_that_lacks_any_part_is_not_replayable(sizes: tuple[int, int, int]) -> None:
    """Without its key it would go to another partition, without its headers it is another record."""
    assert dead_letter_of(original(*sizes))[1].lacks_original
    assert not dead_letter_of(original(10, 10, 10))[1].lacks_original


def test_senders_header_of_that_name_says_nothing_of_what_is_left_out() -> None:
    """Ours stand behind our error headers."""
    theirs = (contract.HEADER_DROPPED, b"value;bytes=1;sha256=00")
    record = RawRecord("reviews", 4, 99, 0, b"k", b"v", (theirs,))

    _, dead_letter = dead_letter_of(record)
    assert (dead_letter.dropped, dead_letter.original_headers, dead_letter.lacks_original) == ((), (theirs,), False)
    _, dead_letter = dead_letter_of(record._replace(value=b"v" * 5_000))
    assert dead_letter.original_headers == (theirs,)
    assert [one.split(";")[:2] for one in dead_letter.dropped] == [["value", "bytes=5000"]]


@pytest.mark.parametrize("name", ["a\0b", "\0", "\udcff", "naïve\0"])
def test_name_of_a_header_that_no_producer_takes_is_escaped(name: str) -> None:
    """librdkafka ends a name at a NUL; a lone surrogate ends confluent-kafka with SIGSEGV."""
    message, _ = dead_letter_of(RawRecord("reviews", 4, 99, 0, None, b"v", ((name, b"1"),)))

    escaped = message.headers[0][0]
    assert "\0" not in escaped
    assert escaped.encode()
    assert escaped == name.replace("\0", "\\x00").replace("\udcff", "\\udcff")


def test_name_that_had_to_be_escaped_is_there_as_it_was_sent() -> None:
    """Which of the headers, and its bytes; a name that reads like an escaped one was sent so."""
    sent: Any = (("trace", b"1"), (EscapedName(b"\xff\xfe"), b"2"), ("\\xff\\xfe", b"3"), ("a\0b", None))
    record = RawRecord("reviews", 4, 99, 0, b"k", b"v", sent)

    message, dead_letter = dead_letter_of(record)

    kept = [value.decode().partition(";base64=") for name, value in message.headers if name == contract.HEADER_NAME]
    assert [(int(at), b64decode(name)) for at, _, name in kept] == [(1, b"\xff\xfe"), (3, b"a\0b")]
    assert [name for name, _ in dead_letter.original_headers] == ["trace", "\\xff\\xfe", "\\xff\\xfe", "a\\x00b"]
    assert not dead_letter.lacks_original

    without, _ = dead_letter_of(record._replace(headers=(*sent, ("large", b"h" * LIMIT))))
    assert contract.HEADER_NAME not in dict(without.headers), "of headers that are left out"


def test_words_of_an_error_end_at_a_character_within_8_kib() -> None:
    record = RawRecord("reviews", 4, 99, 0, None, None)
    message = contract.dead_letter_message("dead", Rejected(record, "not_json", "x" + "é" * 8_000))

    detail = dict(message.headers)[contract.HEADER_ERROR_MESSAGE]
    assert detail.decode() == "x" + "é" * 4_095
