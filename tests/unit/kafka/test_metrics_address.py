"""Where a role's metrics are: at the address that the settings name alone."""

from __future__ import annotations

import socket
from contextlib import closing
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from stream_app.embedded.free_port import free_port
from stream_app.kafka.run import serve_metrics
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings


def settings(host: str, port: int) -> Settings:
    return Settings(_env_file=None, metrics_host=host, metrics_port=port)


def test_metrics_are_on_the_address_of_the_settings_and_on_no_other() -> None:
    port = free_port(0, "metrics", print)
    server = serve_metrics(settings("127.0.0.2", port), "enrich")
    try:
        with urlopen(f"http://127.0.0.2:{port}/metrics", timeout=10) as answer:
            assert b"stream_app_key_mismatches_total" in answer.read()
        with pytest.raises(URLError):
            urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)
    finally:
        server.shutdown()
        server.server_close()


def test_port_that_is_taken_is_an_error_that_names_the_settings() -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as taken,
        pytest.raises(ConfigurationError, match=r"METRICS_PORT .*METRICS_HOST"),
    ):
        serve_metrics(settings("127.0.0.1", taken.getsockname()[1]), "enrich")
