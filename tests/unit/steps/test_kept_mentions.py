"""The kept sentences with an opinion, by where they stand in what is kept."""

from __future__ import annotations

from stream_app.records import Mention, Opinion, Span
from stream_app.steps.kept_sentences import MAX_MENTIONS, kept_key, kept_mentions, kept_sentences, kept_spans

TEXT = "It looks nice.  The lid broke! Cheap, though."


def mentions(*opinions: Opinion) -> list[tuple[str, str, tuple[str, ...]]]:
    kept = kept_spans(TEXT, None)
    sentence = kept_sentences(TEXT, kept)
    return [(sentence[one.start : one.end], one.label, one.aspects) for one in kept_mentions(kept, opinions)]


def test_mention_is_the_whole_sentence_that_the_opinion_begins_in() -> None:
    lid = Opinion(Span(TEXT.index("The lid"), TEXT.index("Cheap")), "negative", 0.9, ("durability", "quality", "?"))

    assert mentions(lid) == [("The lid broke!", "negative", ("durability", "quality"))]


def test_neutral_opinions_without_a_known_aspect_and_those_outside_of_the_text_give_none() -> None:
    outside = (Span(-5, 3), Span(len(TEXT), len(TEXT) + 9), Span(14, 16), Span(10**9, 10**9))
    nowhere = [Opinion(span, "positive", 0.9, ("look",)) for span in outside]

    assert mentions(Opinion(Span(0, 14), "neutral", 0.9), Opinion(Span(0, 14), "neutral", 0.9, ("?",)), *nowhere) == []


def test_foreign_producer_cannot_make_what_is_kept_grow() -> None:
    kept = kept_spans(TEXT, None)

    praise, blame = Opinion(Span(0, 5), "positive", 0.9, ("look",)), Opinion(Span(5, 9), "negative", 0.9, ("look",))

    assert len(kept_mentions(kept, [praise, blame] * 5_000)) == MAX_MENTIONS
    assert len(kept_mentions(kept, [praise] * 10_000)) == 1


def test_sentence_that_is_not_kept_is_no_mention() -> None:
    text = "A. " * 200 + "It looks nice."
    kept = kept_spans(text, None)

    assert kept_mentions(kept, [Opinion(Span(600, 614), "positive", 0.9, ("look",))]) == ()
    assert kept_mentions(kept, [Opinion(Span(3, 5), "positive", 0.9, ("look",))]) == (
        Mention(3, 5, "positive", ("look",), 3),
    )


def test_opinion_about_no_aspect_is_kept_unless_it_is_neutral() -> None:
    """Highlights need it; a hazard that nobody judges does not."""
    text = "Long ago. It broke. It was hot."
    kept = kept_spans(text, Span(10, 19))
    opinions = [Opinion(Span(10, 19), "negative", 0.9), Opinion(Span(20, 31), "neutral", 0.9, ("no aspect of ours",))]

    assert kept_mentions(kept, opinions) == (Mention(10, 19, "negative", (), 10),)


def test_mention_begins_where_its_sentence_stands_in_the_review() -> None:
    """What is kept lacks the sentences in between."""
    text = "First. " + "Second. " * 50 + "It broke."
    key = Span(len(text) - 9, len(text))
    [mention] = kept_mentions(kept_spans(text, key), [Opinion(key, "negative", 0.9)])

    assert mention.begins is not None
    assert (mention.start < mention.begins, text[mention.begins :]) == (True, "It broke.")


def test_key_sentence_is_kept_and_found_wherever_it_stands() -> None:
    text = "It is nice. " * 40 + "Then it caught fire. It is nice."
    start = text.index("Then")
    for key in (Span(start, start + 20), Span(0, 11)):
        kept = kept_spans(text, key)
        place = kept_key(kept, key)
        assert place is not None
        assert kept_sentences(text, kept)[slice(*place)] == text[key.start : key.end]
    assert kept_key(kept_spans(text, None), None) is None
    assert kept_key([], Span(0, 5)) is None


def test_clauses_that_disagree_are_mentions_of_their_own_and_others_of_the_whole_sentence() -> None:
    """So delivery is blamed by its own words, and no highlight quotes blame as praise."""
    text = "Delivery took weeks, but the kettle is great. It boils fast, though the lid is good too."
    slow, great, fast, lid = (
        Span(text.index(words), text.index(words) + len(words))
        for words in ("Delivery took weeks", "the kettle is great.", "It boils fast", "the lid is good too.")
    )
    found = kept_mentions(
        kept_spans(text, great),
        [
            Opinion(slow, "negative", 0.9, ("delivery",)),
            Opinion(great, "positive", 0.9, ("quality",)),
            Opinion(fast, "positive", 0.9, ("function",)),
            Opinion(lid, "positive", 0.9, ("quality",)),
        ],
    )

    said = [(text[one.begins :][: one.end - one.start], one.label, one.aspects) for one in found]
    assert said == [
        ("Delivery took weeks", "negative", ("delivery",)),
        ("the kettle is great.", "positive", ("quality",)),
        ("It boils fast, though the lid is good too.", "positive", ("function", "quality")),
    ]


def test_sentence_of_a_key_clause_is_kept_whole_unless_it_is_too_long() -> None:
    text = "It looks nice. Delivery took weeks, but the kettle is great."
    key = Span(text.index("the kettle"), len(text))
    kept = kept_spans(text, key)
    place = kept_key(kept, key)
    assert place is not None
    assert kept_sentences(text, kept)[slice(*place)] == "Delivery took weeks, but the kettle is great."

    text = f"Delivery took {'very ' * 100}long, but the kettle is great."
    key = Span(text.index("the kettle"), len(text))
    assert kept_key(kept_spans(text, key), key) is not None
    assert "the kettle is great." in kept_sentences(text, kept_spans(text, key))


def test_hazard_is_no_praise_of_what_its_sentence_praises() -> None:
    text = "The plug throws sparks, but the sound is great."
    sparks, sound = Span(0, text.index(",")), Span(text.index("the sound"), len(text))
    kept = kept_spans(text, None)
    hazard = Opinion(sparks, "neutral", 0.9, ("safety",), hazard=True)

    found = kept_mentions(kept, [hazard, Opinion(sound, "positive", 0.9, ("sound",))])
    assert [(one.label, one.aspects) for one in found] == [("neutral", ("safety",)), ("positive", ("sound",))]

    [whole] = kept_mentions(kept, [hazard, Opinion(sound, "negative", 0.9, ("sound",))])
    assert (whole.start, whole.end, whole.label, whole.aspects) == (0, len(text), "negative", ("safety", "sound"))
