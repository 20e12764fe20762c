"""Both Kafka clients get the same security, and our producers keep what was promised."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import certifi
import pytest
from faust.auth import SASLCredentials, SSLCredentials

from stream_app.kafka.client_config import (
    client_config,
    consumer_config,
    faust_brokers,
    producer_config,
)
from stream_app.kafka.security import faust_credentials
from stream_app.kafka.topics import MAX_MESSAGE_BYTES
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

PASSWORD = "open sesame"
SASL = {"kafka_username": "shop", "kafka_password": PASSWORD}


def settings(**chosen: Any) -> Settings:
    return Settings(_env_file=None, **chosen)


def test_producer_keeps_order_and_gives_up_nothing() -> None:
    config = producer_config(settings())
    assert (config["acks"], config["enable.idempotence"], config["message.timeout.ms"]) == ("all", True, 0)


def test_producer_puts_a_product_where_java_producers_do() -> None:
    assert producer_config(settings())["partitioner"] == "murmur2_random"


def test_producer_takes_messages_as_large_as_the_topics_do() -> None:
    assert producer_config(settings())["message.max.bytes"] == MAX_MESSAGE_BYTES


def test_readers_commit_nothing() -> None:
    assert consumer_config(settings())["enable.auto.commit"] is False


def test_plaintext_needs_no_credentials() -> None:
    config = client_config(settings(brokers="a:1,b:2"))
    assert (config["bootstrap.servers"], config["security.protocol"]) == ("a:1,b:2", "PLAINTEXT")
    assert not any(key.startswith(("sasl.", "ssl.")) for key in config)
    assert faust_credentials(settings()) is None


def test_every_broker_is_passed_to_faust() -> None:
    assert faust_brokers(settings(brokers="a:1, b:2,")) == ["kafka://a:1", "kafka://b:2"]


@pytest.mark.parametrize("ask", [client_config, faust_credentials])
@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"kafka_security_protocol": "TLS"}, ["STREAM_APP_KAFKA_SECURITY_PROTOCOL", "'TLS'", "SASL_SSL"]),
        ({"kafka_security_protocol": "SASL_SSL"}, ["STREAM_APP_KAFKA_USERNAME", "STREAM_APP_KAFKA_PASSWORD"]),
        ({"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_username": "shop"}, ["STREAM_APP_KAFKA_PASSWORD"]),
        ({"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_password": PASSWORD}, ["STREAM_APP_KAFKA_USERNAME"]),
        ({"kafka_security_protocol": "SSL", "kafka_key_file": "our.key"}, ["STREAM_APP_KAFKA_CERTIFICATE_FILE"]),
        (
            {"kafka_security_protocol": "SSL", "kafka_certificate_file": "our.pem", "kafka_key_file": "our.key"},
            ["our.pem", "our.key", "STREAM_APP_KAFKA_KEY_FILE", "STREAM_APP_KAFKA_KEY_PASSWORD"],
        ),
        (
            {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "OAUTHBEARER"},
            [f"STREAM_APP_KAFKA_OAUTH_{name}" for name in ("TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET")],
        ),
    ],
)
def test_security_that_does_not_fit_together_names_the_setting(ask: Any, chosen: Any, named: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        ask(settings(**chosen))
    assert [words for words in named if words not in str(error.value)] == []
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize("ask", [client_config, faust_credentials])
@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_authority_file_that_gives_none_names_the_setting(ask: Any, content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="STREAM_APP_KAFKA_CA_FILE") as error:
        ask(settings(kafka_security_protocol="SSL", kafka_ca_file=str(file)))
    assert str(file) in str(error.value)


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_both_clients_get_the_same_name_password_and_mechanism(protocol: str) -> None:
    chosen = settings(kafka_security_protocol=protocol, kafka_sasl_mechanism="SCRAM-SHA-512", **SASL)
    config, credentials = client_config(chosen), faust_credentials(chosen)
    assert isinstance(credentials, SASLCredentials)
    assert (config["sasl.username"], config["sasl.password"]) == ("shop", PASSWORD)
    assert (credentials.username, credentials.password) == ("shop", PASSWORD)
    assert config["sasl.mechanism"] == credentials.mechanism.value == "SCRAM-SHA-512"
    assert config["security.protocol"] == credentials.protocol.value == protocol


def test_sasl_without_a_mechanism_is_plain_for_both_clients() -> None:
    chosen = settings(kafka_security_protocol="SASL_PLAINTEXT", **SASL)
    credentials = faust_credentials(chosen)
    assert isinstance(credentials, SASLCredentials)
    assert client_config(chosen)["sasl.mechanism"] == credentials.mechanism.value == "PLAIN"


@pytest.mark.parametrize("more", [{}, {"kafka_ca_file": certifi.where()}])
def test_ssl_verifies_the_broker_with_and_without_an_authority_of_ones_own(more: dict[str, str]) -> None:
    chosen = settings(kafka_security_protocol="SSL", **more)
    credentials = faust_credentials(chosen)
    assert isinstance(credentials, SSLCredentials)
    assert credentials.context.verify_mode is ssl.CERT_REQUIRED
    assert client_config(chosen).get("ssl.ca.location") == more.get("kafka_ca_file")


def test_password_is_in_no_text_that_is_made_of_settings_or_credentials() -> None:
    chosen = settings(kafka_security_protocol="SASL_SSL", **SASL)
    assert client_config(chosen)["sasl.password"] == PASSWORD
    for thing in (chosen, faust_credentials(chosen), chosen.model_dump()):
        assert PASSWORD not in repr(thing)
        assert PASSWORD not in str(thing)
    assert PASSWORD not in chosen.model_dump_json()
