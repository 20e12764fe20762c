"""Reads the files of safety terms, ``safety_terms/<language>.toml``, into patterns."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from stream_app.records import value
from stream_app.steps.safety_checks import KINDS, BadLineError, check
from stream_app.steps.safety_frequencies import IN_ENGLISH, IN_OTHERS, RARE
from stream_app.steps.safety_nearby import Nearby, Step, nearby

_SPACED = r"[^\w.!?;。！？\n]{1,3}"  # between two words of a term
_GAP = r"(?:[^\w.!?;\n]{1,3}\w[\w'&%-]*){0,4}?[^\w.!?;\n]{1,3}"  # "...": up to four words of the same sentence
_PUNCTUATION = re.compile(r"[!-/:-@[-`{-~]")
_GAP_WITHOUT_SPACES = r"[^。！？；，,.!?;\n]{0,6}?"
_WITHOUT_SPACES = frozenset({"zh", "ja", "th"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_RARELY = 0.001  # the frequency of words that a term may be searched by along with others


@value
class Term:
    """One term. ``literals``: one of them stands in each text that the pattern matches, in lower case, between
    spaces; with what stands nearby.

    ``tail``: what the pattern has from a literal on; ``first``: that is all of it.
    """

    kind: str
    pattern: str
    tail: str
    literals: tuple[tuple[str, Nearby], ...]
    first: bool


@value
class Terms:
    """The terms of one language, in the order of the file, and what takes the hazard away again.

    ``negated``: matches text that ends where a negated term begins. ``harmless``: per kind, look-alikes; a term that
    overlaps one does not count.
    """

    language: str
    terms: tuple[Term, ...]
    negated: re.Pattern[str]
    harmless: Mapping[str, re.Pattern[str]]


def languages() -> list[str]:
    """Those that have a file, by name."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


def read(language: str) -> Terms:
    """The file of one language. Raises ValueError with file and line where a term cannot be read."""
    name = f"{language}.toml"
    return parsed_text(language, name, (_folder() / name).read_text(encoding="utf-8"))


