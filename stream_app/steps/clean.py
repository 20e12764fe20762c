"""Makes review text plain: markup out, control characters out, white space collapsed; emoji and scripts stay."""

from __future__ import annotations

import html
import re
import unicodedata

# every quantifier is bounded or runs over a class that its successor is not in: linear time
_DROPPED = re.compile(r"<(script|style)\b[^<>]{0,500}>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BREAK = re.compile(r"<(?:br|/?p|/?div|/?li|/?tr|/?h[1-6])\b[^<>]{0,200}>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")
# control characters but \n and \t; bidirectional overrides and isolates; zero-width ones but the joiner of emoji
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*")


def clean(text: str) -> tuple[str, bool]:
    """(plain text, whether there was markup). Never raises, whatever the text; linear in its length."""
    marked_up = False
    if "<" in text or "&" in text:
        text, marked_up = _without_markup(text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = unicodedata.normalize("NFC", _LONE_SURROGATE.sub("", text))
    text = _SPACES.sub(" ", _CONTROL.sub("", text))
    if "\n" in text:
        text = _LINES.sub("\n", text)
    return text.strip(), marked_up


def _without_markup(text: str) -> tuple[str, bool]:
    """Without tags and with entities resolved, once: what an entity spells is text, not markup."""
    plain = text
    if "<" in plain:
        lower = plain.lower()
        if "<script" in lower or "<style" in lower:
            plain = _DROPPED.sub(" ", plain)
        if "<!--" in plain:
            plain = _COMMENT.sub(" ", plain)
        plain = _TAG.sub("", _BREAK.sub("\n", plain))
    marked_up = plain != text
    if "&" in plain:
        plain = html.unescape(plain)
    return plain, marked_up
