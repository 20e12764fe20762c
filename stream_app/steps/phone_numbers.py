"""Finds telephone numbers; what could be anything else is checked by ``phonenumbers`` (libphonenumber)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

Span = tuple[int, int]

# Latin letters and digits; not \\w, since Chinese has no spaces around a number
ALNUM = "0-9A-Za-z\u00c0-\u024f"

_NOT_BEFORE_A_NUMBER = rf"(?<![{ALNUM}_.,/$€£¥₹#+-])(?<![$€£¥₹] )"
_NOT_BEHIND_A_NUMBER = rf"(?![{ALNUM}_-]|[.,:]\d| ?(?:[%€$£¥]|(?:[kMG]?Hz|[km]?W|V|mm|cm|km|kg|g|mAh|rpm|lbs|bpm)\b))"
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


def phones(text: str) -> Iterator[Span]:
    """Yield the places of telephone numbers in a folded text."""
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
        if is_one and (found.group("international") or not speaks_of_goods(found)):
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


def speaks_of_goods(found: re.Match[str]) -> bool:
    """Does what stands before the number speak of an order, a model or a quantity?"""
    return _GOODS.search(found.string[max(0, found.start() - _HINT_CHARACTERS) : found.start()]) is not None
