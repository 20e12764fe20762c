"""A product's card as an HTML document: a pure function of its product-summary.v1, without script.

Whatever comes from reviews passes ``_text``; no other function here may take it into markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from stream_app.api.card.themes import Theme, themes_of
from stream_app.api.card.words import WORDS, Language
from stream_app.steps.aspects import Aspect, aspects_in_use

STYLE = (Path(__file__).parent / "card.css").read_text(encoding="utf-8")
_STAR = "m10 1.5 2.6 5.3 5.9.9-4.3 4.1 1 5.8L10 14.9l-5.2 2.7 1-5.8L1.5 7.7l5.9-.9z"
_STARS = "".join(f'<path transform="translate({22 * i})" d="{_STAR}"/>' for i in range(5))
_STARS_WIDTH = 108.0


def card(summary: Mapping[str, Any], language: Language, theme: str = "") -> bytes:
    """The document. ``theme``: light or dark; else as the reader's system has it."""
    words = WORDS[language]
    chosen = f' data-theme="{theme}"' if theme in ("light", "dark") else ""
    parts = [
        f'<!doctype html>\n<html lang="{language}"{chosen}>\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{words['title']}: {_text(summary['product_id'])}</title>",
        f"<style>{STYLE}</style>",
        _json_ld(summary),
        '</head>\n<body>\n<main>\n<article class="card" aria-labelledby="review-summary-title">',
        f'<h2 class="title" id="review-summary-title">{words["title"]}</h2>',
        *_score(summary["windows"]["all"], words),
        *_notes(summary, words),
        *_words_about(summary, language),
        "</article>\n</main>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part).encode("utf-8", "replace")


def _text(words: object) -> str:
    """Text as markup."""
    return escape(str(words))  # guarantee: words-of-reviews-are-text-on-the-card


def _score(counts: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    reviews = words["no_reviews"] if not counts["reviews"] else _reviews(counts["reviews"], words)
    mean = counts["mean_rating"]
    if mean is None:
        stars = f", {words['no_stars']}" if counts["reviews"] else ""
        return [f'<p class="count">{reviews}{stars}</p>']
    lit = _STARS_WIDTH * mean / 5
    label = words["of_stars"].format(stars=f"{mean:.1f}")
    return [
        f'<div class="score"><span class="mean" aria-hidden="true">{mean:.1f}</span>',
        f'<svg class="stars" viewBox="0 0 108 20" role="img" aria-label="{label}">',
        f'<clipPath id="review-summary-lit"><rect width="{lit:.1f}" height="20"/></clipPath>',
        f'{_STARS}<g class="lit" clip-path="url(#review-summary-lit)">{_STARS}</g></svg>',
        f'<span class="count">{reviews}</span></div>',
        *_rows(counts["stars"], words),
    ]


def _rows(stars: Sequence[int], words: Mapping[str, str]) -> list[str]:
    """How many gave each number of stars."""
    rated = sum(stars)
    rows = ['<dl class="rows">']
    for star, n in reversed(list(enumerate(stars, start=1))):
        name = words["star_row"] if star == 1 else words["stars_row"].format(star=star)
        bar = f'<rect width="{100 * n / rated:.1f}" height="8"/>'
        svg = f'<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>'
        rows.append(f'<div class="row"><dt>{name}</dt><dd>{svg}<span>{_number(n, words)}</span></dd></div>')
    return [*rows, "</dl>"]


def _notes(summary: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    reviews = summary["windows"]["all"]["reviews"]
    notes = [words["few"].format(n=_reviews(reviews, words))] if summary["low_evidence"] and reviews else []
    if summary.get("stale"):
        notes.append(words["stale"])
    return [f'<p class="note">{note}</p>' for note in notes]


def _words_about(summary: Mapping[str, Any], language: Language) -> list[str]:
    """Headline, text, praise and complaints, with what says that a machine made them."""
    words, text, digest = WORDS[language], summary.get("text"), _digest(summary, language)
    parts = []
    if text:
        parts.append(f'<p class="headline" dir="auto">{_text(text["headline"])}</p>')
    if digest:
        parts.append(f'<p class="text">{_text(digest)}</p>')
    elif text:
        parts.append(f'<p class="text" dir="auto">{_text(text["text"])}</p>')
    praise, complaints = themes_of(summary)
    if praise or complaints:
        parts += ['<div class="lists">', *_list("praise", praise, language)]
        parts += [*_list("complaints", complaints, language), "</div>"]
    if not parts:
        return []
    disclosure = words["disclosure" if text or digest else "read_by_machine"]
    return [*parts, f'<p class="disclosure">{disclosure}{_flag(summary, words)}</p>']


def _digest(summary: Mapping[str, Any], language: Language) -> str:
    texts = (summary.get("digest") or {}).get("texts") or {}
    return str((texts.get(language) or {}).get("text") or "")


def _flag(summary: Mapping[str, Any], words: Mapping[str, str]) -> str:
    url = (summary.get("digest") or {}).get("flag_url") or ""
    if not isinstance(url, str) or urlsplit(url).scheme not in ("https", "http"):
        return ""
    return f' <a href="{_text(url)}" rel="nofollow noopener" target="_blank">{words["flag"]}</a>'


def _list(kind: str, themes: Sequence[Theme], language: Language) -> list[str]:
    if not themes:
        return []
    words = WORDS[language]
    parts = [f'<section class="{kind}" aria-labelledby="review-summary-{kind}">']
    parts += [f'<h3 id="review-summary-{kind}">{words[kind]}</h3>', "<ul>"]
    for theme in themes:
        name = f'<span class="theme">{_text(_name(theme.aspect, language))}</span> ' if theme.aspect else ""
        quote = f'<q class="quote" dir="auto">{_text(theme.quote)}</q>' if theme.quote else ""
        parts.append(f'<li>{name}<span class="count">{_reviews(theme.reviews, words)}</span>{quote}</li>')
    return [*parts, "</ul>", "</section>"]


@lru_cache(maxsize=8)
def _names(aspects: tuple[Aspect, ...], language: Language) -> dict[str, str]:
    return {one.id: one.name[language] for one in aspects if language in one.name}


def _name(aspect: str, language: Language) -> str:
    words = aspect.replace("_", " ")
    return _names(aspects_in_use(), language).get(aspect) or words[:1].upper() + words[1:]


def _reviews(n: int, words: Mapping[str, str]) -> str:
    return words["review"] if n == 1 else words["reviews"].format(n=_number(n, words))


def _number(n: int, words: Mapping[str, str]) -> str:
    return f"{n:,}".replace(",", words["thousands"])


def _json_ld(summary: Mapping[str, Any]) -> str:
    """The stars for search engines (schema.org); nothing without any."""
    counts = summary["windows"]["all"]
    if counts["mean_rating"] is None:
        return ""
    product = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": summary["product_id"],
        "sku": summary["product_id"],
        "aggregateRating": {
            "@type": "AggregateRating",
            "ratingValue": round(counts["mean_rating"], 2),
            "ratingCount": sum(counts["stars"]),
            "reviewCount": counts["reviews"],
            "bestRating": 5,
            "worstRating": 1,
        },
    }
    return f'<script type="application/ld+json">{_json_in_html(product)}</script>'


def _json_in_html(fields: object) -> str:
    """JSON that neither ends its element nor opens another: none of ``<``, ``>`` and ``&`` is left in it."""
    packed = orjson.dumps(fields).decode()
    for character in "<>&\u2028\u2029":
        packed = packed.replace(character, f"\\u{ord(character):04x}")  # guarantee: json-ld-ends-no-element
    return packed
