"""Masks personal data that people write into reviews: mail addresses, telephone, card and bank account numbers."""

from __future__ import annotations

import re

_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
# with a country's +, with an area code in brackets, or in groups as telephone numbers are written
_PHONE = re.compile(
    r"(?<![\w.$€£#-])(?:"
    r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}|"
    r"\(\d{3}\) ?\d{3}[ .-]?\d{4}|"
    r"\d{3}[-. ]\d{3}[-. ]\d{4}|"
    r"\d{3}-\d{4}|"
    r"0\d{2,4}[ /-]\d{5,8}|"
    r"1[3-9]\d{9}"
    r")(?![\w-]|\.\d)"
)
_TWO_DIGITS = re.compile(r"\d[\d ().-]{5}")


def mask(text: str) -> tuple[str, bool]:
    """(text with [email], [card], [iban] and [phone] in the place of such data, whether there was any).

    Prices, dates, quantities and model numbers stay. Linear in the length of the text.
    """
    masked = text
    if "@" in masked:
        masked = _MAIL.sub("[email]", masked)
    if _TWO_DIGITS.search(masked):
        masked = _IBAN.sub("[iban]", masked)
        masked = _CARD.sub(lambda found: "[card]" if _luhn(found.group()) else found.group(), masked)
        masked = _PHONE.sub("[phone]", masked)
    return masked, masked != text


def _luhn(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
