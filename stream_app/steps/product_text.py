"""What a product's headline and text rest on: representative sentences of its reviews, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from stream_app.records import LABELS, Evidence, Label, SummaryMethod, value
from stream_app.steps.nearness import Nearness
from stream_app.steps.product_sentences import Quotable
from stream_app.steps.sentence_scores import scores
from stream_app.steps.sentence_style import ended, is_complete, is_dangling, is_headless, names_the_product
from stream_app.steps.summary_text import content_words, faithful, leaning, word_count

MAX_SENTENCES = 8
TEXT_WORDS = 60
"""Words of a text, about: what fits beside a product's picture; people's summaries of eight reviews have 51."""

_ENOUGH = 0.95  # of these words: a further sentence would most often exceed them
_TOO_MUCH = 1.25  # of these words: a longer sentence is left out, and a shorter one is looked for
_NEAR = 0.7  # similarity from which two sentences begin to say the same
_REPETITION_COST = 9.0  # standard deviations for each 1.0 of similarity above it
_SAME = 0.92  # similarity from which one of two sentences says nothing new

_A_SHARE_THAT_COUNTS = 5  # a fifth of the reviews

_HEADLINE_CHARACTERS = 90
_HEADLINE_WORDS = 3  # fewer say too little
_BEST_HEADLINE_WORDS = 8  # longer ones are no headlines, if better than nothing
_HEADLINE_LENGTH_COST = 0.1  # standard deviations a word over these
_POINTING_HEADLINE_COST = 0.6  # "it looks elegant.": what does?
_REPEATED_HEADLINE_COST = 0.5  # a headline that does not stand in the text tells more
_SHARED_WORDS_OF_A_HEADLINE = 2  # content words that T5's headline has in common with the sentences, else it is generic


@value
class Choice:
    """``sentences``: the text. ``headline``: a sentence of one of their reviews, shortened only where none is short."""

    sentences: tuple[Quotable, ...]
    headline: str

    @property
    def reviews(self) -> list[Evidence]:
        """What the text and the headline rest on, in the order of the sentences."""
        return [one.review for one in self.sentences]

    @property
    def prevailing(self) -> tuple[Quotable, ...]:
        """The sentences that a headline may be made of: of reviews of the prevailing sentiment, those that tell it
        themselves, or else do not contradict it, where there are such.
        """
        return tuple(_prevailing(self.sentences))


def choose(found: Sequence[Quotable], nearness: Nearness, words: int = TEXT_WORDS) -> Choice | None:
    """Sentences of about ``words`` words in all, one of a review at most, MAX_SENTENCES at most.

    1. Each sentiment has its share of the sentences (Sainte-Laguë's method); one that at least a fifth of the reviews
       have is never left out. Reviews without a sentiment stand in only where no other exists.
    2. Within a sentiment those come first that say what other reviews say, in a good style, and that do not repeat
       what is chosen already (maximal marginal relevance). The language of most of its reviews comes first.
    3. The sentences of the prevailing sentiment come first.
    """
    if not found:
        return None
    ranked = scores(found, nearness)
    judged = [index for index, one in enumerate(found) if one.review.label is not None]
    pool = set(judged or range(len(found)))
    chosen: list[int] = []
    length, repetition = 0, [0.0] * len(found)
    for label, is_due in _turns([found[index].review for index in pool]):
        if len(chosen) == MAX_SENTENCES or (not is_due and length >= _ENOUGH * words):
            break
        candidates = [index for index in pool if found[index].review.label == label]
        fitting = [
            index
            for index in candidates
            if not chosen or (length + word_count(found[index].text) <= _TOO_MUCH * words and repetition[index] < _SAME)
        ]
        if not fitting and is_due:
            fitting = sorted(candidates, key=lambda index: word_count(found[index].text))[:1]
        if not fitting:
            continue
        best = min(
            fitting,
            key=lambda index: (
                _REPETITION_COST * max(0.0, repetition[index] - _NEAR) - ranked[index],
                found[index].review.review_id,
                index,
            ),
        )
        chosen.append(best)
        length += word_count(found[best].text)
        repetition = [max(pair) for pair in zip(repetition, nearness.between[best], strict=True)]
        pool = {index for index in pool if found[index].review.review_id != found[best].review.review_id}
    labels = list(dict.fromkeys(found[index].review.label for index in chosen))
    chosen.sort(key=lambda index: labels.index(found[index].review.label))
    return Choice(tuple(found[index] for index in chosen), _headline(found, chosen, ranked))


def prevailing_label(evidence: Sequence[Evidence]) -> Label | None:
    """The sentiment that most of these have; the worse one of two equals; None when none has any."""
    counts = Counter(item.label for item in evidence if item.label is not None)
    if not counts:
        return None
    return min(LABELS, key=lambda label: (-counts[label], LABELS.index(label)))


def text_of(sentences: Sequence[Quotable]) -> str:
    """The sentences themselves, as one text; a full stop ends those that would end with a word."""
    return " ".join(ended(one.text) for one in sentences)


def checked_headline(proposed: str | None, choice: Choice) -> tuple[str, SummaryMethod]:
    """The model's headline where prevailing sentences bear it out and it says what only they say, else a sentence.

    So too where it lacks its beginning ("For a good price"), and where the sentence praises (or blames, where that
    prevails) and the model's headline does not: "The 90 degree ends go to the pedal".
    """
    label = prevailing_label(choice.reviews)
    text = text_of(choice.prevailing)
    if (
        proposed
        and label is not None
        and not is_headless(proposed)
        and faithful(proposed, text, label)
        and (_agrees(proposed, label) or not _agrees(choice.headline, label))
    ):
        shared = content_words(proposed) & content_words(text)
        if len(shared) >= _SHARED_WORDS_OF_A_HEADLINE:
            return proposed, "abstractive"
    return choice.headline, "extractive"


def _agrees(headline: str, label: Label) -> bool:
    """Does it praise more than it blames, where praise prevails, and the other way round?"""
    balance = leaning(headline)
    return {"positive": balance > 0, "negative": balance < 0}.get(label, True)


def shortened(text: str, characters: int) -> str:
    """At most this many characters, cut after a word where there is one, with an ellipsis when cut."""
    if len(text) <= characters:
        return text
    cut = text[: characters - 1]
    return (cut[: cut.rfind(" ")] if " " in cut[characters // 2 :] else cut).rstrip(" ,;:-") + "…"


def _headline(found: Sequence[Quotable], chosen: Sequence[int], ranked: Sequence[float]) -> str:
    """The best short sentence of the reviews that the text cites, of their prevailing sentiment.

    A sentence that is complete and needs none before it, else one of the text that is short, else its first, shortened.
    """
    cited = {found[index].review.review_id for index in chosen}
    label = prevailing_label([found[index].review for index in chosen])
    prevailing = _prevailing([found[index] for index in chosen])
    of_text = [index for index in chosen if found[index] in prevailing]
    language = found[chosen[0]].language

    def is_short(index: int) -> bool:
        return len(found[index].text) <= _HEADLINE_CHARACTERS

    def worth(index: int) -> tuple[float, int]:
        over = max(0, word_count(found[index].text) - _BEST_HEADLINE_WORDS)
        cost = _HEADLINE_LENGTH_COST * over + _REPEATED_HEADLINE_COST * (index in chosen)
        cost += _POINTING_HEADLINE_COST * (not names_the_product(found[index].text))
        return round(ranked[index] - cost, 3), -index

    own = [
        index
        for index, one in enumerate(found)
        if one.review.review_id in cited
        and one.review.label == label
        and not _contradicts(one, label)
        and one.language == language
        and is_short(index)
        and is_complete(one.text)
        and not is_dangling(one.text)
        and word_count(one.text) >= _HEADLINE_WORDS
    ]
    short = own or [index for index in of_text if is_short(index) and not is_dangling(found[index].text)]
    short = short or [index for index in of_text if is_short(index)]
    if short:
        return found[max(short, key=worth)].text
    return shortened(found[of_text[0]].text, _HEADLINE_CHARACTERS)


def _prevailing(sentences: Sequence[Quotable]) -> Sequence[Quotable]:
    label = prevailing_label([one.review for one in sentences])
    of_label = [one for one in sentences if one.review.label == label]
    telling = [one for one in of_label if one.mention is not None and one.mention.label == label and not one.is_mixed]
    return telling or [one for one in of_label if not _contradicts(one, label)] or of_label or sentences


def _contradicts(sentence: Quotable, label: Label | None) -> bool:
    """Does it complain in a positive review, or praise in a negative one?"""
    if sentence.is_mixed:
        return label in ("positive", "negative")
    return sentence.mention is not None and {label, sentence.mention.label} == {"positive", "negative"}


def _turns(reviews: Sequence[Evidence]) -> Iterator[tuple[Label | None, bool]]:
    """Whose turn it is to have a sentence: (sentiment, must it have one?). Each sentiment that a fifth of the reviews
    has is first given one, then all go on by their share, by Sainte-Laguë's method, until their reviews are used up.
    """
    counts = Counter({one.review_id: one.label for one in reviews}.values())
    order = sorted(counts, key=lambda label: (-counts[label], str(label)))
    seats: Counter[Label | None] = Counter()
    for label in order:
        if counts[label] * _A_SHARE_THAT_COUNTS >= counts.total():
            seats[label] += 1
            yield label, True
    while left := [label for label in order if seats[label] < counts[label]]:
        label = max(left, key=lambda label: counts[label] / (2 * seats[label] + 1))
        seats[label] += 1
        yield label, False
