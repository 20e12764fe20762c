"""The routes of the card: who may show it, how it is cached, and how large the component is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

import httpx
import pytest
from pydantic import ValidationError

from stream_app.api.app import create_app
from stream_app.settings import Settings
from stream_app.testing.reader import CannedSummaryReader
from tests.unit.api.samples import NOW_MS, summary

SHOP = "https://shop.example"
OTHER = "https://other.example"


def get(path: str, origins: tuple[str, ...] = (), *, version: int = 1, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        view = CannedSummaryReader(summary("a/b", version=version, headline=f"Headline {version}"))
        app = create_app(view, now_ms=lambda: NOW_MS, card_origins=origins)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return asyncio.run(ask())


def test_card_is_html_in_the_readers_language() -> None:
    response = get("/v1/products/a%2Fb/card", Accept_Language="zh-CN,zh;q=0.9")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-language"] == "zh"
    assert response.headers["vary"] == "Accept-Language"
    assert '<html lang="zh">' in response.text


def test_policy_of_the_card_allows_its_own_style_alone() -> None:
    response = get("/v1/products/a%2Fb/card")
    [style] = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert response.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert " style=" not in response.text


def test_unchanged_card_is_not_sent_again_and_a_changed_one_is() -> None:
    tag = get("/v1/products/a%2Fb/card").headers["etag"]

    assert get("/v1/products/a%2Fb/card", If_None_Match=tag).status_code == 304
    assert get("/v1/products/a%2Fb/card", version=2, If_None_Match=tag).status_code == 200
    assert get("/v1/products/a%2Fb/card?lang=zh", If_None_Match=tag).status_code == 200


def test_card_of_an_unknown_product_is_a_404() -> None:
    assert get("/v1/products/nobody/card").json()["type"] == "urn:stream-app:problem:unknown-product"


@pytest.mark.parametrize("path", ["/v1/products/a%2Fb/card", "/v1/card.js"])
def test_cards_are_for_the_pages_that_the_setting_names(path: str) -> None:
    nobodys = get(path, Origin=SHOP)
    own, others = (get(path, (SHOP,), Origin=origin) for origin in (SHOP, OTHER))
    everybodys = get(path, ("*",), Origin=OTHER)

    assert "access-control-allow-origin" not in nobodys.headers
    assert nobodys.headers["cross-origin-resource-policy"] == "same-origin"
    assert own.headers["access-control-allow-origin"] == SHOP
    assert "Origin" in own.headers["vary"]
    assert "access-control-allow-origin" not in others.headers
    assert everybodys.headers["access-control-allow-origin"] == "*"
    if path.endswith("/card"):
        ancestors = [one.headers["content-security-policy"].rpartition(" ")[2] for one in (nobodys, own, everybodys)]
        assert ancestors == ["'none'", SHOP, "*"]


def test_component_is_small_and_kept_long() -> None:
    response = get("/v1/card.js")
    tag = response.headers["etag"]
    pinned = get(f"/v1/card.js?v={tag.strip(chr(34))}")

    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert len(response.content) < 10_000
    assert response.headers["cache-control"] == "public, max-age=86400"
    assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert get("/v1/card.js", If_None_Match=tag).status_code == 304


@pytest.mark.parametrize(
    ("value", "origins"),
    [("", ()), ("*", ("*",)), (SHOP, (SHOP,)), (f"{SHOP}, http://127.0.0.1:8000", (SHOP, "http://127.0.0.1:8000"))],
)
def test_setting_of_pages_names_origins(value: str, origins: tuple[str, ...]) -> None:
    assert Settings(api_card_origins=value).card_origins == origins


@pytest.mark.parametrize(
    "value",
    ["shop.example", "https://shop.example/", "https://a.example; script-src *", "https://a\r\nb", "null", "*,*"],
)
def test_setting_of_pages_takes_nothing_else(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(api_card_origins=value)
