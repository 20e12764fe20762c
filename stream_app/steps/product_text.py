"""What a product's headline and text rest on: representative sentences of its reviews, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stream_app.records import LABELS, Evidence, Label, SummaryMethod
from stream_app.steps.summary_text import content_words, faithful

MAX_SENTENCES = 5
_MAX_HEADLINE_CHARACTERS = 90
_FEW_WORDS = 4


def choose(evidence: Sequence[Evidence]) -> list[Evidence]:
    """At most MAX_SENTENCES sentences: each sentiment by its share, within it those that share most with the others.

    A sentiment that at least a fifth of the reviews have is never left out. Reviews without a sentiment stand in
    only where no other exists. The most central sentence of the prevailing sentiment comes first.
    """
    judged = [item for item in evidence if item.label is not None and item.sentence]
    pool = judged or [item for item in evidence if item.sentence]
    if not pool:
        return []
    chosen: list[Evidence] = []
    for label, seats in _seats(pool):
        group = [item for item in pool if item.label == label]
        chosen += _most_central(group)[:seats]
    return chosen


def prevailing_label(evidence: Sequence[Evidence]) -> Label | None:
    """The sentiment that most of these have; the worse one of two equals; None when none has any."""
    counts = Counter(item.label for item in evidence if item.label is not None)
    if not counts:
        return None
    return min(LABELS, key=lambda label: (-counts[label], LABELS.index(label)))


def text_of(chosen: Sequence[Evidence]) -> str:
    """The sentences themselves, as one text."""
    return " ".join(item.sentence for item in chosen)


def checked_headline(proposed: str | None, chosen: Sequence[Evidence]) -> tuple[str, SummaryMethod]:
    """The model's headline where the sentences bear it out, else the first sentence, shortened at a word."""
    label = prevailing_label(chosen)
    if proposed and label is not None and faithful(proposed, text_of(chosen), label):
        return proposed, "abstractive"
    return shortened(chosen[0].sentence, _MAX_HEADLINE_CHARACTERS), "extractive"


def shortened(text: str, characters: int) -> str:
    """At most this many characters, cut after a word where there is one, with an ellipsis when cut."""
    if len(text) <= characters:
        return text
    cut = text[: characters - 1]
    return (cut[: cut.rfind(" ")] if " " in cut[characters // 2 :] else cut).rstrip(" ,;:-") + "…"


def _seats(pool: Sequence[Evidence]) -> list[tuple[Label | None, int]]:
    """Seats per sentiment by largest remainder, one at least for a fifth of the reviews; most seats first."""
    counts = Counter(item.label for item in pool)
    total = min(MAX_SENTENCES, len(pool))
    exact = {label: total * count / len(pool) for label, count in counts.items()}
    seats = {label: max(int(share), int(counts[label] * 5 >= len(pool))) for label, share in exact.items()}
    order = sorted(exact, key=lambda label: (-(exact[label] - int(exact[label])), str(label)))
    for label in order:
        if sum(seats.values()) < total and seats[label] < counts[label]:
            seats[label] += 1
    return sorted(seats.items(), key=lambda item: (-item[1], str(item[0])))


def _most_central(group: Sequence[Evidence]) -> list[Evidence]:
    """Sentences by how many of the others share their words (per word, so that long ones have no head start)."""
    words = {item.review_id: content_words(item.sentence) for item in group}
    shared = Counter(word for of_one in words.values() for word in of_one)

    def centrality(item: Evidence) -> float:
        own = words[item.review_id]
        score = sum(shared[word] - 1 for word in own) / (len(own) + 3)
        return score if len(item.sentence.split()) >= _FEW_WORDS else score - 1

    return sorted(group, key=lambda item: (-centrality(item), -item.created_at_ms, item.review_id))
