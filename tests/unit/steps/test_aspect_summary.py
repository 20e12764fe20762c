"""Counts of aspects by window, and which sentence is quoted."""

from __future__ import annotations

from itertools import permutations

from stream_app.records import AspectCounts, Evidence, Label, Mention, Quote
from stream_app.steps.aspect_summary import aspects_of

TODAY = 20_000


def kept(review_id: str, text: str, label: Label, *aspects: str, at: int = 0) -> Evidence:
    """A review of one sentence."""
    return Evidence(review_id, 3, at, label, 0, None, text, "en", (Mention(0, len(text), label, aspects),))


def quoted(tally: tuple[int, int, int], *evidence: Evidence) -> Quote | None:
    """Of the aspect look; in whatever order the sentences come."""
    found = {aspects_of({"look": tally}, {}, order, TODAY)["look"].quote for order in permutations(evidence)}
    [quote] = found
    return quote


def test_window_of_30_days_is_today_and_the_30_days_before() -> None:
    days = {TODAY + 1: (1, 1, 0), TODAY: (2, 0, 2), TODAY - 30: (4, 1, 3), TODAY - 31: (8, 8, 0)}

    found = aspects_of({"look": (15, 10, 5)}, {day: {"look": tally} for day, tally in days.items()}, [], TODAY)
    assert found["look"].windows == {"30d": AspectCounts(6, 1, 5), "all": AspectCounts(15, 10, 5)}


def test_most_mentioned_aspects_come_first() -> None:
    assert [*aspects_of({"b": (2, 0, 0), "c": (9, 0, 0), "a": (2, 0, 0)}, {}, [], TODAY)] == ["c", "a", "b"]


def test_net_is_of_all_mentions() -> None:
    assert AspectCounts(10, 2, 7).net == 0.5
    assert AspectCounts().net is None


def test_quote_says_what_most_say() -> None:
    praise, complaint = kept("a", "Pretty.", "positive", "look"), kept("b", "Ugly.", "negative", "look", at=5)

    assert quoted((9, 2, 7), praise, complaint) == Quote("a", 3, "positive", "Pretty.")
    assert quoted((9, 7, 2), praise, complaint) == Quote("b", 3, "negative", "Ugly.")
    assert quoted((9, 4, 4), praise, complaint) == Quote("b", 3, "negative", "Ugly.")
    assert quoted((9, 7, 2), praise) == Quote("a", 3, "positive", "Pretty.")


def test_quote_speaks_of_little_else_and_is_new() -> None:
    everything = kept("a", "Pretty, cheap.", "positive", "look", "value", at=9)
    older, newer = kept("b", "Pretty.", "positive", "look", at=1), kept("c", "So pretty.", "positive", "look", at=2)

    assert quoted((3, 0, 3), everything, older, newer) == Quote("c", 3, "positive", "So pretty.")
    assert quoted((3, 0, 3), everything) == Quote("a", 3, "positive", "Pretty, cheap.")


def test_quote_has_three_words_where_one_has() -> None:
    short, telling = (
        kept("a", "Dangerous!", "negative", "look", at=9),
        kept("b", "It burnt my hand.", "negative", "look"),
    )

    assert quoted((2, 2, 0), short, telling) == Quote("b", 3, "negative", "It burnt my hand.")
    assert quoted((1, 1, 0), short) == Quote("a", 3, "negative", "Dangerous!")


def test_equally_new_ones_are_told_apart_by_their_review() -> None:
    assert quoted((2, 0, 2), *(kept(one, one, "positive", "look") for one in ("a", "é", "z"))) == Quote(
        "é", 3, "positive", "é"
    )


def test_aspect_that_no_kept_sentence_speaks_of_has_no_quote() -> None:
    assert quoted((2, 0, 2), kept("a", "Cheap.", "positive", "value")) is None
    assert aspects_of({}, {}, [kept("a", "Cheap.", "positive", "value")], TODAY) == {}
