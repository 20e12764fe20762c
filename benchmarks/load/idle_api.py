"""What serving costs without an answer to make: the API's server around an application that does nothing.

python -m benchmarks.load.idle_api 3000     answers every request with 3,000 bytes
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send


async def _serve(size: int) -> None:
    body = b" " * size
    headers = [(b"content-length", str(size).encode()), (b"content-type", b"application/json")]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    gc.freeze()
    print(f"Page: http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    quiet = {
        "timeout_keep_alive": 30,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
    }
    await uvicorn.Server(uvicorn.Config(answer, lifespan="off", **quiet)).serve([listener])  # type: ignore[arg-type]


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
