"""Masks personal data that people write into reviews: mail addresses, telephone, card, account and identity numbers.

Numbers are checked by the libraries that know them: telephone numbers by ``phonenumbers`` (libphonenumber), the others
by ``python-stdnum``. The patterns here only find what is worth a check, and what is masked without one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

import phonenumbers
from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.us import ssn

Span = tuple[int, int]
_Kind = tuple[str, Callable[[str], Iterator[Span]]]
"""A placeholder, and what finds the places for it."""

# Latin letters and digits; not \\w, since Chinese has no spaces around a number
_ALNUM = "0-9A-Za-z\u00c0-\u024f"
_AT = "(?:@|%40)"
_MAIL = re.compile(
    rf"(?<![{_ALNUM}_.+%-])[{_ALNUM}_.+-]{{1,64}}{_AT}(?:[{_ALNUM}-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}(?![{_ALNUM}])",
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
    rf"(?<![{_ALNUM}_-])(?:"
    r"(?:2[2-7]|[3-6]\d)\d{2}(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{2,4}(?:(?P=gap)\d{1,3})?|"
    r"3\d{3}(?P<gap3>[ -]?)\d{6}(?P=gap3)\d{4,5}"
    rf")(?![{_ALNUM}-])"
)
_IBAN = re.compile(
    rf"(?<![{_ALNUM}])[A-Z]{{2}}\d{{2}}(?:[ -]?[A-Z0-9]{{4}}){{2,7}}(?:[ -]?[A-Z0-9]{{1,3}})?(?![{_ALNUM}])",
    re.IGNORECASE,
)
_IBAN_CHARACTERS = 15  # the shortest, Norway's
_US_SSN = re.compile(rf"(?<![{_ALNUM}_-])\d{{3}}(?P<between>[- ])\d{{2}}(?P=between)\d{{4}}(?![{_ALNUM}_-])")
_CHINESE_ID = re.compile(rf"(?<![{_ALNUM}_-])\d{{17}}[\dXx](?![{_ALNUM}_-])")

_NOT_BEFORE_A_NUMBER = rf"(?<![{_ALNUM}_.,/$€£¥₹#+-])(?<![$€£¥₹] )"
_NOT_BEHIND_A_NUMBER = rf"(?![{_ALNUM}_-]|[.,:]\d| ?(?:[%€$£¥]|(?:[kMG]?Hz|[km]?W|V|mm|cm|km|kg|g|mAh|rpm|lbs|bpm)\b))"
_PHONE = re.compile(
    rf"{_NOT_BEFORE_A_NUMBER}(?:"
    r"(?P<international>\+\d(?:[ ./()-]{0,2}\d){7,14})|"
    r"\(0?\d{2,4}\) ?\d{3,4}[ .-]?\d{3,4}|"  # area code in brackets
    r"(?:1[-. ])?(?<!\d )[2-9]\d{2}(?P<between>[-. ])[2-9]\d{2}(?P=between)\d{4}|"  # North America
    r"1[3-9]\d(?P<china>[ -]?)\d{4}(?P=china)\d{4}|"  # mobiles in China
    r"(?P<local>\d{3}-\d{4})|"
    r"(?P<ten>[2-9]\d{9})|"  # North America and India without gaps
    r"(?P<checked>00[1-9](?:[ /-]?\d){7,13}|0[1-9](?:[ ./-]?\d){7,10}|[6-9]\d{4}[ -]\d{5}|[6-9]\d{2}(?: ?\d{2,3}){2,3})"
    rf"){_NOT_BEHIND_A_NUMBER}"
)
_DATE = re.compile(r"\d{2}[./-]\d{2}[./-](?:19|20)\d{2}(?!\d)|\d{2}/\d{2}/\d{2}")
# a number that could be anything is masked where people speak of telephoning, and not where they speak of goods
_TELEPHONING = re.compile(
    r"\b(?:phones?|call|text|tel|mobile|cell|fax|whats ?app|viber|telegram|signal|reach|ring|dial|contact|handy|"
    r"telefon\w*|anruf\w*|appele[rz]|tél|portable|ll[aá]m\w*|(?:my|our|the) numbers?)\b|电话|手机|联系|微信",
    re.IGNORECASE,
)
_GOODS = re.compile(
    r"\b(?:orders?|tracking|isbn|asin|ean|upc|sku|gtin|serial|models?|parts?|items?|ref(?:erence)?|invoice|ticket|case|batch|"
    r"lot|version|build|firmware|id|code|barcode|stamp|cycles?|hours?|pixels?|bytes|bestell\w*|artikel\w*|commande|pedido|"
    r"ordine|imei)\b\.?(?: n[or]\.?)?[^.!?]{0,12}$|[#№] ?$|编号|订单|型号",
    re.IGNORECASE,
)
_HINT_CHARACTERS = 48
_ROUND = re.compile(r"0{5}$")  # five zeros at the end: a quantity
# where numbers that begin with 0 are written without their country
_REGIONS_WITH_ZERO = (
    "GB",
    "FR",
    "DE",
    "IT",
    "NL",
    "BE",
    "CH",
    "AT",
    "SE",
    "FI",
    "IE",
    "AU",
    "NZ",
    "JP",
    "KR",
    "ZA",
    "TR",
    "CN",
)
_REGIONS_WITHOUT_ZERO = ("ES", "PT", "PL", "IN", "DK", "NO", "CZ")
_MOST_CHECKED = 40  # numbers of one text; a check takes up to a millisecond, and a text with more of them is a list

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
        if len(number) >= 14 and luhn.is_valid(number) and not _speaks_of_goods(found):
            yield found.span()


def _ssns(text: str) -> Iterator[Span]:
    for found in _US_SSN.finditer(text):
        if ssn.is_valid(found.group().replace(" ", "-")) and not _speaks_of_goods(found):
            yield found.span()


def _chinese_ids(text: str) -> Iterator[Span]:
    for found in _CHINESE_ID.finditer(text):
        if ric.is_valid(found.group()):
            yield found.span()


def _phones(text: str) -> Iterator[Span]:
    checked = 0
    for found in _PHONE.finditer(text):
        if found.group("local"):
            is_one = _speaks_of_telephoning(found)
        elif found.group("ten"):
            is_one = not _ROUND.search(found.group())
        elif found.group("checked"):
            checked += 1
            is_one = checked > _MOST_CHECKED or _is_valid_phone(found)
        else:
            is_one = True
        if is_one and (found.group("international") or not _speaks_of_goods(found)):
            yield found.span()


def _is_valid_phone(found: re.Match[str]) -> bool:
    number = found.group()
    if _DATE.match(number):
        return False
    if number.startswith("00"):
        return _is_number_of(f"+{number[2:]}", None)
    if number.startswith("0"):
        return any(_is_number_of(number, region) for region in _REGIONS_WITH_ZERO)
    return _speaks_of_telephoning(found) and any(_is_number_of(number, region) for region in _REGIONS_WITHOUT_ZERO)


def _is_number_of(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _speaks_of_telephoning(found: re.Match[str]) -> bool:
    before = found.string[max(0, found.start() - _HINT_CHARACTERS) : found.start()]
    behind = found.string[found.end() : found.end() + _HINT_CHARACTERS // 2]
    return _TELEPHONING.search(before) is not None or _TELEPHONING.search(behind) is not None


def _speaks_of_goods(found: re.Match[str]) -> bool:
    return _GOODS.search(found.string[max(0, found.start() - _HINT_CHARACTERS) : found.start()]) is not None


# in this order: what one has found, the next ones do not see
_MAILS: tuple[_Kind, ...] = (("[email]", _mails), ("[email]", _mails_of_any_script))
_NUMBERS: tuple[_Kind, ...] = (
    ("[iban]", _ibans),
    ("[card]", _cards),
    ("[id]", _chinese_ids),
    ("[ssn]", _ssns),
    ("[phone]", _phones),
)
