"""GET /v1/signals and GET /v1/products/{product_id}/signals."""

from __future__ import annotations

from urllib.parse import quote

import jsonschema_rs
import pytest

from stream_app.api.routes import openapi
from stream_app.testing.reader import CannedSummaryReader
from tests.schemas import validator
from tests.unit.api.samples import summary
from tests.unit.api.test_look_ups import get

DAYS = {7: 9, 28: 30}


def view(*names: str) -> CannedSummaryReader:
    return CannedSummaryReader(*(summary(name, recent_reviews=DAYS) for name in names))


def test_signals_of_a_product_are_valid_and_have_an_etag() -> None:
    answer = get(view("p/1"), f"/v1/products/{quote('p/1', safe='')}/signals")

    assert answer.status_code == 200
    validator("product-signals.v1").validate(answer.json())
    assert (answer.json()["product_id"], answer.json()["negative_share"]["negative"]) == ("p/1", 2)
    again = get(view("p/1"), "/v1/products/p/1/signals", if_none_match=answer.headers["etag"])
    assert again.status_code == 304


def test_unknown_product_is_a_404() -> None:
    assert get(view("p"), "/v1/products/q/signals").json()["type"] == "urn:stream-app:problem:unknown-product"


def test_named_products_come_in_the_order_asked() -> None:
    body = get(view("a", "b", "c"), "/v1/signals?ids=c,x,a").json()

    assert [one["product_id"] for one in body["signals"]] == ["c", "a"]
    assert (body["unknown"], body["next"]) == (["x"], None)


def test_an_empty_list_of_ids_names_no_product_instead_of_all() -> None:
    """A page of an empty basket."""
    for query in ("ids=", "ids=,", "id="):
        assert get(view("a"), f"/v1/signals?{query}").json() == {"signals": [], "unknown": [], "next": None}
        assert get(view("a"), f"/v1/products?{query}").json()["products"] == []


def test_all_products_come_page_by_page_and_the_last_cursor_waits_for_changes() -> None:
    shop = view("a", "b c", "d")
    seen, path = [], "/v1/signals?limit=2"
    for _ in range(3):
        body = get(shop, path).json()
        jsonschema_rs.validator_for(described()).validate(body)
        seen.append([one["product_id"] for one in body["signals"]])
        path = f"/v1/signals?limit=2&cursor={quote(body['next'])}"
    assert seen == [["a", "b c"], ["d"], []]
    shop.summaries["later"] = summary("later", recent_reviews=DAYS)
    assert [one["product_id"] for one in get(shop, path).json()["signals"]] == ["later"]


def test_product_that_is_entered_late_is_not_missed() -> None:
    """Its reviews were applied before those of products that were entered before it."""
    shop = view("a", "b")  # entered at 0 and 1 ms

    def next_of(limit: int) -> str:
        following: str = get(shop, f"/v1/signals?limit={limit}", now_ms=lambda: 60_001).json()["next"]
        return following

    assert next_of(2) == "1:b", "a full page: more may stand behind it"
    assert next_of(3) == "1:", "all since a minute ago comes again"


def described() -> dict[str, object]:
    answers = openapi("1")["paths"]["/v1/signals"]["get"]["responses"]
    schema: dict[str, object] = answers["200"]["content"]["application/json"]["schema"]
    return schema


@pytest.mark.parametrize(
    "path", ["limit=0", "limit=101", "cursor=x", "cursor=1.5:p", "cursor=9999999999999999:p", f"cursor=1:{'p' * 129}"]
)
def test_wrong_parameter_is_a_400_that_says_what_to_do(path: str) -> None:
    answer = get(view("a"), f"/v1/signals?{path}")

    assert answer.status_code == 400
    assert answer.json()["next_step"]


def test_too_many_products_are_refused() -> None:
    assert get(view("a"), f"/v1/signals?ids={','.join(map(str, range(101)))}").status_code == 400
