"""Access tokens for SASL/OAUTHBEARER, fetched for aiokafka by OAuth's client credentials grant (RFC 6749, 4.4).

librdkafka fetches its own (``sasl.oauthbearer.method=oidc``) from the same settings.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from aiokafka.abc import AbstractTokenProvider

from stream_app.ports import BrokerUnavailable
from stream_app.settings import KafkaSettings

_TIMEOUT_SECONDS = 10.0
_LARGEST_ANSWER_BYTES = 64 * 1024
_SHARE_OF_LIFE = 0.8  # a token is used that long; the rest is for clocks that differ and for answers that take long
_DEFAULT_LIFE_SECONDS = 300.0


class _NoRedirect(HTTPRedirectHandler):
    """The client's secret goes to the address that was set and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]
    """One token, used for 80 % of its life by all connections."""

    def __init__(self, settings: KafkaSettings) -> None:
        assert settings.kafka_oauth_client_secret is not None
        self._url = settings.kafka_oauth_token_url or ""
        client = (settings.kafka_oauth_client_id or "", settings.kafka_oauth_client_secret.get_secret_value())
        self._authorization = b64encode(":".join(map(quote_plus, client)).encode()).decode()
        self._scope = settings.kafka_oauth_scope
        self._token = ""
        self._use_until = 0.0

    async def token(self) -> str:
        """Raises BrokerUnavailable when the token endpoint gives none; aiokafka tries again as for a broker."""
        if time.monotonic() >= self._use_until:
            began = time.monotonic()
            self._token, life_seconds = await asyncio.to_thread(self._fetch)
            self._use_until = began + _SHARE_OF_LIFE * life_seconds
        return self._token

    def _fetch(self) -> tuple[str, float]:
        """(token, life in seconds)."""
        grant = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        headers = {"Authorization": f"Basic {self._authorization}", "Accept": "application/json"}
        request = Request(self._url, urlencode(grant).encode(), headers)
        try:
            with build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_SECONDS) as answer:
                fields = json.loads(answer.read(_LARGEST_ANSWER_BYTES))
            return str(fields["access_token"]), float(fields.get("expires_in") or _DEFAULT_LIFE_SECONDS)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BrokerUnavailable(
                f"No access token from {self._url} ({type(error).__name__}: {error}); check "
                "STREAM_APP_KAFKA_OAUTH_TOKEN_URL, _CLIENT_ID, _CLIENT_SECRET and _SCOPE."
            ) from error
