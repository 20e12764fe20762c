"""Masks personal data that people write into reviews: mail addresses, telephone, card and bank account numbers."""

from __future__ import annotations

import re

# Latin letters and digits; not \\w, since Chinese has no spaces around a number
_ALNUM = "0-9A-Za-z\u00c0-\u024f"
_MAIL = re.compile(
    rf"(?<![{_ALNUM}_.+%-])[{_ALNUM}_.+%-]{{1,64}}@(?:[{_ALNUM}-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}(?![{_ALNUM}])"
)
# issuers begin with 2 to 6; written in fours, as 4-6-5 or as 4-6-4, or without gaps
_CARD = re.compile(
    rf"(?<![{_ALNUM}_-])(?:"
    r"[2-6]\d{3}(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{2,4}(?:(?P=gap)\d{1,3})?|"
    r"3\d{3}(?P<gap3>[ -]?)\d{6}(?P=gap3)\d{4,5}"
    rf")(?![{_ALNUM}-])"
)
_IBAN = re.compile(rf"(?<![{_ALNUM}])[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?(?![{_ALNUM}])")
_PHONE = re.compile(
    rf"(?<![{_ALNUM}_.,/$€£¥#+-])(?:"
    r"\+\d(?:[ ./()-]{0,2}\d){7,14}|"  # with the country
    r"\(0?\d{2,4}\) ?\d{3,4}[ .-]?\d{3,4}|"  # area code in brackets
    r"\d{3}(?P<between>[-. ])\d{3}(?P=between)\d{4}|"  # North America
    r"0\d{2,4}(?:[ /-]\d{5,8}|(?P<group>[ -])\d{3,4}(?P=group)\d{3,4})|"  # trunk prefix 0
    r"1[3-9]\d{9}|"  # mobiles in China
    r"(?P<local>\d{3}-\d{4})"
    rf")(?![{_ALNUM}_-]|[.,]\d)"
)
# a number without an area code could be anything: it is masked where people speak of telephoning
_TELEPHONING = re.compile(
    r"\b(?:phones?|call|text|tel|mobile|cell|fax|whatsapp|reach|(?:my|our|the) numbers?)\b", re.IGNORECASE
)
_HINT_CHARACTERS = 48
_LONG_NUMBER = re.compile(r"\d[\d ().-]{5}")
# the same for ASCII as bytes, written with one digit and one sign: a pattern that begins with a byte is found by memchr
_LONG_NUMBER_ASCII = re.compile(b"0[0-]{5}")
_TO_DIGIT_OR_SIGN = bytes(
    ord("0") if chr(code).isdigit() else ord("-") if chr(code) in " ().-" else ord("x") for code in range(128)
).ljust(256)


def mask(text: str) -> tuple[str, bool]:
    """(text with [email], [card], [iban] and [phone] in the place of such data, whether there was any).

    Prices, dates, quantities and model numbers stay. Linear in the length of the text.
    """
    masked = text
    if "@" in masked:
        masked = _MAIL.sub("[email]", masked)
    if _has_long_number(masked):
        masked = _IBAN.sub(_iban, masked)
        masked = _CARD.sub(_card, masked)
        masked = _PHONE.sub(_phone, masked)
    return masked, masked != text


def _has_long_number(text: str) -> bool:
    """Most reviews have none, which this finds in a fraction of the time that the patterns would take."""
    if text.isascii():
        return _LONG_NUMBER_ASCII.search(text.encode().translate(_TO_DIGIT_OR_SIGN)) is not None
    return _LONG_NUMBER.search(text) is not None


def _card(found: re.Match[str]) -> str:
    return "[card]" if _luhn(found.group()) else found.group()


def _iban(found: re.Match[str]) -> str:
    """Words in capitals that follow an account number look like more of it: they are put back."""
    number, rest = found.group(), ""
    while len(number) >= 15:
        if _mod_97(number.replace(" ", "")) == 1:
            return f"[iban]{rest}"
        number, _, last = number.rpartition(" ")
        rest = f" {last}{rest}"
    return found.group()


def _phone(found: re.Match[str]) -> str:
    if not found.group("local"):
        return "[phone]"
    before = found.string[max(0, found.start() - _HINT_CHARACTERS) : found.start()]
    return "[phone]" if _TELEPHONING.search(before) else found.group()


def _luhn(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(digits) >= 14 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _mod_97(iban: str) -> int:
    """The check of account numbers (ISO 13616): 1 where the number is right; letters count 10 to 35."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97
