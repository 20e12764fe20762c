"""Dead letters read back, and what is published when one is replayed."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from stream_app import contract
from stream_app.kafka.copies import is_copy
from stream_app.records import COPY_HEADERS, HEADER_COPY_OF, HEADER_LOG_BEGINS, Message, Position, RawRecord, Rejected

EXAMPLES = contract.schema_folder() / "examples" / "invalid"
REASONS: dict[str, str] = json.loads((EXAMPLES / "reasons.json").read_text())
ORIGINAL = RawRecord("reviews", 4, 99, 0, b"kettle", b"\xff{", (("trace", b"abc"), ("nothing", None)))  # type: ignore[arg-type]


def dead_letter_of(record: RawRecord, reason: str = "not_json", *, at: int = 0) -> contract.DeadLetter:
    """The dead letter that a role writes about a record, read back."""
    return contract.read_dead_letter(arrived(contract.dead_letter_message("dead", Rejected(record, reason, "why")), at))


def arrived(message: Message, offset: int, partition: int = 0) -> RawRecord:
    return RawRecord(message.topic, partition, offset, 5, message.key, message.value, message.headers)


@pytest.mark.parametrize("name", sorted(REASONS))
def test_every_kind_of_bad_input_is_read_back(name: str) -> None:
    """Where it came from, why, and its bytes."""
    record = RawRecord("reviews", 3, 17, 1_700_000_000_000, b"a", (EXAMPLES / name).read_bytes())
    rejected = contract.decode_review(
        record, now_ms=contract.from_rfc3339("2026-06-01T00:00:00Z"), max_future_ms=0, max_text_characters=20_000
    )
    assert isinstance(rejected, Rejected)

    dead_letter = contract.read_dead_letter(arrived(contract.dead_letter_message("dead", rejected), 0))

    assert (dead_letter.origin, dead_letter.reason) == (Position("reviews", 3, 17), REASONS[name])
    assert dead_letter.detail == rejected.detail
    assert contract.replay_message(dead_letter)[:3] == ("reviews", b"a", record.value)


def test_asyncapi_describes_the_header_of_a_replay() -> None:
    """By the name that is sent."""
    document = yaml.safe_load((contract.schema_folder() / "asyncapi.yaml").read_text(encoding="utf-8"))

    assert list(document["components"]["schemas"]["replayHeaders"]["properties"]) == [contract.HEADER_REPLAY_OF]


def test_replay_has_the_original_headers_and_says_whose_it_is() -> None:
    """Nothing of ours but that: the error headers are gone, null values stay."""
    message = contract.replay_message(dead_letter_of(ORIGINAL))

    assert message == Message(
        "reviews", b"kettle", b"\xff{", (*ORIGINAL.headers, (contract.HEADER_REPLAY_OF, b"reviews/4/99"))
    )


def test_senders_own_error_headers_stay() -> None:
    """A shop's Kafka Connect may have written some before us; only the last of each name is ours."""
    theirs = (contract.HEADER_ERROR_REASON, b"java.lang.NullPointerException")
    dead_letter = dead_letter_of(ORIGINAL._replace(headers=(theirs,)))

    assert dead_letter.reason == "not_json"
    assert contract.replay_message(dead_letter).headers == (theirs, (contract.HEADER_REPLAY_OF, b"reviews/4/99"))


@pytest.mark.parametrize("copied", ["the rejected record", "its dead letter"])
def test_replay_of_what_an_erasure_copied_is_no_copy(copied: str) -> None:
    """Else `notify` passes a replayed alert over, and the next erasure deletes it as left over."""
    of_copy = ((HEADER_COPY_OF, b"4/98"), (HEADER_LOG_BEGINS, b"99"))
    of_letter = ((HEADER_COPY_OF, b"4/5"), (HEADER_LOG_BEGINS, b"7"))
    assert {name for name, _ in of_copy} == set(COPY_HEADERS)
    is_of_record = copied == "the rejected record"
    record = ORIGINAL._replace(headers=(*ORIGINAL.headers, *of_copy)) if is_of_record else ORIGINAL
    letter = arrived(contract.dead_letter_message("dead", Rejected(record, "delivery_failed", "why")), 7, 4)
    if not is_of_record:
        letter = letter._replace(headers=(*letter.headers, *of_letter))

    dead_letter = contract.read_dead_letter(letter)
    message = contract.replay_message(dead_letter)

    assert dead_letter.original_headers == ORIGINAL.headers
    assert message.headers == (*ORIGINAL.headers, (contract.HEADER_REPLAY_OF, b"reviews/4/99"))
    assert not is_copy(arrived(message, 120, 4))


