"""A line is a clause of its sentence, without what leads to it, and of all clauses the one that its title names."""

from __future__ import annotations

import pytest

from stream_app.records import SentenceScores
from stream_app.steps.sentences import sentences
from stream_app.training.headlines import MAX_WORDS, Headlines, lines_of, shortened


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("I think that the zip is too weak.", "The zip is too weak"),
        ("Overall, I have to say that the sound is great!", "The sound is great"),
        ("But the lid does not close, though.", "The lid does not close"),
        ("This is a great little lamp", "Great little lamp"),
        ("the cable is short (", "The cable is short"),
        ("It's too small for a family of four.", "Too small for a family of four"),
        ("Broke.", None),  # too short
        ("The zip of the", None),  # cut
        ("see www.example.org for the zip", None),
        ("GREAT LAMP FOR ALL", None),
        ('He said "great lamp', None),
        ("one two three four five six seven eight nine ten eleven twelve thirteen", None),
    ],
)
def test_what_leads_to_a_line_is_cut(text: str, line: str | None) -> None:
    assert shortened(text) == line


def test_a_sentence_yields_itself_and_its_clauses() -> None:
    lines = lines_of("The lamp is bright, but the cable is far too short because it was made for a desk.")
    assert "The lamp is bright" in lines
    assert "The cable is far too short" in lines
    assert all(3 <= len(line.split()) <= MAX_WORDS for line in lines)


def test_words_joined_by_and_are_not_torn_apart() -> None:
    assert lines_of("The song and dance sequence of the old man is long.") == [
        "The song and dance sequence of the old man is long"
    ]


def judged(text: str, negative: tuple[float, ...]) -> list[SentenceScores]:
    return [
        SentenceScores(span.start, span.end, (probability, 0.0, 1 - probability), 0.0)
        for span, probability in zip(sentences(text), negative, strict=True)
    ]


def test_the_clause_that_the_title_names_is_chosen() -> None:
    text = "The handle is made of strong wood. The blade rusted after one wash. The shop sent it within a day."
    headlines = Headlines([text, "another text"])
    some = judged(text, (0.5, 0.5, 0.5))
    assert headlines.line(text, "Rusty blade", "negative", some) == "The blade rusted after one wash"
    assert headlines.line(text, "Strong handle", "negative", some) == "The handle is made of strong wood"


def test_without_a_title_the_review_s_sentiment_decides() -> None:
    text = "The handle is made of strong wood. The blade rusted after one wash."
    headlines = Headlines([text])
    assert headlines.line(text, "", "negative", judged(text, (0.1, 0.9))) == "The blade rusted after one wash"
    assert headlines.line(text, "", "positive", judged(text, (0.1, 0.9))) == "The handle is made of strong wood"


def test_a_review_without_a_clause_of_its_own_has_no_line() -> None:
    text = "Why? I bought it for my mother. My brother?"
    assert Headlines([text]).line(text, "", "negative", judged(text, (0.2, 0.2, 0.2))) is None
