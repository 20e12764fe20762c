from __future__ import annotations

import socket
from pathlib import Path

import pytest
from redis import Redis

from stream_app.embedded.valkey import EmbeddedValkey
from stream_app.ports import ConfigurationError


def test_keys_survive_kill_nine(fresh_valkey: EmbeddedValkey) -> None:
    url = fresh_valkey.url
    with Redis.from_url(url) as client:
        client.set("product", "kettle")

    fresh_valkey.kill()
    fresh_valkey.start()

    assert fresh_valkey.url == url
    with Redis.from_url(url) as client:
        assert client.get("product") == b"kettle"


def test_keys_survive_stop_and_restart(fresh_valkey: EmbeddedValkey) -> None:
    with Redis.from_url(fresh_valkey.url) as client:
        client.set("product", "kettle")

    fresh_valkey.restart()

    with Redis.from_url(fresh_valkey.url) as client:
        assert client.get("product") == b"kettle"


def test_server_forgets_nothing_by_itself_and_is_reached_from_here_only(fresh_valkey: EmbeddedValkey) -> None:
    with Redis.from_url(fresh_valkey.url) as client:
        config = client.config_get("*")

    assert config["maxmemory-policy"] == "noeviction"
    assert config["appendonly"] == "yes"
    assert config["appendfsync"] == "everysec"
    assert config["bind"] == "127.0.0.1"


def test_busy_port_is_replaced_and_it_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        busy = stranger.getsockname()[1]
        server = EmbeddedValkey(tmp_path, port=busy, say=said.append)
        server.start()
    try:
        chosen = server.url.removeprefix("redis://127.0.0.1:").removesuffix("/0")
        assert said == [f"Port {busy} is busy: Valkey listens on {chosen} instead."]
    finally:
        server.stop()


def test_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("a file where the server wants a folder")

    with pytest.raises(ConfigurationError, match=r"(?s)Valkey did not start.*appendonlydir.*empty data folder"):
        EmbeddedValkey(tmp_path, port=0).start()
