"""Makes a review ready for the models: cleans and masks its text, finds its language and its safety terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stream_app.records import Review, SentenceScores, Span, value
from stream_app.steps.clean import clean
from stream_app.steps.language import is_supported, language_of
from stream_app.steps.privacy import mask
from stream_app.steps.safety import safety_words_in_each
from stream_app.steps.summary_text import clean_word_count

UNSUPPORTED_LANGUAGE = "unsupported_language"
EMPTY_TEXT = "empty_text"


@value
class Prepared:
    """A review ready for the models. ``text``: what will be published; ``supported``: the models read its language."""

    text: str
    title: str | None
    language: str
    supported: bool
    words: int
    flags: tuple[str, ...]
    safety_words: tuple[str, ...]

    @property
    def model_text(self) -> str:
        """What the classifier reads: title and text."""
        if not self.title:
            return self.text
        return f"{self.title}{' ' if self.title[-1] in '.!?…。！？' else '. '}{self.text}"

    @property
    def text_start(self) -> int:
        """Where the text begins in what the classifier reads."""
        return len(self.model_text) - len(self.text) if self.title else 0


@value
class Unusable:
    """Nothing is left of the review that could be processed."""

    reason: str
    detail: str


def prepare(review: Review, languages: frozenset[str] | None) -> Prepared | Unusable:
    """Clean and mask; find language and safety terms. ``languages``: what the classifier reads, None: any."""
    return prepare_all([review], languages)[0]


def prepare_all(reviews: Sequence[Review], languages: frozenset[str] | None) -> list[Prepared | Unusable]:
    """``prepare`` of each; cheaper together, since safety terms are searched in all of them at once."""
    prepared = [_prepared(review, languages) for review in reviews]
    read = [one.model_text if isinstance(one, Prepared) else "" for one in prepared]
    for index, safety in safety_words_in_each(read).items():
        one = prepared[index]
        if isinstance(one, Prepared):
            prepared[index] = replace(one, safety_words=safety, flags=(*one.flags, "safety_words"))
    return prepared


def _prepared(review: Review, languages: frozenset[str] | None) -> Prepared | Unusable:
    """All but the safety terms."""
    text, marked_up = clean(review.text)
    if not text:
        return Unusable(EMPTY_TEXT, "nothing is left of the text without markup and control characters")
    text, masked = mask(text)  # guarantee: text-is-masked
    title: str | None = None
    if review.title:
        title, title_marked_up = clean(review.title)
        title, title_masked = mask(title)  # guarantee: title-is-masked
        marked_up, masked = marked_up or title_marked_up, masked or title_masked
    language = language_of(text, review.language, title)
    supported = is_supported(language, languages)
    flags = (
        *(("markup_removed",) if marked_up else ()),
        *(("private_data_masked",) if masked else ()),
        *(() if supported else (UNSUPPORTED_LANGUAGE,)),
    )
    return Prepared(text, title or None, language, supported, clean_word_count(text), flags, ())


def needs_summary(prepared: Prepared, min_words: int) -> bool:
    """Is the review long enough for a summary shorter than itself, in a language that the models read?"""
    return prepared.supported and prepared.words >= min_words


def span_in_text(sentence: SentenceScores, text_start: int) -> Span | None:
    """Where a sentence of what the classifier read stands in the review's text. None: it is of the title alone."""
    return Span(max(0, sentence.start - text_start), sentence.end - text_start) if sentence.end > text_start else None
