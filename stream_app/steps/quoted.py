"""Does a product's text still quote its reviews?"""

from __future__ import annotations

from collections.abc import Sequence

from stream_app.records import Evidence, ProductText
from stream_app.steps.sentence_style import ended
from stream_app.steps.sentences import sentences


def still_quotes(text: ProductText, evidence: Sequence[Evidence]) -> bool:
    """Is the text a sentence of each of these reviews, one after the other, and an extracted headline one of theirs?

    ``evidence``: the reviews that the text cites, in its order, as they are kept now.
    """
    quotes = [[item.sentence[span.start : span.end] for span in sentences(item.sentence)] for item in evidence]
    whole = f"{text.text} "
    ends = {0}  # where the quotes so far may end, with the space behind them: one sentence may begin like another
    for of_one in quotes:
        as_quoted = [*of_one, *map(ended, of_one)]
        ends = {at + len(quote) + 1 for at in ends for quote in as_quoted if whole.startswith(f"{quote} ", at)}
    if text.text and len(whole) not in ends:
        return False
    if text.method != "extractive":
        return True
    begins = text.headline.removesuffix("…")
    return any(quote.startswith(begins) for of_one in quotes for quote in of_one)
