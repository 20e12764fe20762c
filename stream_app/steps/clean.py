"""Makes review text plain: markup out, control characters out, white space collapsed; emoji and scripts stay.

Every pattern is linear: each quantifier runs over a class that its successor is not in, or to the end of the text once.
"""

from __future__ import annotations

import html
import re
import unicodedata

_DROPPED = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BREAK = re.compile(r"<(?:br|/?(?:p|div|li|ul|ol|table|tr|td|blockquote|h[1-6]))\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[/!?]?[a-zA-Z][^<>]*>")
# references to no character at all; html.unescape raises ValueError at very long ones
_NO_CHARACTER = re.compile(r"&#[0-9]{8,};?")
# control characters but white space, lone surrogates, soft hyphens, and what turns or hides text: zero-width
# characters, directional marks, overrides, isolates
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
    # joiners, but in Arabic and Indic scripts, and the one that joins emoji
    "|(?<![\u0600-\u0dff])\u200c"
    "|(?<![\u0600-\u0dff\ufe0f\u2190-\u2bff\U0001f000-\U0001faff])\u200d"
)
_UNSEEN_ASCII = bytes((*range(9), *range(0x0E, 0x1C), 0x7F))
_LINES_ASCII = b"\n" + bytes(range(0x20, 0x7F))  # letters, signs and plain spaces, and what ends a line
# a row of signs or stacked marks: past 64 of them it adds nothing, and NFC takes quadratic time over marks
_ROW = re.compile(r"([^\w\s\x00-\x7f]{64})[^\w\s\x00-\x7f]+")


def clean(text: str) -> tuple[str, bool]:
    """(plain text, whether there was markup). Never raises, whatever the text; linear in its length.

    What entities spell is text, not markup: the result is to be escaped like any other text when it is put into HTML.
    """
    marked_up = False
    if "<" in text or "&" in text:
        text, marked_up = _without_markup(text)
    collapsed = _collapsed
    if text.isascii():
        encoded = text.encode()  # as bytes: several times as fast
        if encoded.translate(None, _LINES_ASCII):
            text = encoded.translate(None, _UNSEEN_ASCII).replace(b"\r", b"\n").decode()
        else:
            collapsed = _with_single_spaces
    else:
        if not text.isprintable():
            text = _UNSEEN.sub("", text).replace("\r", "\n")
        if not text.isascii():
            text = unicodedata.normalize("NFC", _ROW.sub(r"\1", text))
    if "\n" not in text:
        return collapsed(text), marked_up
    return "\n".join([line for line in map(collapsed, text.split("\n")) if line]), marked_up


def _collapsed(line: str) -> str:
    """With one plain space where there is white space, and none around."""
    return _with_single_spaces(line) if line.isprintable() else " ".join(line.split())


def _with_single_spaces(line: str) -> str:
    """The same for a line whose only white space is plain spaces: faster than to split it."""
    while "  " in line:
        line = line.replace("  ", " ")
    return line.strip()


def _without_tags(text: str) -> str:
    lower = text.lower()
    if "<script" in lower or "<style" in lower:
        text = _DROPPED.sub(" ", text)
    if "<!--" in text:
        text = _COMMENT.sub(" ", text)
    return _TAG.sub("", _BREAK.sub("\n", text))


def _without_markup(text: str) -> tuple[str, bool]:
    plain = text
    if "<" in plain:
        plain = text.replace("<br />", "\n").replace("<br>", "\n")  # what nearly all markup in reviews is
        if "<" in plain:
            plain = _without_tags(text)
    marked_up = plain != text
    if "&" in plain:
        plain = html.unescape(_NO_CHARACTER.sub("", plain))
    return plain, marked_up
