"""What every Kafka client is told: addresses, security, and how our producers publish."""

from __future__ import annotations

import ssl
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials

from stream_app.kafka.topics import MAX_MESSAGE_BYTES
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def client_config(settings: Settings) -> dict[str, Any]:
    """For every confluent-kafka client. Raises ConfigurationError when the security settings don't fit together."""
    _check_security(settings)
    config: dict[str, Any] = {
        "bootstrap.servers": settings.brokers,
        "security.protocol": settings.kafka_security_protocol,
        "client.id": settings.app_name,
        # librdkafka prints each failed connection to stderr; callers get the error, and say what to do
        "log_level": 2,
        # a broker that is away must not be asked a hundred times a second, nor found back late
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2000,
    }
    if settings.kafka_ca_file:
        config["ssl.ca.location"] = settings.kafka_ca_file
    if _uses_sasl(settings):
        assert settings.kafka_password is not None
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism or "PLAIN"
        config["sasl.username"] = settings.kafka_username
        config["sasl.password"] = settings.kafka_password.get_secret_value()
    return config


def producer_config(settings: Settings) -> dict[str, Any]:
    """For our producers: nothing is lost, nothing reordered, and products keep the partition that Java gives them."""
    return {
        **client_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        # librdkafka retries in order for as long as it takes; the publisher's own patience ends the process
        "message.timeout.ms": 0,
        # librdkafka's default partitioner would put a product elsewhere than the shop's Java producers do
        "partitioner": "murmur2_random",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.messages": 200_000,
        "queue.buffering.max.kbytes": 256 * 1024,
        # long enough to fill batches under load, short against the latency of an alert
        "linger.ms": 5,
        "compression.type": "lz4",
    }


def consumer_config(settings: Settings) -> dict[str, Any]:
    """For readers outside any consumer group (tail, checks): they commit nothing."""
    return {
        **client_config(settings),
        "group.id": f"{settings.app_name}.reader",  # librdkafka wants one; assign() never joins it
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        # as our workers: what a transaction rolled back was never published
        "isolation.level": "read_committed",
    }


def faust_brokers(settings: Settings) -> list[str]:
    """The bootstrap servers as Faust's broker URLs."""
    return [f"kafka://{server.strip()}" for server in settings.brokers.split(",") if server.strip()]


def faust_credentials(settings: Settings) -> SASLCredentials | SSLCredentials | None:
    """The same security for aiokafka, as Faust takes it. Raises ConfigurationError like ``client_config``."""
    _check_security(settings)
    context = _ssl_context(settings) if _uses_ssl(settings) else None
    if _uses_sasl(settings):
        assert settings.kafka_password is not None
        return SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism or "PLAIN",
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            ssl_context=context,
        )
    return SSLCredentials(context=context) if context else None


def _uses_sasl(settings: Settings) -> bool:
    return settings.kafka_security_protocol.startswith("SASL")


def _uses_ssl(settings: Settings) -> bool:
    return settings.kafka_security_protocol.endswith("SSL")


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.kafka_ca_file)
    except OSError as error:  # an SSLError, for a file without certificates, is one too
        raise ConfigurationError(
            f"{settings.kafka_ca_file} gives no certificate authority ({error}): set STREAM_APP_KAFKA_CA_FILE to a "
            "PEM file that can be read, or leave it away to trust the system's authorities."
        ) from error


def _check_security(settings: Settings) -> None:
    if settings.kafka_security_protocol not in _PROTOCOLS:
        raise ConfigurationError(
            f"STREAM_APP_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol!r}; "
            f"set it to one of {', '.join(_PROTOCOLS)}."
        )
    if _uses_sasl(settings) and not (settings.kafka_username and settings.kafka_password):
        raise ConfigurationError(
            f"{settings.kafka_security_protocol} needs STREAM_APP_KAFKA_USERNAME and STREAM_APP_KAFKA_PASSWORD."
        )
    if _uses_ssl(settings):
        _ssl_context(settings)
