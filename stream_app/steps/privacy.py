"""Masks personal data that people write into reviews: mail addresses, telephone, card, account and identity numbers.

Numbers are checked by the libraries that know them: telephone numbers in ``phone_numbers``, the others by
``python-stdnum``. The patterns here only find what is worth a check, and what is masked without one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.us import ssn

from stream_app.steps.phone_numbers import ALNUM, Span, phones, speaks_of_goods

_Kind = tuple[str, Callable[[str], Iterator[Span]]]
"""A placeholder, and what finds the places for it."""

_AT = "(?:@|%40)"
_MAIL = re.compile(
    rf"(?<![{ALNUM}_.+%-])[{ALNUM}_.+-]{{1,64}}{_AT}(?:[{ALNUM}-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}(?![{ALNUM}])",
    re.IGNORECASE,
)
# of any script: where that has no spaces, what stands before and behind may be masked with it
_ANY_SCRIPT = r"""[^\s@%.,;:!?"'<>()\[\]{}，。！？；：、（）]"""
_MAIL_ANY_SCRIPT = re.compile(
    rf"(?<!{_ANY_SCRIPT})(?:{_ANY_SCRIPT}|\.(?={_ANY_SCRIPT})){{1,64}}{_AT}"
    rf"(?:{_ANY_SCRIPT}{{1,63}}\.){{1,8}}{_ANY_SCRIPT}{{2,12}}",
    re.IGNORECASE,
)
# issuers begin with 22 to 27 or 3 to 6; written in fours, as 4-6-5 or as 4-6-4, or without gaps
_CARD = re.compile(
    rf"(?<![{ALNUM}_-])(?:"
    r"(?:2[2-7]|[3-6]\d)\d{2}(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{2,4}(?:(?P=gap)\d{1,3})?|"
    r"3\d{3}(?P<gap3>[ -]?)\d{6}(?P=gap3)\d{4,5}"
    rf")(?![{ALNUM}-])"
)
_IBAN = re.compile(
    rf"(?<![{ALNUM}])[A-Z]{{2}}\d{{2}}(?:[ -]?[A-Z0-9]{{4}}){{2,7}}(?:[ -]?[A-Z0-9]{{1,3}})?(?![{ALNUM}])",
    re.IGNORECASE,
)
_IBAN_CHARACTERS = 15  # the shortest, Norway's
_US_SSN = re.compile(rf"(?<![{ALNUM}_-])\d{{3}}(?P<between>[- ])\d{{2}}(?P=between)\d{{4}}(?![{ALNUM}_-])")
_CHINESE_ID = re.compile(rf"(?<![{ALNUM}_-])\d{{17}}[\dXx](?![{ALNUM}_-])")

# what may be an account number, and what has the seven digits that any other number has
_SIGNS = "[ ()./\u2010-\u2015\u2212\ufe63\uff08\uff09\uff0d\uff0e-]"
_NUMBER = re.compile(rf"\d(?:\d|{_SIGNS}){{5}}")
_LONG_NUMBER = re.compile(rf"\d(?:{_SIGNS}{{0,2}}\d){{6}}")
# the same for ASCII as bytes, written with one digit and one sign: a pattern that begins with a byte is found by memchr
_NUMBER_ASCII = re.compile(b"0[0-]{5}")
_LONG_NUMBER_ASCII = re.compile(b"0(?:-{0,2}0){6}")
_TO_DIGIT_OR_SIGN = bytes(
    ord("0") if chr(code).isdigit() else ord("-") if chr(code) in " ()./-" else ord("x") for code in range(128)
).ljust(256)
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212")


def mask(text: str) -> tuple[str, bool]:
    """(text with [email], [card], [iban], [ssn], [id] and [phone] in the place of such data, whether there was any).

    Prices, dates, quantities and model numbers stay. Linear in the length of the text.
    """
    kinds = _worth_a_look(text)
    if not kinds:
        return text, False
    folded = text if text.isascii() else "".join(map(_folded, text))
    found: list[tuple[Span, str]] = []
    for placeholder, spans_of in kinds:
        new = [(span, placeholder) for span in spans_of(folded)]
        if new:  # blanked at the same length: the next kinds do not see it, and places stay
            folded = _replaced(folded, [((begin, end), "_" * (end - begin)) for (begin, end), _ in new])
            found += new
    return (_replaced(text, sorted(found)), True) if found else (text, False)


def _worth_a_look(text: str) -> tuple[_Kind, ...]:
    """Most reviews have nothing to mask, which this finds in a fraction of the time that the patterns would take."""
    kinds: tuple[_Kind, ...] = ()
    if "@" in text or ("%" in text and "%40" in text):  # a single character is found several times as fast
        kinds = _MAILS
    if text.isascii():
        signs = text.encode().translate(_TO_DIGIT_OR_SIGN)
        if _NUMBER_ASCII.search(signs) is not None:
            kinds += _NUMBERS if _LONG_NUMBER_ASCII.search(signs) is not None else _NUMBERS[:1]
    else:
        if not kinds and ("\uff20" in text or "\ufe6b" in text):
            kinds = _MAILS
        if _NUMBER.search(text) is not None:
            kinds += _NUMBERS if _LONG_NUMBER.search(text) is not None else _NUMBERS[:1]
    return kinds


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    """NFKC of one character where that is one character too, so that places in the text stay; dashes become hyphens."""
    if character in _DASHES:
        return "-"
    normal = unicodedata.normalize("NFKC", character)
    if len(normal) != 1:
        return character
    digit = unicodedata.decimal(normal, None)
    return normal if digit is None else str(digit)


def _replaced(text: str, spans: list[tuple[Span, str]]) -> str:
    """With each span, in order, replaced by its string."""
    parts: list[str] = []
    at = 0
    for (begin, end), by in spans:
        parts += (text[at:begin], by)
        at = end
    return "".join([*parts, text[at:]])


def _mails(text: str) -> Iterator[Span]:
    for found in _MAIL.finditer(text):
        yield found.span()


def _mails_of_any_script(text: str) -> Iterator[Span]:
    for found in _MAIL_ANY_SCRIPT.finditer(text):
        if not found.group().isascii():  # an ASCII one that _MAIL refused is none
            yield found.span()


def _ibans(text: str) -> Iterator[Span]:
    """Words that follow an account number look like more of it: the longest beginning that is valid counts."""
    for found in _IBAN.finditer(text):
        number = found.group()
        while len(number) >= _IBAN_CHARACTERS:
            if iban.is_valid(number.replace("-", ""), check_country=False):
                yield found.start(), found.start() + len(number)
                break
            number = number[: max(number.rfind(" "), number.rfind("-"), 0)]


def _cards(text: str) -> Iterator[Span]:
    for found in _CARD.finditer(text):
        number = found.group().replace(" ", "").replace("-", "")
        if len(number) >= 14 and luhn.is_valid(number) and not speaks_of_goods(found):
            yield found.span()


def _ssns(text: str) -> Iterator[Span]:
    for found in _US_SSN.finditer(text):
        if ssn.is_valid(found.group().replace(" ", "-")) and not speaks_of_goods(found):
            yield found.span()


def _chinese_ids(text: str) -> Iterator[Span]:
    for found in _CHINESE_ID.finditer(text):
        if ric.is_valid(found.group()):
            yield found.span()


# in this order: what one has found, the next ones do not see
_MAILS: tuple[_Kind, ...] = (
    ("[email]", _mails),  # guarantee: mail-addresses-are-masked
    ("[email]", _mails_of_any_script),  # guarantee: mail-addresses-of-any-script-are-masked
)
_NUMBERS: tuple[_Kind, ...] = (
    ("[iban]", _ibans),  # guarantee: account-numbers-are-masked
    ("[card]", _cards),  # guarantee: card-numbers-are-masked
    ("[id]", _chinese_ids),  # guarantee: chinese-ids-are-masked
    ("[ssn]", _ssns),  # guarantee: social-security-numbers-are-masked
    ("[phone]", phones),  # guarantee: phone-numbers-are-masked
)