def test_dead_letter_of_a_copy_is_no_copy_but_its_own_copy_is() -> None:
    """Else the next erasure passes it over as left over, and deletes it."""
    of_copy = ((HEADER_COPY_OF, b"4/6"), (HEADER_LOG_BEGINS, b"5"))
    rejected = Rejected(ORIGINAL._replace(headers=of_copy), "internal_error", "why")
    letter = arrived(contract.dead_letter_message("dead", rejected), 50, 4)

    assert not is_copy(letter)
    assert is_copy(letter._replace(headers=(*letter.headers, (HEADER_COPY_OF, b"4/50"))))
    assert is_copy(letter._replace(headers=(*letter.headers, (HEADER_COPY_OF, b"4/50"), (HEADER_LOG_BEGINS, b"60"))))


def test_replay_that_fails_again_says_so() -> None:
    """Its dead letter names the first rejection; its own replay names the second, once."""
    replayed = arrived(contract.replay_message(dead_letter_of(ORIGINAL)), 120, 4)

    second = dead_letter_of(replayed, at=1)

    assert second.replay_of == "reviews/4/99"
    assert second.origin == Position("reviews", 4, 120)
    names = [header for header in contract.replay_message(second).headers if header[0] == contract.HEADER_REPLAY_OF]
    assert names == [(contract.HEADER_REPLAY_OF, b"reviews/4/120")]


def test_replay_is_recognised_in_its_topic_and_when_it_came_back() -> None:
    """Both state that this dead letter was replayed before."""
    dead_letter = dead_letter_of(ORIGINAL)
    replayed = arrived(contract.replay_message(dead_letter), 120, 4)

    assert contract.replayed_identity(replayed) == dead_letter.identity
    assert contract.replayed_identity(dead_letter_of(replayed).record) == dead_letter.identity
    assert contract.replayed_identity(ORIGINAL) is None


def test_dead_letters_of_one_record_are_one_and_others_are_not() -> None:
    """A crash writes a dead letter twice; a topic that is recreated has other content at the same place."""
    identity = dead_letter_of(ORIGINAL).identity

    assert dead_letter_of(ORIGINAL, "kills_worker", at=7).identity == identity
    others = [
        ORIGINAL._replace(offset=100),
        ORIGINAL._replace(topic="reviews.enriched"),
        ORIGINAL._replace(value=b"other"),
        ORIGINAL._replace(key=b"other"),
        ORIGINAL._replace(value=None),
        ORIGINAL._replace(value=b""),
        ORIGINAL._replace(key=b"kettle\xff", value=b"{"),
    ]
    assert len({dead_letter_of(other).identity for other in others} - {identity}) == len(others)


def test_dead_letters_of_one_alert_for_two_receivers_are_two() -> None:
    """Of both, place, key and value are those of the alert."""
    lacked = [ORIGINAL._replace(headers=((contract.HEADER_RECEIVER, name),)) for name in (b"a", b"b")]
    letters = [dead_letter_of(one, "delivery_failed") for one in lacked]
    replayed = [contract.replayed_identity(arrived(contract.replay_message(one), 120)) for one in letters]

    assert replayed == [one.identity for one in letters]
    assert len(set(replayed)) == 2


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((contract.HEADER_ERROR_REASON, b"java.lang.Exception\xff"),),
        (("__connect.errors.topic", b"t"), ("__connect.errors.partition", b"x"), ("__connect.errors.offset", b"1")),
        (("__connect.errors.topic", None), ("__connect.errors.partition", None), ("__connect.errors.offset", None)),
        (("__connect.errors.topic", b"\xff"), ("__connect.errors.partition", b"1"), ("__connect.errors.offset", b"1")),
        ((contract.HEADER_REPLAY_OF, None), (contract.HEADER_ERROR_MESSAGE, None)),
    ],
)
def test_foreign_dead_letter_is_read_without_origin(headers: tuple[tuple[str, bytes], ...]) -> None:
    """Any team may write to a topic; their dead letters must not hide ours."""
    dead_letter = contract.read_dead_letter(RawRecord("dead", 0, 0, 0, None, None, headers))

    assert dead_letter.origin is None
    assert dead_letter.reason in ("unknown", "java.lang.Exception\\xff")


def test_dead_letter_without_value_lacks_its_original_unless_that_was_a_tombstone() -> None:
    """What was too large is not kept: replaying the dead letter would publish a null instead."""
    assert dead_letter_of(ORIGINAL._replace(value=None), "text_too_long").lacks_original
    assert not dead_letter_of(ORIGINAL._replace(value=None), contract.TOMBSTONE).lacks_original
    assert not dead_letter_of(ORIGINAL._replace(value=b"")).lacks_original


def test_asyncapi_names_every_reason() -> None:
    """Those that commands answer a mistyped one with."""
    document = (contract.schema_folder() / "asyncapi.yaml").read_text(encoding="utf-8")
    [reasons] = re.findall(
        r"__connect.errors.exception.class.name:\n +type: string\n +enum:\n((?: +- \w+\n)+)", document
    )
    assert tuple(reasons.replace("-", "").split()) == contract.REASONS
