"""Makes what the summarizer learns to write: for each review one of its clauses, shortened to a line.

A line is words of the review in their order, so it claims nothing that the review does not. Of all clauses the one is
taken that says what the title says, of the review's sentiment, about the product.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from stream_app.records import LABELS, Label, SentenceScores
from stream_app.steps.sentence_style import is_dangling
from stream_app.steps.summary_text import content_words

MAX_WORDS = 12
_MIN_WORDS = 3
_LEADS = 3  # that a writer makes, one after another
_BEST_WORDS = (4, 9)
_TELLING = 12.0  # the weight of two or three telling words
_UNKNOWN_PROBABILITY = 0.6  # of a sentence whose label was not judged, and of those of a mixed review
_LEAST_PROBABILITY = 0.4
LEAST_SCORE = 1.5

# what a writer says before it comes to the matter
_LEAD = re.compile(
    r"^(?:(?:and|but|so|also|well|now|plus|yes|ok|okay|oh|then|still|yet|or|because|since|as|though|although|while|that"
    r"|which|who|overall|however|honestly|basically|personally|anyway|unfortunately|fortunately|sadly|luckily|actually"
    r"|obviously|all in all|in short|in fact|in general|in my opinion|on the other hand|on the plus side|for me|to me"
    r"|to be honest|bottom line|the bottom line is|of course|by the way|that said|having said that|needless to say"
    r"|as (?:you can see|others have said))\b[,:]?"
    r"|(?:(?:and|but|so) )?i(?:['’]m| am)?"
    r" (?:really |just |also |personally |would |can |must |have to |do |honestly |definitely |still |am )*"
    r"(?:think|fe(?:el|lt)|believe|say|admit|found|find|know|guess|suppose|noticed|notice|agree|sure|afraid|confess"
    r"|mention|add|tell you)(?: to say)?(?: out)?(?: (?:that|it is that))?\b,?"
    r"|(?:let me (?:say|tell you)(?: that)?|i can['’]t believe(?: that)?|it seems(?: like| that)?"
    r"|it turns out(?: that)?|the (?:only )?(?:thing|problem|issue|reason|fact) is(?: that)?|what can i say"
    r"|make no mistake"
    r"|don['’]t get me wrong)\b[,:]?)\s*",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:,? (?:though|however|too|as well|anyway|either|at all|so far|in my opinion|imo|for me|to me|i think|i guess"
    r"|i suppose|of course|as i said|by the way|overall|to be honest|etc))\s*$|[\s,;:\-–—.!?…~*\"'”’(]+$",
    re.IGNORECASE,
)
_THIS_IS = re.compile(
    r"^(?:this|it|that|these|they|those)(?: (?:is|was|are|were)|['’](?:s|re))"
    r" (?:(?:really|such|just|definitely|truly|also|simply|by far|certainly|absolutely) )?"
    r"(?=(?:an?|the|one|some|very|so|too|not|well)\b|\w+ (?:and|but|for|to|with)\b)",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:an?) (?=\w+ \w+)", re.IGNORECASE)

_SPLIT = re.compile(
    r"\s*(?:[;:()\[\]]|\s[-–—]+\s|--+|…|\.{2,}|,(?=\s)|\s(?=(?:and|but|because|since|although|though|which|who|while|whereas"
    r"|unless|except|so|when|where|if|until|after|before)\s))\s*",
    re.IGNORECASE,
)
# "and" and "or" join words as well as clauses: only before these a clause begins
_JOINS = re.compile(r"(?:and|or|but|so)\s", re.IGNORECASE)
_BEGINS = re.compile(
    r"(?:and|or|but|so) (?:(?:it|this|they|these|that|the|there|i|we|you|he|she|my|its|their|a|an|very|not|no|also|even"
    r"|is|are|was|were|has|have|had|does|do|did|doesn|don|didn|can|could|will|would|wo|won|works?|fits?|looks?|feels?|tastes?"
    r"|smells?|makes?|keeps?|holds?|comes?|came|broke|fell|stopped|sounds?)\b)",
    re.IGNORECASE,
)

_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|does|do|did|works?|fits?|fit|looks?|feels?|fel[t]|tastes?|smells?|makes?|made|broke"
    r"|breaks|fell|falls|gets?|got|comes?|came|goes|went|sounds?|runs?|ran|keeps?|kept|holds?|held|needs?|lacks?|shrank|lasts?"
    r"|gives?|gave|(?:does|do|did|is|was|are|wo|ca)n['’]t|will|can|it['’]s|they['’]re|\w+ed)\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(
    r"\b(?:i|i['’]\w+|me|my|mine|myself|we|we['’]\w+|our|us|he|she|his|her|him|husband|wife|son|daughter|mother|mom|dad|friend"
    r"|you|your)\b",
    re.IGNORECASE,
)
_POINTING = re.compile(
    r"^(?:it|its|they|their|this|these|that|those|them|there|one|some|all|both|he|she)\b", re.IGNORECASE
)
# a clause that lost its subject, mostly "I"
_WITHOUT_SUBJECT = re.compile(
    r"(?:had|saw|bought|got|was|were|am|have|tried|ordered|wanted|took|gave|thought|received|used|went|read|heard|put|made"
    r"|left|let|opened|returned|sent|washed|wore|purchased|hoping|expecting|thinking|looking|being|having|to|than|of|in|on|at"
    r"|by|with|from|during|until|after|before|if|unless|except|rather|written|into|through)\b",
    re.IGNORECASE,
)
_BARE_VERB = re.compile(r"(?:are|is|has|can|could|will|would|does|did|which|who|where|when)\b", re.IGNORECASE)
# what is not said to be so; without what stands around it, it would be
_UNREAL = re.compile(
    r"\b(?:would|should|could|wish|if|expect\w*|hop(?:ed|ing)|thought|suppos\w+|ought|might|unless|doubt|hardly|claims?|pretend\w*)\b",
    re.IGNORECASE,
)
_ODD = re.compile(r"https?:|www\.|[@#{}<>|\\^=]|\*\*|review|stars?\b|amazon|\bupdate|\bedit\b", re.IGNORECASE)
_OPEN_ENDS = frozenset(
    """a an the of to for with and or but in on at by from as that than is are was were be been very so too really i my
    your his her their its it's this these not no if when which who because into about have has had would could should
    will can may might do does did just more most""".split()
)


def lines_of(sentence: str) -> list[str]:
    """The lines that a sentence yields: itself, its beginning up to a clause, and its clauses."""
    breaks = [
        (found.start(), found.end())
        for found in _SPLIT.finditer(sentence)
        if not _JOINS.match(sentence, found.end()) or _BEGINS.match(sentence, found.end())
    ]
    starts = [0, *(end for _, end in breaks)]
    ends = [*(start for start, _ in breaks), len(sentence)]
    cuts = [sentence[start:end] for i, start in enumerate(starts) for end in ends[i : i + 3]]
    lines = []
    for cut in cuts:
        line = shortened(cut)
        if line and line not in lines:
            lines.append(line)
    return lines


def shortened(text: str) -> str | None:
    """The line without what leads to it and trails behind it; None where nothing of the right length is left."""
    line = text.strip(" \t\n\"'“”‘’*-–—,;:.(")
    for _ in range(_LEADS):
        shorter = _LEAD.sub("", line, count=1)
        shorter = _TAIL.sub("", shorter)
        if shorter == line:
            break
        line = shorter
    line = _THIS_IS.sub("", line, count=1)
    line = _ARTICLE.sub("", line, count=1)
    words = line.split()
    if not _MIN_WORDS <= len(words) <= MAX_WORDS or words[-1].lower().strip(",.") in _OPEN_ENDS or _ODD.search(line):
        return None
    if line.count('"') % 2 or line.count("(") != line.count(")") or line.isupper():
        return None
    return line[0].upper() + line[1:]


def chosen(candidates: Sequence[tuple[float, str]]) -> str | None:
    """The line of the highest score, if that is good enough."""
    score, line = max(candidates, default=(0.0, ""))
    return line if score > LEAST_SCORE else None


class Headlines:
    """Chooses a review's line."""

    def __init__(self, texts: Iterable[str]) -> None:
        """``texts``: of all reviews, for how much a word says (inverse document frequency)."""
        self._in: Counter[str] = Counter()
        self._count = 0
        for text in texts:
            self._in.update(content_words(text))
            self._count += 1

    def line(self, text: str, title: str, label: Label, judged: Sequence[SentenceScores]) -> str | None:
        """The best line of these sentences of ``text``; None where none is good enough."""
        return chosen(self.candidates(text, title, label, judged))

    def candidates(
        self, text: str, title: str, label: Label, judged: Sequence[SentenceScores]
    ) -> list[tuple[float, str]]:
        """(score, line) of all lines of these sentences."""
        wanted = self._weights(content_words(title))
        found = []
        for index, one in enumerate(judged):
            probability = one.probabilities[LABELS.index(label)] if one.probabilities else _UNKNOWN_PROBABILITY
            probability = _UNKNOWN_PROBABILITY if label == "neutral" else probability
            if probability < _LEAST_PROBABILITY:
                continue
            for line in lines_of(text[one.start : one.end]):
                if words := self._weights(content_words(line)):
                    of_title = sum(weight for word, weight in words.items() if word in wanted)
                    overlap = 2 * of_title / (sum(words.values()) + sum(wanted.values()))
                    says = min(1.0, sum(words.values()) / _TELLING)
                    score = 2.0 * overlap + 2.5 * probability + 0.5 * says + 0.2 * bool(one.aspects) - 0.02 * index
                    found.append((score - _cost(line), line))
        return found

    def _weights(self, words: Iterable[str]) -> dict[str, float]:
        return {word: math.log((self._count + 2) / (self._in[word] + 1)) for word in words}


def _cost(line: str) -> float:
    words = len(line.split())
    return (
        0.3 * (not _BEST_WORDS[0] <= words <= _BEST_WORDS[1])
        + 0.7 * (words > 6 and not _VERB.search(line))
        + 0.5 * min(2, len(_FIRST_PERSON.findall(line)))
        + 0.4 * (_POINTING.match(line) is not None)
        + 0.5 * is_dangling(line)
        + 0.7 * (_WITHOUT_SUBJECT.match(line) is not None)
        + 0.4 * (_BARE_VERB.match(line) is not None)
        + 0.8 * ("?" in line)
        + 0.8 * (_UNREAL.search(line) is not None)
    )
