"""The contract: bytes to records and back, as the schema files in ``schemas/`` describe them."""

from stream_app.contract.alerts import HEADER_RECEIVER, decode_alert, encode_alert, encode_listed_alert, receiver_named
from stream_app.contract.dead_letter_records import (
    HEADER_REPLAY_OF,
    TOMBSTONE,
    DeadLetter,
    read_dead_letter,
    replay_message,
    replayed_identity,
)
from stream_app.contract.dead_letters import (
    HEADER_DROPPED,
    HEADER_ERROR_MESSAGE,
    HEADER_ERROR_REASON,
    HEADER_NAME,
    MAX_DEAD_LETTER_BYTES,
    REASONS,
    dead_letter_message,
    dead_letter_origin,
    headers_hash,
)
from stream_app.contract.enriched import decode_enriched, encode_enriched
from stream_app.contract.erasure import Identity, NamedReview, named_review, without_quotes
from stream_app.contract.explanations import encode_explanation
from stream_app.contract.messages import (
    alert_message,
    enriched_message,
    product_signals_message,
    product_summary_message,
)
from stream_app.contract.product_signals import encode_product_signals
from stream_app.contract.product_summaries import decode_product_summary, encode_product_summary
from stream_app.contract.reviews import decode_review
from stream_app.contract.schemas import schema, schema_folder
from stream_app.contract.times import from_rfc3339, to_rfc3339