def parsed_text(language: str, name: str, text: str) -> Terms:
    """The text of a file of this name."""
    try:
        return parsed(language, tomllib.loads(text))
    except BadLineError as error:
        number = text.count("\n", 0, max(0, text.rfind(error.line))) + 1
        raise ValueError(f"safety_terms/{name}, line {number}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"safety_terms/{name}: {error}") from error


def parsed(language: str, file: Mapping[str, Any]) -> Terms:
    """The contents of a file; see docs/alerts.md for their form. Raises BadLineError."""
    check(file)  # guarantee: safety-terms-are-checked
    spaced = language not in _WITHOUT_SPACES
    groups = {name: _alternatives(line, {}) for name, line in file.get("words", {}).items()}
    kinds = {kind: table for kind, table in file.items() if kind in KINDS}
    return Terms(
        language,
        tuple(
            term
            for kind, table in kinds.items()
            for line in table["terms"]
            for term in _term(kind, line, groups, language)
        ),
        _negated(file["negation"], spaced),
        {
            kind: re.compile(any_of(_pattern(line, groups, spaced) for line in table["harmless"]))
            for kind, table in kinds.items()
            if table.get("harmless")
        },
    )


def any_of(patterns: Iterable[str]) -> str:
    """Matches what one of them does. Where all are of whole words, that is looked at once, which is faster."""
    found = list(patterns)
    if all(one.startswith(r"\b") and one.endswith(r"\b") and len(one) > 4 for one in found):
        return rf"\b(?:{'|'.join(one[2:-2] for one in found)})\b"
    return "|".join(found)


def _folder() -> Any:
    return resources.files("stream_app.steps") / "safety_terms"


def _term(kind: str, line: str, groups: Mapping[str, list[str]], language: str) -> Iterator[Term]:
    """The term, once for each word of it that it is looked for by."""
    spaced = language not in _WITHOUT_SPACES
    parts = line.split()
    steps = [_alternatives(part, groups) for part in parts if part != "..."]
    if not steps:
        raise BadLineError(f"safety term of kind {kind} without a word", line)
    around = _steps(line, groups)
    for at, words in _looked_for(steps, language == "en")[1]:
        literals = dict.fromkeys(
            (literal, near)
            for one in words
            for near in [nearby(around, at, one, _literal(one)) if spaced else Nearby()]
            for literal in _literals(one, spaced)
        )
        if not all(literal for literal, _ in literals):
            raise BadLineError(f"safety term of kind {kind} without a word to look for", line)
        tail = _tail(line, at, words, groups, spaced)
        whole = at == 0 and tail not in ("", r"\b")
        yield Term(kind, tail if whole else _pattern(line, groups, spaced), tail, tuple(literals), whole)


def _steps(line: str, groups: Mapping[str, list[str]]) -> list[Step]:
    """The words of a term, in all their spellings."""
    steps, far = [], False
    for part in line.split():
        if part != "...":
            steps.append(Step(tuple(s for one in _alternatives(part, groups) for s in _spellings(one)), far))
        far = part == "..."
    return steps


def _tail(line: str, at: int, words: list[str], groups: Mapping[str, list[str]], spaced: bool) -> str:
    """The pattern from its step ``at`` on, of which one of ``words`` stands there."""
    parts = line.split()
    of_steps = [index for index, part in enumerate(parts) if part != "..."]
    rest = " ".join(parts[of_steps[at] + 1 :])
    if any(len(word.split()) > 1 for word in words):
        return r"\b" if spaced else ""  # the literal is a word in the middle of the alternative
    return _pattern(line, groups, spaced, word=words, rest=rest)


def _looked_for(steps: Sequence[Sequence[str]], english: bool) -> tuple[float, list[tuple[int, list[str]]]]:
    """Steps, and alternatives of them, of which each text with the term has one, and how often reviews have these.

    Those that are the rarest together: all alternatives of a step, or its rare ones, and for its common ones those of
    other steps.
    """
    found = []
    among = set(range(len(steps)))
    for at in range(len(steps)):
        frequencies = {one: _frequency(one, english) for one in steps[at]}
        found.append((sum(frequencies.values()), [(at, list(steps[at]))]))
        rare = [one for one, frequency in frequencies.items() if frequency <= _RARELY]
        if 0 < len(rare) < len(frequencies) and len(among) > 1:
            by_others = min(
                ((other, list(steps[other])) for other in among - {at}),
                key=lambda step: sum(_frequency(one, english) for one in step[1]),
            )
            of_others = sum(_frequency(one, english) for one in by_others[1])
            found.append((sum(frequencies[one] for one in rare) + of_others, [(at, rare), by_others]))
    return min(found, key=lambda one: one[0])


def _frequency(one: str, english: bool) -> float:
    """Of words of other languages in reviews of any."""
    tables = (IN_ENGLISH,) if english else (IN_ENGLISH, IN_OTHERS)
    return max(table.get(spelling, RARE) for spelling in _spellings(_literal(one)) for table in tables)


def _literals(one: str, spaced: bool) -> Iterator[str]:
    """What is looked for in the text, whose punctuation became spaces."""
    for spelling in _spellings(_PUNCTUATION.sub(" ", _literal(one))):
        yield f" {spelling}{'' if '*' in one else ' '}" if spaced else spelling


def _alternatives(part: str, groups: Mapping[str, list[str]]) -> list[str]:
    found: list[str] = []
    for one in part.lower().replace("’", "'").split("|"):
        if one.startswith("<"):
            if one[1:-1] not in groups:
                raise BadLineError("no words have this name", one)
            found.extend(groups[one[1:-1]])
        else:
            found.append(one.replace("_", " "))
    return found


def _literal(one: str) -> str:
    """The longest of its words, which a text that has it has, too; without the star."""
    return max(one.replace("*", "").split(), key=len, default="")


def _pattern(
    line: str, groups: Mapping[str, list[str]], spaced: bool, word: list[str] | None = None, rest: str = ""
) -> str:
    """A regular expression for lower-case text; of ``word`` and the ``rest`` of the line, where they are given."""
    pattern, joined = "", ""
    if word is not None:
        line, pattern, joined = rest, _word(word, spaced), _SPACED if spaced else ""
    for part in line.split():
        if part == "...":
            joined = _GAP if spaced else _GAP_WITHOUT_SPACES
            continue
        pattern += joined + _word(_alternatives(part, groups), spaced)
        joined = _SPACED if spaced else ""
    return rf"\b{pattern}\b" if spaced else pattern


def _word(alternatives: list[str], spaced: bool) -> str:
    return f"(?:{'|'.join(_escaped(spelling, spaced) for one in alternatives for spelling in _spellings(one))})"


@cache
def _escaped(spelling: str, spaced: bool) -> str:
    escaped = r"\s".join(re.escape(word) for word in spelling.split())
    return escaped.replace(r"\*", r"[\w'-]*" if spaced else "")


@cache
def _spellings(word: str) -> tuple[str, ...]:
    """As it is, without accents, and with umlauts written out: reviews have all three."""
    if word.isascii():
        return (word,)
    plain = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    plain = plain.replace("œ", "oe").replace("ß", "ss")
    return tuple(dict.fromkeys((word, plain, word.translate(_UMLAUTS))))


def _negated(table: Mapping[str, str], spaced: bool) -> re.Pattern[str]:
    before = _word(_alternatives(table["before"], {}), spaced)
    unless = _word(_alternatives(table["unless"], {}), spaced) if table.get("unless") else "(?!)"
    if not spaced:
        return re.compile(rf"(?!{unless}){before}[^。！？；，,.!?;\n]{{0,2}}$")
    stops = _word(_alternatives(table["stops"], {}), spaced) if table.get("stops") else "(?!)"
    between = rf"(?:\s+(?!{stops}\b)[\w'-]+){{0,{table.get('words', 3)}}}\s+"
    return re.compile(rf"(?<![\w'])(?!{unless}\b){before}(?:{between}|[\s-]+|')$")
