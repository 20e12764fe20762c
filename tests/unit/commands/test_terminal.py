"""What people write in reviews is text on a terminal: neither markup nor a command to it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from stream_app.commands import product, tail
from stream_app.records import Alert, Counts, ProductSummary, ProductText, RawRecord
from tests.behaviour.enriched import enriched

HOSTILE = "good [/b] [red]value[/red] \x1b[2J\x1b]0;owned\x07 \u202egnp.exe"


def shown(*, product_text: str) -> str:
    out = io.StringIO()
    text = ProductText(product_text, product_text, "abstractive", ("r1",), None, 0)
    product._show(ProductSummary("p", 0, 1, {"all": Counts()}, None, text, False), Console(file=out, width=200))
    return out.getvalue()


def test_markup_in_a_headline_is_text() -> None:
    assert "good [/b] [red]value[/red]" in shown(product_text=HOSTILE)


def test_headline_commands_no_terminal() -> None:
    assert not set("\x1b\x07\u202e") & set(shown(product_text=HOSTILE))


@pytest.mark.parametrize("value", [HOSTILE, "\x1b[31m"])
def test_what_is_tailed_commands_no_terminal(value: str) -> None:
    alert = Alert("id", "negative_review", "critical", "p", 0, 0, review_id="r", sentence=value)
    record = RawRecord("t", 0, 0, 0, None, value.encode(), (("__connect.errors.exception.message", value.encode()),))
    for line in (tail._line(alert), tail._dead_letter_line(record)):
        assert not set("\x1b\x07\u202e") & set(line.plain)


def test_label_of_a_tailed_review_is_not_cut() -> None:
    """ "unsupport" is no word."""
    review = enriched(label=None, sentiment_missing="unsupported_language")
    assert "unsupported_language" in tail._line(review).plain
