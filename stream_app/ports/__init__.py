"""What the roles need from outside, as protocols with their errors; adapters in models, kafka and store fulfil them."""

from __future__ import annotations

from stream_app.ports.errors import (
    VIEW_WAS_LOST,
    BrokerUnavailable,
    ConfigurationError,
    OutOfDeviceMemory,
    StoreUnavailable,
    Unavailable,
    ViewLost,
    with_next_step,
)
from stream_app.ports.models import Embedder, Explainer, MicroBatchPlan, ModelFailed, Result, TextModel, Tokens
from stream_app.ports.progress import Progress
from stream_app.ports.streams import Acks, AlertHistory, InFlightRecord, Publisher, StreamRole
from stream_app.ports.view import AlertDesk, Applied, DueProduct, Judged, SummaryReader, SummaryStore

__all__ = [
    "VIEW_WAS_LOST",
    "Acks",
    "AlertDesk",
    "AlertHistory",
    "Applied",
    "BrokerUnavailable",
    "ConfigurationError",
    "DueProduct",
    "Embedder",
    "Explainer",
    "InFlightRecord",
    "Judged",
    "MicroBatchPlan",
    "ModelFailed",
    "OutOfDeviceMemory",
    "Progress",
    "Publisher",
    "Result",
    "StoreUnavailable",
    "StreamRole",
    "SummaryReader",
    "SummaryStore",
    "TextModel",
    "Tokens",
    "Unavailable",
    "ViewLost",
    "with_next_step",
]
