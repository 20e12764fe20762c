"""What became of one try to deliver a message."""

from __future__ import annotations

import ssl

from stream_app.records import value


@value
class Outcome:
    """``error``: empty where it was delivered; else what happened, without anything that the receiver wrote.

    ``of_message``: this message was refused, others may be taken.
    ``gone``: the receiver wants no more (410). ``retry_after_ms``: how long it asked to be left alone.
    ``remark``: what a person should know of a delivery.
    """

    error: str = ""
    remark: str = ""
    gone: bool = False
    retry_after_ms: int | None = None
    of_message: bool = False


def of_connection(error: BaseException) -> Outcome:
    """A connection that could not be made or broke. Of other errors the type alone: their words may hold the URL."""
    if isinstance(error, TimeoutError):
        return Outcome("no answer in time")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) and (why := getattr(cause, "verify_message", "")):
            return Outcome(f"its certificate is not trusted: {why}")
        if isinstance(cause, OSError) and cause.strerror and not cause.__cause__:
            return Outcome(f"connection failed: {cause.strerror}")
        cause = cause.__cause__
    return Outcome(f"connection failed: {type(error).__name__}")
