"""How Kafka clients prove who they are: TLS, mutual TLS, SASL and OAuth, the same for librdkafka and for aiokafka."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from stream_app.ports import ConfigurationError
from stream_app.settings import KafkaSettings

if TYPE_CHECKING:
    from faust.auth import Credentials

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_OAUTH = "OAUTHBEARER"


def librdkafka_security(settings: KafkaSettings) -> dict[str, Any]:
    """For confluent-kafka clients. Raises ConfigurationError when the security settings don't fit together."""
    _check(settings)
    config: dict[str, Any] = {"security.protocol": settings.kafka_security_protocol}
    if settings.kafka_ca_file:
        config["ssl.ca.location"] = settings.kafka_ca_file
    if _uses_ssl(settings) and settings.kafka_certificate_file:
        config["ssl.certificate.location"] = settings.kafka_certificate_file
        config["ssl.key.location"] = settings.kafka_key_file
        if settings.kafka_key_password:
            config["ssl.key.password"] = settings.kafka_key_password.get_secret_value()
    if _uses_oauth(settings):
        assert settings.kafka_oauth_client_secret is not None
        config |= {
            "sasl.mechanism": _OAUTH,
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": settings.kafka_oauth_token_url,
            "sasl.oauthbearer.client.id": settings.kafka_oauth_client_id,
            "sasl.oauthbearer.client.secret": settings.kafka_oauth_client_secret.get_secret_value(),
        }
        if settings.kafka_oauth_scope:
            config["sasl.oauthbearer.scope"] = settings.kafka_oauth_scope
    elif _uses_sasl(settings):
        assert settings.kafka_password is not None
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism or "PLAIN"
        config["sasl.username"] = settings.kafka_username
        config["sasl.password"] = settings.kafka_password.get_secret_value()
    return config


def faust_credentials(settings: KafkaSettings) -> Credentials | None:
    """The same security for aiokafka, as Faust takes it. Raises ConfigurationError like ``librdkafka_security``."""
    # most commands need librdkafka alone
    from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials

    from stream_app.kafka.oauth import ClientCredentials

    _check(settings)
    context = _ssl_context(settings) if _uses_ssl(settings) else None
    if _uses_oauth(settings):
        return OAuthCredentials(oauth_cb=ClientCredentials(settings), ssl_context=context)
    if _uses_sasl(settings):
        assert settings.kafka_password is not None
        return SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism or "PLAIN",
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            ssl_context=context,
        )
    return SSLCredentials(context=context) if context else None


def _uses_sasl(settings: KafkaSettings) -> bool:
    return settings.kafka_security_protocol.startswith("SASL")


def _uses_oauth(settings: KafkaSettings) -> bool:
    return _uses_sasl(settings) and settings.kafka_sasl_mechanism == _OAUTH


def _uses_ssl(settings: KafkaSettings) -> bool:
    return settings.kafka_security_protocol.endswith("SSL")


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    except OSError as error:  # an SSLError, for a file without certificates, is one too
        raise ConfigurationError(
            f"{settings.kafka_ca_file} gives no certificate authority ({error}): set STREAM_APP_KAFKA_CA_FILE to a "
            "PEM file that can be read, or leave it away to trust the system's authorities."
        ) from error
    if settings.kafka_certificate_file:
        password = settings.kafka_key_password.get_secret_value() if settings.kafka_key_password else ""
        try:
            # a function: a plain None would make OpenSSL ask at the terminal for the password of an encrypted key
            context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file, lambda: password)
        except OSError as error:
            raise ConfigurationError(
                f"{settings.kafka_certificate_file} and {settings.kafka_key_file} give no client certificate "
                f"({error}): set STREAM_APP_KAFKA_CERTIFICATE_FILE and STREAM_APP_KAFKA_KEY_FILE to PEM files that "
                "belong together, and STREAM_APP_KAFKA_KEY_PASSWORD where the key is encrypted."
            ) from error
    return context


def _check(settings: KafkaSettings) -> None:
    if settings.kafka_security_protocol not in _PROTOCOLS:
        raise ConfigurationError(
            f"STREAM_APP_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol!r}; "
            f"set it to one of {', '.join(_PROTOCOLS)}."
        )
    if _uses_oauth(settings):
        _need(settings, _OAUTH, "kafka_oauth_token_url", "kafka_oauth_client_id", "kafka_oauth_client_secret")
    elif _uses_sasl(settings):
        _need(settings, settings.kafka_security_protocol, "kafka_username", "kafka_password")
    if bool(settings.kafka_certificate_file) != bool(settings.kafka_key_file):
        _need(settings, "A client certificate (mutual TLS)", "kafka_certificate_file", "kafka_key_file")
    if _uses_ssl(settings):
        _ssl_context(settings)


def _need(settings: KafkaSettings, what: str, *names: str) -> None:
    if not all(getattr(settings, name) for name in names):
        raise ConfigurationError(f"{what} needs {' and '.join(f'STREAM_APP_{name.upper()}' for name in names)}.")
