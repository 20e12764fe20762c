"""Aspects of products that reviews speak of, read from a file: `default.toml` here, or a shop's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from importlib import resources
from pathlib import Path
from typing import Any

from stream_app.records import value

DEFAULT = "default.toml"
MAX_ASPECTS = 52
"""Of a file: the view has as many letters for the aspects of a product (store/aspects.lua)."""

_ID = re.compile(r"[a-z][a-z0-9_]*")
_FIELDS = ("name", "description", "keywords")
_PHRASE = "phrase"


class BadAspectsError(ValueError):
    """A file of aspects that cannot be read. The message names the file, the table and the field."""


@value
class Aspect:
    """One aspect. ``name``, ``description`` and ``keywords``: by language, ISO 639-1; all three have the same ones.

    ``description``: a sentence in the words of reviews; of a default aspect its vector is the prototype.
    ``keywords``: in lower case. ``phrase``: how a sentence names it ("they praise the look"), in the same languages or
    not at all.
    """

    id: str
    name: Mapping[str, str] = field(hash=False)
    description: Mapping[str, str] = field(hash=False)
    keywords: Mapping[str, tuple[str, ...]] = field(hash=False)
    phrase: Mapping[str, str] = field(hash=False, default_factory=dict)


def load_aspects(path: Path | None = None) -> tuple[Aspect, ...]:
    """The aspects of a file, in its order; without ``path`` the default ones for shops.

    Raises OSError where the file cannot be opened, BadAspectsError where its contents are not aspects.
    """
    file = resources.files("stream_app.steps.aspects") / DEFAULT if path is None else path
    name = f"aspects/{DEFAULT}" if path is None else str(path)
    try:
        return parse_aspects(tomllib.loads(file.read_text(encoding="utf-8")), name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadAspectsError(f"{name}: {error}") from error


def own_aspects(path: Path) -> tuple[Aspect, ...]:
    """A shop's file, which must leave room for the default aspects. Raises BadAspectsError, with what to do."""
    try:
        own = load_aspects(path)
    except OSError as error:
        raise BadAspectsError(f"{path}: {error.strerror or error}. Name a file that this process may read") from error
    count = len({one.id for one in (*load_aspects(), *own)})
    if count > MAX_ASPECTS:
        raise BadAspectsError(
            f"{path}: {count} aspects with the default ones, at most {MAX_ASPECTS} are possible. "
            f"Remove {count - MAX_ASPECTS}"
        )
    return own


def use_aspects(own: Sequence[Aspect] = ()) -> None:
    """From now on this process uses the default aspects and a shop's ``own``, which replace those with their ids.

    Called once, before anything reads an aspect: all roles of an installation must be given the same ones.
    """
    _used.own = tuple(own)
    by_id = {one.id: one for one in (*load_aspects(), *own)}
    _used.all = tuple(by_id.values())
    _used.ids = frozenset(by_id)
    _used.added = _used.ids - {one.id for one in load_aspects()}


def aspects_in_use() -> tuple[Aspect, ...]:
    """The default aspects and a shop's own."""
    return _used_or_default().all


def added_ids() -> frozenset[str]:
    """Ids of the shop's file that no default aspect has: of reviews read before it was added nothing is known."""
    return _used_or_default().added


def own_aspects_in_use() -> tuple[Aspect, ...]:
    """Those of the shop's file."""
    return _used_or_default().own


def known_ids() -> frozenset[str]:
    """The ids of the aspects in use: what the view counts. Others in an enriched review are passed over."""
    return _used_or_default().ids


class _Used:
    """Set once, when a process starts; what depends on it takes it as the key of its cache."""

    own: tuple[Aspect, ...] = ()
    all: tuple[Aspect, ...] = ()
    ids: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()


_used = _Used()


def _used_or_default() -> _Used:
    if not _used.ids:
        use_aspects()
    return _used


def parse_aspects(tables: Mapping[str, Any], file: str) -> tuple[Aspect, ...]:
    """The aspects in a file's tables. Raises BadAspectsError with ``file`` in its message."""
    if not tables:
        raise BadAspectsError(f"{file}: no aspects")
    if len(tables) > MAX_ASPECTS:
        raise BadAspectsError(f"{file}: {len(tables)} aspects, at most {MAX_ASPECTS} are possible")
    return tuple(_aspect(id_, table, file) for id_, table in tables.items())


def _aspect(id_: str, table: Any, file: str) -> Aspect:
    where = f"{file}: [{id_}]"
    if not _ID.fullmatch(id_):
        raise BadAspectsError(f"{where}: an id is lower-case letters, digits and underscores, and begins with a letter")
    if not isinstance(table, Mapping):
        raise BadAspectsError(f"{where}: not a table")
    for name in table:
        if name not in (*_FIELDS, _PHRASE):
            raise BadAspectsError(f"{where} {name}: unknown field; known are {', '.join((*_FIELDS, _PHRASE))}")
    fields = [*_FIELDS, _PHRASE] if _PHRASE in table else [*_FIELDS]
    texts = {name: dict(_by_language(table.get(name), f"{where} {name}")) for name in fields}
    languages = dict.fromkeys(language for by_language in texts.values() for language in by_language)
    for name, by_language in texts.items():
        for language in languages:
            if language not in by_language:
                raise BadAspectsError(f"{where} {name}: language {language!r} is missing")
    return Aspect(
        id_,
        {language: _text(text, f"{where} name.{language}") for language, text in texts["name"].items()},
        {language: _text(text, f"{where} description.{language}") for language, text in texts["description"].items()},
        {language: _keywords(words, f"{where} keywords.{language}") for language, words in texts["keywords"].items()},
        {language: _text(text, f"{where} phrase.{language}") for language, text in texts.get(_PHRASE, {}).items()},
    )


def _by_language(found: Any, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(found, Mapping) or not found:
        raise BadAspectsError(f"{where}: missing, or not a table of languages")
    yield from found.items()


def _text(found: Any, where: str) -> str:
    if not isinstance(found, str) or not found.strip():
        raise BadAspectsError(f"{where}: not a text, or empty")
    return found


def _keywords(found: Any, where: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not found:
        raise BadAspectsError(f"{where}: not a list, or empty")
    for word in found:
        if not isinstance(word, str) or not word or word != " ".join(word.split()):
            raise BadAspectsError(f"{where}: {word!r} is not words with single spaces between them")
        if word != word.lower():
            raise BadAspectsError(f"{where}: {word!r} is not in lower case")
        if found.count(word) > 1:
            raise BadAspectsError(f"{where}: {word!r} is there twice")
    return tuple(found)
