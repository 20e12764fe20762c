"""The page and the API's documentation: files of this package, served under a policy that allows nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response

from stream_app.api.answers import matches
from stream_app.api.routes import ApiRoute
from stream_app.steps.aspects import aspects_in_use

_FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# Reviews are untrusted input. The page inserts them as text alone; should that fail, the browser still refuses
# inline script, other origins, frames and forms.
_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def routes() -> list[ApiRoute]:
    """``/`` the page, ``/docs`` the documentation, ``/static/…`` their files; all read once, now."""
    files = [_file(path, path.read_bytes()) for path in sorted(_FOLDER.iterdir())]
    return [*files, _file(Path("aspects.js"), _names_of_aspects())]


def _names_of_aspects() -> bytes:
    """A module of the page: the names of the aspects in use, in English and Chinese, one where the other is missing."""
    names = {}
    for one in aspects_in_use():
        any_name = next(iter(one.name.values()))
        english = one.name.get("en", any_name)
        names[one.id] = [english, one.name.get("zh", english)]
    return b"export const ASPECTS = " + orjson.dumps(names) + b";\n"


def _file(path: Path, body: bytes) -> ApiRoute:
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {**_SECURITY_HEADERS, "ETag": tag}
    media_type = _MEDIA_TYPES[path.suffix]

    async def file(request: Request) -> Response:
        if matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, media_type)

    address = {"index.html": "/", "docs.html": "/docs"}.get(path.name, f"/static/{path.name}")
    return ApiRoute(address, file, ("GET", "HEAD"))
