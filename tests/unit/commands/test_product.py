"""`stream-app product` fits a terminal of 80 columns."""

from __future__ import annotations

import io

from rich.console import Console

from stream_app.commands.product import _show
from tests.unit.api.samples import summary


def test_headings_are_whole_at_80_columns() -> None:
    out = io.StringIO()
    _show(summary("p"), Console(file=out, width=80))
    shown = out.getvalue()
    for heading in ("window", "reviews", "negative", "neutral", "positive", "unknown", "stars", "net"):
        assert f" {heading} " in shown, shown
    assert max(map(len, shown.splitlines())) <= 80
