"""The JSON of summaries, encoded once for as long as they do not change."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from stream_app import contract
from stream_app.records import ProductSummary

# No text of a review can hold these bytes: JSON writes a backslash before its quotation marks.
_AT_0 = b'"as_of":"%b"' % contract.to_rfc3339(0).encode()


@dataclass(slots=True)
class _Encoded:
    """``summary``: as of 0, ``body`` with it. ``last``, ``last_body``: as asked for last."""

    summary: ProductSummary
    stale: bool
    body: bytes
    last: ProductSummary
    last_body: bytes = b""


class EncodedSummaries:
    """Of the products asked for last. For one event loop."""

    def __init__(self, kept: int = 1024) -> None:
        """``kept``: products, of 6 to 32 KB each."""
        self._most = kept
        self._kept: OrderedDict[str, _Encoded] = OrderedDict()

    def of(self, summary: ProductSummary, *, stale: bool = False) -> bytes:
        """The same as ``contract.encode_product_summary``."""
        held = self._kept.get(summary.product_id)
        if held is not None and held.last is summary and held.stale == stale:
            self._kept.move_to_end(summary.product_id)
            return held.last_body
        at_0 = replace(summary, as_of_ms=0)
        # quickly seen: the parts of a summary that did not change are the same objects (see SummaryReads)
        if held is None or held.stale != stale or held.summary != at_0:
            held = _Encoded(at_0, stale, contract.encode_product_summary(at_0, stale=stale), summary)
            self._kept[summary.product_id] = held
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(summary.product_id)
        held.last = summary
        held.last_body = held.body.replace(_AT_0, b'"as_of":"%b"' % contract.to_rfc3339(summary.as_of_ms).encode())
        return held.last_body
