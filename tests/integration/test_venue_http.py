"""The venue's HTTP manners: keys, limits, faults, bad input, and nothing from the future."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import requests

from shared.core.values import parse_utc
from simulation.venue.config import VenueConfig
from simulation.venue.engine import Exchange
from simulation.venue.face.app import create_app
from simulation.venue.face.server import ServerThread
from tests.support.tape import market, ny

ON = date(2025, 10, 15)
KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
WAIT_S = 60


class Api:
    """A served venue and plain HTTP on it."""

    def __init__(self, url: str, exchange: Exchange, at: datetime) -> None:
        self.url = url
        self.exchange = exchange
        self.at = at

    def __call__(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> requests.Response:
        options.setdefault("timeout", WAIT_S)
        return requests.request(method, self.url + path, headers=KEYS if headers is None else headers, **options)

    def faults(self, *rules: dict[str, object]) -> None:
        assert requests.post(f"{self.url}/sandbox/faults", json={"rules": rules}, timeout=WAIT_S).status_code == 200


@pytest.fixture
def api() -> Iterator[Api]:
    exchange = Exchange(market(ON, ["AAA", "BBB", "BTC/USD"], days=3), VenueConfig(requests_per_minute=50))
    made = Api("", exchange, ny(ON, "10:00:10"))
    with ServerThread(create_app(exchange, lambda: made.at, keys=("key", "secret"))) as server:
        made.url = server.url
        yield made


def buy(**members: object) -> dict[str, object]:
    return {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day", **members}


def test_without_keys_there_is_401_and_nothing_happens(api: Api) -> None:
    for headers in ({}, {**KEYS, "APCA-API-SECRET-KEY": "guess"}):
        answer = api("POST", "/v2/orders", headers=headers, json=buy())
        assert (answer.status_code, answer.json()["code"]) == (401, 40110000)
    assert api.exchange.log == []


def test_rate_limit_counts_a_minute_of_venue_time_per_api(api: Api) -> None:
    first = api("GET", "/v2/clock")
    assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == ("50", "49")
    assert int(first.headers["X-RateLimit-Reset"]) == int(ny(ON, "10:01").timestamp())
    codes = [api("GET", "/v2/clock").status_code for _ in range(51)]
    assert codes == [200] * 49 + [429] * 2
    limited = api("GET", "/v2/clock")
    assert (limited.json()["code"], limited.headers["X-RateLimit-Remaining"]) == (42910000, "0")
    assert api("GET", "/v2/stocks/AAA/quotes/latest").status_code == 200
    api.at += timedelta(minutes=1)
    assert api("GET", "/v2/clock").status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("500", 500), ("429", 429)])
def test_error_faults_strike_the_next_requests_of_their_path_only(api: Api, kind: str, status: int) -> None:
    api.faults({"kind": kind, "path": "/v2/orders", "method": "POST", "next": 2})
    assert api("GET", "/v2/orders").status_code == 200
    assert [api("POST", "/v2/orders", json=buy()).status_code for _ in range(3)] == [status, status, 200]
    assert len(api.exchange.book.orders) == 1


def test_lost_answer_leaves_an_order_that_can_be_looked_up(api: Api) -> None:
    api.faults({"kind": "lost_answer", "path": "/v2/orders", "next": 1})
    with pytest.raises(requests.ConnectionError):
        api("POST", "/v2/orders", json=buy(client_order_id="lost"))
    found = api("GET", "/v2/orders:by_client_order_id", params={"client_order_id": "lost"})
    assert found.json()["status"] == "filled"


def test_time_out_does_not_do_what_was_asked(api: Api) -> None:
    api.faults({"kind": "timeout", "path": "/v2/orders", "next": 1, "delay_s": 0.6})
    with pytest.raises(requests.ReadTimeout):
        api("POST", "/v2/orders", json=buy(), timeout=0.2)
    assert api.exchange.log == []


def test_nonsense_is_200_and_no_json(api: Api) -> None:
    api.faults({"kind": "nonsense", "path": "/v2/account", "next": 1})
    answer = api("GET", "/v2/account")
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert api("GET", "/v2/account").json()["status"] == "ACTIVE"


def test_probable_faults_strike_the_same_requests_in_every_run(api: Api) -> None:
    def draw() -> list[int]:
        api.at += timedelta(minutes=1)
        api.faults({"kind": "500", "path": "/v2/clock", "probability": 0.5, "seed": 3})
        return [api("GET", "/v2/clock").status_code for _ in range(20)]

    first = draw()
    assert first == draw()
    assert set(first) == {200, 500}


def test_unusable_fault_rules_are_refused(api: Api) -> None:
    for rules in ([{"kind": "earthquake"}], [{"path": "/"}], "all", [{"kind": "500", "colour": "red"}]):
        answer = requests.post(f"{api.url}/sandbox/faults", json={"rules": rules}, timeout=WAIT_S)
        assert answer.status_code == 422


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'"x"', b"\xff\xfe"])
def test_bodies_that_are_no_json_object_are_400(api: Api, body: bytes) -> None:
    assert api("POST", "/v2/orders", data=body).status_code == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/nothing", 404),
        ("/v2/orders?limit=0", 422),
        ("/v2/orders?limit=501", 422),
        ("/v2/orders?status=maybe", 422),
        ("/v2/orders?after=yesterday", 422),
        ("/v2/orders/no-such-id", 404),
        ("/v2/orders:by_client_order_id", 422),
        ("/v2/orders:by_client_order_id?client_order_id=none", 404),
        ("/v2/positions/AAA", 404),
        ("/v2/assets/NOPE", 404),
        ("/v2/calendar?start=soon", 422),
        ("/v2/account/activities?page_token=none", 422),
        ("/v2/account/portfolio/history?period=long", 422),
        ("/v2/account/portfolio/history?timeframe=2Min", 422),
        ("/v2/stocks/bars?symbols=AAA&timeframe=7Min", 400),
        ("/v2/stocks/bars?timeframe=5Min", 400),
        ("/v2/stocks/bars?symbols=AAA&timeframe=5Min&page_token=!!", 400),
        ("/v2/stocks/NOPE/quotes/latest", 404),
        ("/v2/stocks/NOPE/snapshot", 404),
        ("/v1beta1/screener/bonds/movers", 404),
        ("/v1beta1/news?page_token=1", 400),
    ],
)
def test_bad_questions_get_an_error_body_and_never_500(api: Api, path: str, status: int) -> None:
    answer = api("GET", path)
    assert answer.status_code == status
    assert answer.json().keys() >= {"code", "message"}


def test_canceling_what_is_final_is_422_and_unknown_is_404(api: Api) -> None:
    order = api("POST", "/v2/orders", json=buy()).json()
    again = api("DELETE", f"/v2/orders/{order['id']}")
    assert (again.status_code, again.json()["code"]) == (422, 42210000)
    assert api("DELETE", "/v2/orders/none").status_code == 404


def test_corporate_action_of_a_held_symbol_is_refused(api: Api) -> None:
    api("POST", "/v2/orders", json=buy())
    for symbol, status in (("AAA", 422), ("BBB", 200)):
        body = {"symbol": symbol, "kind": "split"}
        assert requests.post(f"{api.url}/sandbox/corporate-actions", json=body, timeout=WAIT_S).status_code == status


def test_receipt_says_accepted_outside_the_session(api: Api) -> None:
    api.at = ny(ON, "17:00")
    receipt = api("POST", "/v2/orders", json=buy()).json()
    assert (receipt["status"], receipt["filled_qty"], receipt["qty"]) == ("accepted", "0", "10")
    assert api("GET", "/v2/orders").json()[0]["status"] == "accepted"


def test_several_positions_close_together_and_one_that_cannot_says_why(api: Api) -> None:
    for symbol in ("AAA", "BBB"):
        api("POST", "/v2/orders", json=buy(symbol=symbol))
    api("POST", "/v2/orders", json=buy(symbol="BBB", side="sell", type="limit", limit_price="99"))
    rows = {row["symbol"]: row for row in api("DELETE", "/v2/positions").json()}
    assert (rows["AAA"]["status"], rows["BBB"]["status"]) == (200, 403)
    assert rows["BBB"]["body"]["code"] == 40310000
    assert [row["status"] for row in api("DELETE", "/v2/positions?cancel_orders=true").json()] == [200]
    assert api("GET", "/v2/positions").json() == []


def test_no_answer_holds_anything_from_the_future(api: Api) -> None:
    """Every time in every market data answer has passed, bars included with their length."""
    lengths = {"1Min": 60, "5Min": 300, "15Min": 900, "1Hour": 3600, "4Hour": 14_400}
    for wall in ("03:00", "04:00:20", "09:29:59", "09:30", "12:34:56", "20:00"):
        api.at = ny(ON, wall)
        far = {"start": "2025-10-01", "end": "2025-12-01", "limit": 10_000, "symbols": "AAA,BBB"}
        for frame, length in lengths.items():
            bars = api("GET", "/v2/stocks/bars", params={**far, "timeframe": frame}).json()["bars"]
            assert all(
                parse_utc(row["t"]) + timedelta(seconds=length) <= api.at for rows in bars.values() for row in rows
            )
        daily = api("GET", "/v2/stocks/bars", params={**far, "timeframe": "1Day"}).json()["bars"]
        assert {row["t"][:10] for rows in daily.values() for row in rows} == {"2025-10-13", "2025-10-14"}
        for path in ("/v2/stocks/quotes", "/v2/stocks/trades"):
            member = path.rsplit("/", 1)[-1]
            pages = api("GET", path, params={**far, "start": "2025-10-15"}).json()[member]
            assert all(parse_utc(row["t"]) <= api.at for rows in pages.values() for row in rows)
        for path in ("quotes/latest", "trades/latest"):
            found = api("GET", f"/v2/stocks/{path}", params={"symbols": "AAA"}).json()[path.split("/")[0]]
            assert parse_utc(found["AAA"]["t"]) <= api.at


def test_log_is_json_lines_with_money_as_text(api: Api) -> None:
    api("POST", "/v2/orders", json=buy())
    lines = requests.get(f"{api.url}/sandbox/log", timeout=WAIT_S).text.splitlines()
    fill = json.loads(lines[-1])
    assert (fill["event"], fill["seq"], fill["fill_qty"], fill["position_after"]) == ("fill", 3, "10", "10")
    assert isinstance(fill["cash_after"], str)


def test_before_its_first_trade_of_a_date_a_snapshot_still_shows_the_days_before(api: Api) -> None:
    days = []
    for wall in ("03:00", "04:00:20"):
        api.at = ny(ON, wall)
        shot = api("GET", "/v2/stocks/snapshots", params={"symbols": "AAA"}).json()["AAA"]
        assert parse_utc(shot["latestTrade"]["t"]) <= api.at
        assert parse_utc(shot["minuteBar"]["t"]) + timedelta(minutes=1) <= api.at
        days.append((shot["prevDailyBar"]["t"][:10], shot["dailyBar"]["t"][:10]))
    assert days == [("2025-10-13", "2025-10-14"), ("2025-10-14", "2025-10-15")]
