"""POST /v1/alerts/{alert_id}:acknowledge, :mute and their opposites: what people do about a recent alert."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from stream_app import contract, telemetry
from stream_app.api.bodies import invalid_body, json_object
from stream_app.api.problems import Problem
from stream_app.api.routes import ApiRoute
from stream_app.ports import AlertDesk
from stream_app.records import Mute
from stream_app.steps.handling import valid_name, valid_note, valid_until

_MAX_BODY_BYTES = 16 * 1024
_EXAMPLES = {
    "acknowledge": '{"by": "Ana", "note": "asked the supplier"}',
    "unacknowledge": "{}",
    "mute": '{"by": "Ana", "until": "2026-05-01T12:00:00Z", "note": "the batch is recalled"}',
    "unmute": "{}",
}


Name = Annotated[str, AfterValidator(valid_name)]
Note = Annotated[str | None, AfterValidator(valid_note)]


class _Acknowledgement(BaseModel):
    model_config = ConfigDict(extra="forbid")
    by: Name
    note: Note = None


class _Mute(_Acknowledgement):
    until: str


class _Undo(BaseModel):
    model_config = ConfigDict(extra="forbid")
    by: Name | None = None


Asked = TypeVar("Asked", bound=BaseModel)
_Action = Callable[[str, dict[str, Any]], Awaitable[bool]]


def routes(desk: AlertDesk, now_ms: Callable[[], int]) -> list[ApiRoute]:
    """The four routes; each answers with the alert as it is listed then. ``now_ms``: the clock."""

    async def acknowledge(alert_id: str, body: dict[str, Any]) -> bool:
        asked = _valid(_Acknowledgement, body, "acknowledge")
        return await desk.acknowledge(alert_id, asked.by, asked.note, now_ms())

    async def unacknowledge(alert_id: str, body: dict[str, Any]) -> bool:
        _valid(_Undo, body, "unacknowledge")
        return await desk.unacknowledge(alert_id)

    async def mute(alert_id: str, body: dict[str, Any]) -> bool:
        asked, now = _valid(_Mute, body, "mute"), now_ms()
        mute = Mute(asked.by, now, _until(asked.until, now), asked.note)
        return await desk.mute(alert_id, mute, now)

    async def unmute(alert_id: str, body: dict[str, Any]) -> bool:
        _valid(_Undo, body, "unmute")
        return await desk.unmute(alert_id)

    return [_route(desk, now_ms, act) for act in (acknowledge, unacknowledge, mute, unmute)]


def refuse_other_sites(request: Request) -> None:
    """Raises Problem where a browser says that a page of another origin asks. Programs send neither header."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        site = "cross-site"
    if site not in (None, "same-origin", "none"):  # guarantee: no-other-site-handles-alerts
        raise Problem(403, "cross-site", "A page of another origin asked.", "Ask from the page of this API.")


def _route(desk: AlertDesk, now_ms: Callable[[], int], act: _Action) -> ApiRoute:
    action = act.__name__

    async def answer(request: Request) -> Response:
        refuse_other_sites(request)
        body = await json_object(request, _MAX_BODY_BYTES, _EXAMPLES[action])
        alert_id = request.path_params["alert_id"]
        alert = await desk.recent_alert(alert_id) if await act(alert_id, body) else None
        if alert is None:
            raise _unknown_alert()
        telemetry.alert_was_handled(action)
        [handling] = await desk.handling([alert], now_ms())
        listed = contract.encode_listed_alert(alert, handling)
        return Response(listed, 200, {"Cache-Control": "no-store"}, "application/json")

    return ApiRoute(f"/v1/alerts/{{alert_id:path}}:{action}", answer, ("POST",))


def _unknown_alert() -> Problem:
    return Problem(
        404,
        "unknown-alert",
        "No recent alert has this id.",
        "GET /v1/alerts lists the recent ones; percent-encode the id in the path.",
    )


def _valid(kind: type[Asked], body: dict[str, Any], action: str) -> Asked:
    try:
        return kind.model_validate(body, strict=True)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise invalid_body(wrong, _EXAMPLES[action]) from None


def _until(text: str, now_ms: int) -> int:
    """Milliseconds since 1970. Raises Problem."""
    try:
        return valid_until(contract.from_rfc3339(text), now_ms)
    except ValueError as error:
        raise invalid_body(f"until: {error}", _EXAMPLES["mute"]) from None
