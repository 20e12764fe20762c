"""The server around the application: its address, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from stream_app.api import server
from stream_app.ports import ConfigurationError
from stream_app.settings import Settings

NOBODY = "redis://127.0.0.1:1/0"
EXPLAINS_WITHOUT_END = f"""
from stream_app.api.server import serve
from stream_app.settings import Settings
from stream_app.testing.explainer import FakeExplainer

class WithoutEnd(FakeExplainer):
    def explain(self, *review, **how):
        print("asked", flush=True)
        self.gate.clear()
        return super().explain(*review, **how)

serve(Settings(redis={NOBODY!r}, api_port=0, api_internal_port=0), explainer=WithoutEnd())
"""


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_busy_port_is_an_error_that_names_it_and_the_way_out(busy_port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"port {busy_port}: it is in use.*--port"):
        server.serve(Settings(api_port=busy_port))


def test_address_of_another_machine_is_an_error_that_names_the_option() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1 .*--host"):
        server.serve(Settings(api_host="192.0.2.1", api_port=0))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_with_exit_code_zero_though_a_page_is_open(number: signal.Signals) -> None:
    program = (
        "from stream_app.api.server import serve; from stream_app.settings import Settings; "
        f"serve(Settings(redis={NOBODY!r}, api_port=0, api_internal_port=0))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        try:
            assert process.stdout is not None
            _, address, _, look_ups = process.stdout.readline().split()
            assert httpx.get(f"{look_ups}v1/alerts", timeout=10).status_code == 404
            assert httpx.get(f"{look_ups}v1/products/x/summary", timeout=10).status_code == 503
            assert httpx.get(f"{address}v1/products/x/summary", timeout=10).status_code == 503
            with httpx.stream("GET", f"{address}v1/events", timeout=10) as events:
                first = next(events.iter_lines())
                assert first == "event: store"
                process.send_signal(number)
                assert process.wait(10) == 0
        finally:
            process.kill()


def test_signal_gives_up_the_explanation_that_is_computed() -> None:
    """Its client is told to try again; the end does not wait for it."""
    with subprocess.Popen(
        [sys.executable, "-c", EXPLAINS_WITHOUT_END], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[1]
            with ThreadPoolExecutor(1) as others:
                answer = others.submit(httpx.post, f"{address}v1/explain", json={"text": "Broke"}, timeout=60)
                assert process.stdout.readline() == "asked\n"
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
                assert answer.result().status_code == 503
        finally:
            process.kill()


def test_signal_does_not_wait_for_a_look_at_a_broker_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = os.environ | {
            "STREAM_APP_API_OPERATIONS": "true",
            "STREAM_APP_BROKERS": f"127.0.0.1:{silent.getsockname()[1]}",
            "STREAM_APP_REDIS": NOBODY,
        }
        command = [sys.executable, "-m", "stream_app", "api", "--port", "0", "--page-port", "0"]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process,
            ThreadPoolExecutor(1) as client,
        ):
            try:
                assert process.stdout is not None
                _, address, _, _ = process.stdout.readline().split()
                asking = client.submit(httpx.get, f"{address}v1/operations", timeout=30)
                silent.settimeout(20)
                with silent.accept()[0]:
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(10) == 0
                assert asking.result(10).status_code == 503
            finally:
                process.kill()
