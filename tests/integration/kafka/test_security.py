"""Workers and tools on a broker that asks who they are: by a client certificate, or by an OAuth access token."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

from stream_app.embedded.free_port import free_port
from stream_app.embedded.kafka import EmbeddedKafka
from stream_app.kafka.admin import check_brokers
from stream_app.ports import BrokerUnavailable
from stream_app.settings import Settings
from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group("security")

SECRET = "between friends"


class SecureKafka(EmbeddedKafka):
    """A broker with one more listener, which asks for credentials."""

    def __init__(self, folder: Path, protocol: str, options: Mapping[str, object]) -> None:
        super().__init__(folder, port=0)
        self._protocol, self._options = protocol, options
        self.secure_address = f"localhost:{free_port(0, 'a secure listener', print)}"

    def _properties(self, node: Any) -> dict[str, object]:
        properties = super()._properties(node)
        for name in ("listeners", "advertised.listeners"):
            properties[name] = f"{properties[name]},SECURE://{self.secure_address}"
        properties["listener.security.protocol.map"] = (
            f"{properties['listener.security.protocol.map']},SECURE:{self._protocol}"
        )
        return properties | {f"listener.name.secure.{name}": value for name, value in self._options.items()}


@contextmanager
def broker(folder: Path, protocol: str, options: Mapping[str, object]) -> Iterator[str]:
    kafka = SecureKafka(folder, protocol, options)
    kafka.start()
    yield kafka.secure_address
    kafka.stop()


def choose(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"STREAM_APP_KAFKA_{name.upper()}", value)


def assert_reviews_pass(brokers: str, prefix: str, folder: Path) -> None:
    """Produced, read by a worker in its group, published, committed: every client that we have."""
    stage = Stage(brokers, prefix, folder)
    try:
        stage.create(2)
        stage.produce(range(100))
        worker = stage.start()
        wait_until(lambda: sum(stage.committed().values()) == 100, 30, "all records are published and committed")
        assert len(stage.published()) == 100
        assert worker.stop() == 0, worker.log()
    finally:
        stage.close()


# ---- mutual TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """(address of a broker that wants a client's certificate, folder of the certificates)."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("localhost", "shop"):
        issued = authority.issue_cert(name, key_type=trustme.KeyType.RSA)
        for blob in issued.cert_chain_pems:
            blob.write_to_path(folder / f"{name}.pem", append=True)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    keystore = folder / "keystore.pem"  # Kafka takes PKCS #8 alone
    keystore.write_bytes(_pkcs8((folder / "localhost.key").read_bytes()) + (folder / "localhost.pem").read_bytes())
    options = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": keystore,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": folder / "ca.pem",
        "ssl.client.auth": "required",
    }
    with broker(folder / "kafka", "SSL", options) as address:
        yield address, folder


def _pkcs8(key: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_reviews_pass_with_a_client_certificate(
    tls: tuple[str, Path], topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = tls
    choose(monkeypatch, security_protocol="SSL", ca_file=str(folder / "ca.pem"))
    choose(monkeypatch, certificate_file=str(folder / "shop.pem"), key_file=str(folder / "shop.key"))
    assert_reviews_pass(address, topic_prefix, tmp_path)


def test_client_without_a_certificate_is_refused(tls: tuple[str, Path]) -> None:
    address, folder = tls
    anonymous = Settings(
        _env_file=None, brokers=address, kafka_security_protocol="SSL", kafka_ca_file=str(folder / "ca.pem")
    )
    with pytest.raises(BrokerUnavailable):
        check_brokers(anonymous)


# ---- OAUTHBEARER


class TokenEndpoint(BaseHTTPRequestHandler):
    """Gives unsigned tokens, which Kafka's development validator takes, to the client that knows the secret."""

    asked: list[dict[str, list[str]]]

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        client = b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        known = client in ("shop:between friends", "shop:between+friends")
        self.asked.append(form)
        now = time.time()
        claims = {"sub": "shop", "iat": now, "exp": now + 600, "scope": form.get("scope", [""])[0]}
        token = ".".join(
            urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)
        )
        body = json.dumps({"access_token": f"{token}.", "expires_in": 600} if known else {"error": "invalid_client"})
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def oauth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, list[dict[str, list[str]]]]]:
    """(address of a broker that wants access tokens, URL that gives them, what was asked there)."""
    asked: list[dict[str, list[str]]] = []
    endpoint = ThreadingHTTPServer(("127.0.0.1", 0), type("Endpoint", (TokenEndpoint,), {"asked": asked}))
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
    options = {
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "oauthbearer.sasl.jaas.config": f'{module} required unsecuredLoginStringClaim_sub="admin";',
    }
    with broker(tmp_path_factory.mktemp("oauth") / "kafka", "SASL_PLAINTEXT", options) as address:
        yield address, f"http://127.0.0.1:{endpoint.server_port}/token", asked
    endpoint.shutdown()
    endpoint.server_close()


def test_reviews_pass_with_access_tokens(
    oauth: tuple[str, str, list[dict[str, list[str]]]],
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, url, asked = oauth
    choose(monkeypatch, security_protocol="SASL_PLAINTEXT", sasl_mechanism="OAUTHBEARER", oauth_token_url=url)
    choose(monkeypatch, oauth_client_id="shop", oauth_client_secret=SECRET, oauth_scope="reviews")
    assert_reviews_pass(address, topic_prefix, tmp_path)
    assert {(form["grant_type"][0], form["scope"][0]) for form in asked} == {("client_credentials", "reviews")}


def test_worker_with_a_wrong_secret_says_which_settings_to_check(
    oauth: tuple[str, str, list[dict[str, list[str]]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    from stream_app.kafka.oauth import ClientCredentials

    address, url, _ = oauth
    choose(monkeypatch, security_protocol="SASL_PLAINTEXT", sasl_mechanism="OAUTHBEARER", oauth_token_url=url)
    choose(monkeypatch, oauth_client_id="shop", oauth_client_secret="guessed")
    settings = Settings(_env_file=None, brokers=address)
    with pytest.raises(BrokerUnavailable, match="STREAM_APP_KAFKA_OAUTH_TOKEN_URL") as error:
        asyncio.run(ClientCredentials(settings).token())
    assert "guessed" not in str(error.value)
    with pytest.raises(BrokerUnavailable):
        check_brokers(settings)
