"""Which precisions a model may be computed in: those whose answers were compared with fp32's, as its card states."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

LEAST_SAME_LABELS = 0.98
MOST_ACCURACY_LOST = 0.003
LEAST_SAME_SUMMARIES = 0.95
CARD_KEY = "precisions"
CARD_FILE = "card.json"


def proven_precisions(folder: Path | None) -> frozenset[str]:
    """fp32, and what the card in ``folder`` states to keep the answers. A model without a card: fp32 alone."""
    proven = {"fp32"}
    try:
        stated = orjson.loads((folder / CARD_FILE).read_bytes())[CARD_KEY] if folder else {}
        proven |= {precision for precision, facts in stated.items() if keeps_answers(facts)}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        pass  # no card, a foreign or a damaged one: it proves nothing
    return frozenset(proven)


def keeps_answers(facts: Mapping[str, Any]) -> bool:
    """Is a precision good enough? ``facts``: what `stream-app evaluate ... --precisions` states about it."""
    if "same_summaries" in facts:
        return bool(facts["same_summaries"] >= LEAST_SAME_SUMMARIES)
    return bool(facts["same_labels"] >= LEAST_SAME_LABELS and facts["accuracy_lost"] <= MOST_ACCURACY_LOST)
