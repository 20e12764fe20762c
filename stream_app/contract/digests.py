"""The highlights and the digest of product-summary.v1, to JSON values and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from stream_app.contract import field
from stream_app.contract.times import to_rfc3339
from stream_app.records import (
    Clause,
    Digest,
    DigestReason,
    DigestText,
    Highlight,
    Highlights,
    PlacedQuote,
)

DISCLOSURE = "Written by a machine from customers' reviews."


def encode_highlights(highlights: Highlights) -> dict[str, Any]:
    """As JSON."""
    return {
        "read": highlights.read,
        "made_at": to_rfc3339(highlights.made_at_ms),
        "praise": [_highlight(one) for one in highlights.praise],
        "complaints": [_highlight(one) for one in highlights.complaints],
    }


def decode_highlights(fields: Mapping[str, Any]) -> Highlights:
    """Raises KeyError, TypeError or ValueError when it is none."""
    praise, complaints = (
        tuple(_read_highlight(field.object_of(one)) for one in field.list_of(fields[name]))
        for name in ("praise", "complaints")
    )
    return Highlights(field.integer(fields["read"]), field.ms(fields["made_at"]), praise, complaints)


def encode_digest(digest: Digest, as_of_ms: int) -> dict[str, Any]:
    """As JSON. ``as_of_ms``: of its summary."""
    is_dated = digest.from_ms is not None and digest.to_ms is not None
    return {
        "generated": True,
        "as_of": to_rfc3339(as_of_ms),
        "disclosure": DISCLOSURE,
        "reason": digest.reason,
        "reviews": digest.reviews,
        "date_range": {"from": to_rfc3339(digest.from_ms or 0), "to": to_rfc3339(digest.to_ms or 0)}
        if is_dated
        else None,
        "reviews_since_text": digest.reviews_since_text,
        "low_evidence": digest.low_evidence,
        "texts": None
        if digest.texts is None
        else {
            language: {
                "text": one.text,
                "clauses": [{"text": clause.text, "evidence": clause.evidence} for clause in one.clauses],
            }
            for language, one in digest.texts.items()
        },
        **({} if digest.flag_url is None else {"flag_url": digest.flag_url}),
    }


def decode_digest(fields: Mapping[str, Any]) -> Digest:
    """Raises KeyError, TypeError or ValueError when it is none."""
    dates, texts, since = fields.get("date_range"), fields.get("texts"), fields.get("reviews_since_text")
    return Digest(
        reason=field.known(fields.get("reason"), get_args(DigestReason), None),
        reviews=field.integer(fields["reviews"]),
        from_ms=None if dates is None else field.ms(field.object_of(dates)["from"]),
        to_ms=None if dates is None else field.ms(dates["to"]),
        reviews_since_text=None if since is None else field.integer(since),
        low_evidence=field.boolean(fields["low_evidence"]),
        texts=None
        if texts is None
        else {language: _text(field.object_of(one)) for language, one in field.object_of(texts).items()},
        flag_url=field.optional_text(fields.get("flag_url")),
    )


def _highlight(one: Highlight) -> dict[str, Any]:
    quote = one.quote
    return {
        "reviews": one.reviews,
        "aspect": one.aspect,
        "quote": {
            "review_id": quote.review_id,
            "revision": quote.revision,
            "start": quote.start,
            "end": quote.end,
            "text": quote.text,
        },
        "evidence": one.evidence,
    }


def _read_highlight(fields: Mapping[str, Any]) -> Highlight:
    quote = field.object_of(fields["quote"])
    return Highlight(
        reviews=field.integer(fields["reviews"]),
        aspect=field.optional_text(fields.get("aspect")),
        quote=PlacedQuote(
            review_id=field.identifier(quote["review_id"]),
            revision=field.revision(quote["revision"]),
            start=field.integer(quote["start"]),
            end=field.integer(quote["end"]),
            text=field.text(quote["text"]),
        ),
        evidence=tuple(map(field.identifier, field.list_of(fields["evidence"]))),
    )


def _text(fields: Mapping[str, Any]) -> DigestText:
    clauses = [field.object_of(one) for one in field.list_of(fields["clauses"])]
    return DigestText(
        field.text(fields["text"]),
        tuple(
            Clause(field.text(one["text"]), tuple(map(field.identifier, field.list_of(one["evidence"]))))
            for one in clauses
        ),
    )
