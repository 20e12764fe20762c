"""The errors of the ports.

    Unavailable            a server is away: retry with jitter, bounded
    ├─ StoreUnavailable    Redis or Valkey
    └─ BrokerUnavailable   Kafka
    OutOfDeviceMemory      a batch was too large for the device: halve the budget
    ConfigurationError     something a person must fix; the message states what to do
    └─ ViewLost            Redis has lost the view: nothing may be written until a rebuild has made it again

Any other exception is a bug: it is caught nowhere, the process ends, nothing is committed, Kafka redelivers.
"""

from __future__ import annotations


class Unavailable(Exception):
    """A dependency cannot be reached now."""


def with_next_step(error: Exception) -> str:
    """The error's words; where they name no command, with the one that looks at each server."""
    words = str(error)
    return words if "`stream-app " in words else f"{words.rstrip('.')}. `stream-app check` looks at each server."


class StoreUnavailable(Unavailable):
    """Redis or Valkey cannot be reached, or refuses for now (loading, read-only, out of memory)."""


class BrokerUnavailable(Unavailable):
    """Kafka cannot be reached now."""


class OutOfDeviceMemory(Exception):
    """The batch did not fit on the device."""


class ConfigurationError(Exception):
    """A person must change something; the message states what."""


VIEW_WAS_LOST = "The view was lost, the log was not: run `stream-app rebuild`."
"""What the API and `product` report to operators; they see Redis alone."""


class ViewLost(ConfigurationError):
    """Redis lost the view or a part of it, although the log was read: what is applied now would add to what is left."""

    def __init__(self) -> None:
        super().__init__("Redis lost the view or a part of it, the log is whole: run `stream-app rebuild`.")
