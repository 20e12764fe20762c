"""`stream-app product` fits a terminal of 80 columns, and shows aspects and trend."""

from __future__ import annotations

import io

from rich.console import Console

from stream_app import contract
from stream_app.commands.product import _show
from stream_app.records import AspectCounts, AspectSummary, Quote
from tests.unit.api.samples import summary


def test_headings_are_whole_at_80_columns() -> None:
    out = io.StringIO()
    _show(summary("p"), Console(file=out, width=80))
    shown = out.getvalue()
    for heading in ("window", "reviews", "negative", "neutral", "positive", "unknown", "stars", "net"):
        assert f" {heading} " in shown, shown
    assert max(map(len, shown.splitlines())) <= 80


def test_aspects_quotes_and_trend_are_shown_at_80_columns() -> None:
    example = contract.schema_folder() / "examples/valid/product-summary.aspects.json"
    out = io.StringIO()
    _show(contract.decode_product_summary(example.read_bytes()), Console(file=out, width=80))

    shown = out.getvalue()
    assert max(map(len, shown.splitlines())) <= 80
    assert "│ durability  │ 9       │ 8 / 1  │ 12       │ 10 / 3 │ too few   │" in shown
    assert "durability: “The lid broke after a week.” (r-31)\n" in shown
    assert "Negative: 50% of 20 in 7 days, 5% of 75 in the 28 before: worse, p < 0.0001\n" in shown


def test_quote_sends_nothing_to_the_terminal_but_text() -> None:
    quote = Quote("r\x1b[2J", 0, "negative", "[red]a\x1b]0;title\x07[/red]")
    aspects = {"look": AspectSummary({"30d": AspectCounts(), "all": AspectCounts(1, 1, 0)}, quote)}
    out = io.StringIO()
    _show(summary("p", aspects=aspects), Console(file=out, width=80))

    assert "\x1b" not in out.getvalue()
    assert "[red]a" in out.getvalue()
