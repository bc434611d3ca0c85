"""The broker adapter through the real alpaca-py, against a server that misbehaves on cue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.adapters.alpaca import AlpacaBroker
from shared.adapters.alpaca_http import throttle_s
from shared.contracts.settings import Environment
from shared.core.errors import BrokerError, ContractError, RateLimitedError, TransientError
from shared.core.orders import OrderRequest, OrderStatus, OrderType
from shared.core.values import Side, Symbol, iso
from tests.support.alpaca import NOW, settings_for
from tests.support.alpaca_answers import ACCOUNT, ORDER, POSITION
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server

ORDER_ID = ORDER["id"]
AAPL = Symbol("AAPL")

UNAVAILABLE = Answer("upstream is down", 503)
SERVER_ERROR = Answer({"code": 50010000, "message": "internal server error occurred"}, 500)
GATEWAY_TIMEOUT = Answer("", 504)
THROTTLED = Answer({"code": 42910000, "message": "too many requests."}, 429)
SILENCE = Answer(hang=True)
HANG_UP = Answer(drop=True)
FAILURES = {
    "500": SERVER_ERROR,
    "503": UNAVAILABLE,
    "504": GATEWAY_TIMEOUT,
    "429": THROTTLED,
    "silence": SILENCE,
    "hang-up": HANG_UP,
}
NO_JSON = Answer("<html>have a nice day</html>")

ENTRY = OrderRequest(
    client_order_id="i-entry-1",
    symbol=AAPL,
    side=Side.BUY,
    qty=Decimal(15),
    order_type=OrderType.LIMIT,
    limit_price=Decimal("107.00"),
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def slept() -> list[float]:
    """Seconds that the adapter would have waited."""
    return []


@pytest.fixture
def broker(server: ScriptedServer, slept: list[float], request: pytest.FixtureRequest) -> AlpacaBroker:
    """Impatient where the server is to say nothing."""
    callspec = getattr(request.node, "callspec", None)
    is_silent = callspec is not None and callspec.params.get("failure") is SILENCE
    return AlpacaBroker(settings_for(server.url, **({"timeout_s": 1.0} if is_silent else {})), sleep=slept.append)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_look_is_repeated_until_the_world_answers(
    server: ScriptedServer, broker: AlpacaBroker, slept: list[float], failure: Answer
) -> None:
    server.will_answer(failure, failure, ACCOUNT)
    assert broker.account().equity == Decimal("103820.56")
    assert [asked.method for asked in server.asked] == ["GET"] * 3
    assert len(slept) == 2
    assert all(0 <= seconds <= 4 for seconds in slept)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_look_that_never_succeeds_is_transient_after_its_tries(
    server: ScriptedServer, broker: AlpacaBroker, failure: Answer
) -> None:
    server.will_answer(*[failure] * 5)
    with pytest.raises(TransientError, match="GET /v2/account"):
        broker.account()
    assert len(server.asked) == 3


def submit(broker: AlpacaBroker) -> object:
    return broker.submit(ENTRY)


def cancel(broker: AlpacaBroker) -> object:
    broker.cancel(ORDER_ID)
    return None


@pytest.mark.parametrize("act", [submit, cancel])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_what_changes_something_is_never_sent_twice(
    server: ScriptedServer,
    broker: AlpacaBroker,
    slept: list[float],
    act: Callable[[AlpacaBroker], object],
    failure: Answer,
) -> None:
    server.will_answer(failure, ORDER, ORDER, ORDER)
    with pytest.raises(TransientError):
        act(broker)
    assert len(server.asked) == 1
    assert slept == []


def test_no_call_outlives_its_time_out(server: ScriptedServer) -> None:
    server.will_answer(SILENCE)
    with pytest.raises(TransientError, match="ReadTimeout"):
        AlpacaBroker(settings_for(server.url, timeout_s=0.25)).submit(ENTRY)


def test_too_many_requests_is_its_own_error_and_its_wait_is_honoured(
    server: ScriptedServer, broker: AlpacaBroker, slept: list[float]
) -> None:
    server.will_answer(Answer({}, 429, {"Retry-After": "2.5"}), Answer({}, 429, {"Retry-After": "0.5"}), ACCOUNT)
    broker.account()
    assert slept == [2.5, 0.5]
    server.will_answer(*[Answer({}, 429, {"Retry-After": "nonsense"})] * 3)
    with pytest.raises(RateLimitedError, match="HTTP 429"):
        broker.account()


def test_a_wait_beyond_our_patience_is_left_to_the_queue(
    server: ScriptedServer, broker: AlpacaBroker, slept: list[float]
) -> None:
    server.will_answer(Answer({}, 429, {"X-RateLimit-Reset": "4102444800"}), ACCOUNT)
    with pytest.raises(RateLimitedError):
        broker.account()
    assert slept == []
    assert len(server.asked) == 1


def test_the_reset_time_counts_from_the_server_s_own_clock() -> None:
    date_header = "Wed, 15 Oct 2025 14:00:30 GMT"
    assert throttle_s({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 7), "Date": date_header}) == 7
    assert throttle_s({"X-RateLimit-Reset": str(int(NOW.timestamp()) - 7), "Date": date_header}) == 0
    assert throttle_s({"X-RateLimit-Reset": "4102444800", "Date": date_header}) == 60
    assert throttle_s({"X-RateLimit-Reset": "soon", "Date": date_header}) == 0
    assert throttle_s({}) == 0


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Answer({"code": 40310000, "message": "insufficient buying power"}, 403), 40310000, "insufficient buying"),
        (Answer({"code": 40010001, "message": "client_order_id must be unique"}, 422), 40010001, "must be unique"),
        (Answer({"message": "forbidden."}, 401), 0, "forbidden."),
        (Answer("<h1>Not today</h1>", 400), 0, "<h1>Not today</h1>"),
        (Answer("", 404), 0, ""),
        (Answer([1, 2], 422), 0, "[1, 2]"),
        (Answer({"code": "x", "message": None}, 422), 0, "code"),
    ],
)
def test_a_refusal_is_final_and_carries_alpaca_s_status_code_and_words(
    server: ScriptedServer, broker: AlpacaBroker, answer: Answer, code: int, words: str
) -> None:
    server.will_answer(answer, ORDER)
    with pytest.raises(BrokerError) as caught:
        broker.submit(ENTRY)
    assert (caught.value.status, caught.value.code) == (answer.status, code)
    assert words in caught.value.message
    assert "POST /v2/orders" in caught.value.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [NO_JSON, Answer(""), Answer([]), Answer({}), Answer({**ACCOUNT, "equity": None}), Answer('{"equity": NaN}')],
    ids=["html", "empty", "list", "no fields", "null", "nan"],
)
def test_a_look_that_brings_nonsense_is_a_contract_error_and_not_repeated(
    server: ScriptedServer, broker: AlpacaBroker, answer: Answer
) -> None:
    server.will_answer(answer, ACCOUNT)
    with pytest.raises(ContractError, match="GET /account"):
        broker.account()
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [NO_JSON, Answer(""), Answer({**ORDER, "qty": None})], ids=["html", "empty", "null"])
def test_a_submit_whose_answer_cannot_be_read_may_stand_and_is_looked_up(
    server: ScriptedServer, broker: AlpacaBroker, answer: Answer
) -> None:
    server.will_answer(answer, ORDER)
    with pytest.raises(TransientError, match="the order may stand, look it up"):
        broker.submit(ENTRY)
    found = broker.order("i-entry-1")
    assert found is not None
    assert found.order_id == ORDER_ID
    assert [asked.method for asked in server.asked] == ["POST", "GET"]


def test_a_redirect_is_not_followed(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer(Answer("", 302, {"Location": f"{server.url}/elsewhere"}), ACCOUNT)
    with pytest.raises(ContractError, match="HTTP 302"):
        broker.account()
    assert len(server.asked) == 1


def test_a_broker_that_does_not_listen_is_transient(server: ScriptedServer) -> None:
    with scripted_server() as gone:
        url = gone.url
    with pytest.raises(TransientError, match="no answer"):
        AlpacaBroker(settings_for(url)).account()


# -- what is sent and what is read -------------------------------------------------------------------------------


def test_an_order_is_sent_with_keys_and_money_as_text(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer(ORDER)
    assert broker.submit(ENTRY).limit_price == Decimal("107.00")
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v2/orders")
    assert asked.body["limit_price"] == "107.00"
    assert asked.headers["APCA-API-KEY-ID"] == "the-key"
    assert asked.headers["APCA-API-SECRET-KEY"] == "the-secret"


def test_an_url_copied_with_its_version_is_understood(server: ScriptedServer) -> None:
    server.will_answer(ACCOUNT)
    AlpacaBroker(settings_for(f"{server.url}/v2/")).account()
    assert server.asked[0].path == "/v2/account"


def test_an_unknown_status_survives(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer({**ORDER, "status": "pending_levitation"})
    order = broker.order("i-entry-1")
    assert order is not None
    assert (order.status, order.status_text) == (OrderStatus.UNKNOWN, "pending_levitation")


def test_an_order_that_the_broker_does_not_know_is_none(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer(Answer({"code": 40410000, "message": "order not found"}, 404))
    assert broker.order("i-entry-9") is None
    assert server.asked[0].query["client_order_id"] == "i-entry-9"


def test_legs_that_the_look_by_client_id_left_out_are_fetched(server: ScriptedServer, broker: AlpacaBroker) -> None:
    bracket = {**ORDER, "order_class": "bracket"}
    server.will_answer(bracket, {**bracket, "legs": [{**ORDER, "id": "leg-1", "status": "held"}]})
    order = broker.order("i-entry-1")
    assert order is not None
    assert [(leg.order_id, leg.parent_order_id) for leg in order.legs] == [("leg-1", ORDER_ID)]
    assert (server.asked[1].path, server.asked[1].query) == (f"/v2/orders/{ORDER_ID}", {"nested": "true"})


def numbered(number: int, **changes: Any) -> dict[str, Any]:
    at = iso(NOW + timedelta(seconds=number))
    return {**ORDER, "id": f"o-{number}", "submitted_at": at, "updated_at": at, **changes}


def test_orders_are_read_page_by_page_with_legs_beside_their_parents(
    server: ScriptedServer, broker: AlpacaBroker
) -> None:
    first = [numbered(number) for number in range(500)]
    first[7]["legs"] = [numbered(7, id="leg-7")]
    second = [*first[-2:], *(numbered(number) for number in range(500, 510))]
    server.will_answer(first, second)
    found = broker.orders(since=NOW - timedelta(hours=1))
    assert [order.order_id for order in found] == [
        name for number in range(510) for name in ([f"o-{number}", "leg-7"] if number == 7 else [f"o-{number}"])
    ]
    assert {order.parent_order_id for order in found if order.order_id == "leg-7"} == {"o-7"}
    assert server.asked[0].query == {
        "status": "all",
        "after": "2025-10-15T13:00:30Z",
        "limit": "500",
        "direction": "asc",
        "nested": "true",
    }
    assert server.asked[1].query["after"] < first[-1]["submitted_at"]


def test_a_page_of_orders_that_never_ends_is_refused(server: ScriptedServer, broker: AlpacaBroker) -> None:
    page = [numbered(number) for number in range(500)]
    server.will_answer(page, page)
    with pytest.raises(ContractError, match="more than 500 orders"):
        broker.orders(since=NOW)


def test_cancelling_what_is_closed_is_no_error_and_what_is_unknown_is(
    server: ScriptedServer, broker: AlpacaBroker
) -> None:
    server.will_answer(
        Answer("", 204),
        Answer({"code": 42210000, "message": 'order is already in "filled" state'}, 422),
        Answer({"code": 40410000, "message": "order not found"}, 404),
    )
    broker.cancel(ORDER_ID)
    broker.cancel(ORDER_ID)
    with pytest.raises(BrokerError, match="order not found"):
        broker.cancel(ORDER_ID)
    assert [(asked.method, asked.path) for asked in server.asked] == [("DELETE", f"/v2/orders/{ORDER_ID}")] * 3


@pytest.mark.parametrize("order_id", ["", "../account", "a/b", "a?b", "a b"])
def test_an_order_id_never_becomes_another_path(server: ScriptedServer, broker: AlpacaBroker, order_id: str) -> None:
    with pytest.raises(ValueError, match="order_id"):
        broker.cancel(order_id)
    assert server.asked == []


def test_positions_come_by_symbol(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer([{**POSITION, "symbol": "MSFT"}, POSITION])
    assert [position.symbol for position in broker.positions()] == ["AAPL", "MSFT"]


def test_a_position_that_is_refused_for_another_reason_than_that_there_is_none_is_no_answer(
    server: ScriptedServer, broker: AlpacaBroker
) -> None:
    none = Answer({"code": 40410000, "message": "position does not exist"}, 404)
    server.will_answer(none, Answer({"message": "forbidden"}, 403))
    assert broker.position(Symbol("BRK/B")) is None
    assert server.asked[0].path == "/v2/positions/BRK%2FB"
    with pytest.raises(BrokerError, match="forbidden"):
        broker.position(Symbol("AAPL"))


def test_our_own_rate_limit_waits_outside_the_sandbox_only(
    server: ScriptedServer, broker: AlpacaBroker, slept: list[float]
) -> None:
    server.will_answer(*[[]] * 60)
    for _ in range(30):
        broker.positions()
    assert slept == []
    paper = AlpacaBroker(settings_for(server.url, environment=Environment.PAPER), sleep=slept.append)
    for _ in range(30):
        paper.positions()
    assert len(slept) in {9, 10}
    assert all(seconds > 0 for seconds in slept)


def test_one_broken_position_hides_none_of_the_others(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer([{**POSITION, "symbol": "MSFT", "qty": "0.5"}, {**POSITION, "qty": None}, POSITION, 5])
    found = broker.positions()
    assert [position.symbol for position in found] == ["AAPL", "MSFT"]
    assert [(row.name, row.fault) for row in found.unread] == [
        ("AAPL", "qty is null"),
        ("", "position must be an object, got 5"),
    ]


def test_one_broken_order_hides_none_of_the_others(server: ScriptedServer, broker: AlpacaBroker) -> None:
    by_amount = numbered(2, qty=None, notional="50")
    server.will_answer([numbered(1), by_amount, {**by_amount, "id": "o-9", "status": "filled"}, numbered(3)])
    found = broker.orders(since=NOW)
    assert [order.order_id for order in found] == ["o-1", "o-3"]
    assert [(row.what, row.name, row.order_id) for row in found.unread] == [("order", "AAPL", "o-2")]


def test_a_full_page_that_cannot_be_read_does_not_end_the_list(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer([numbered(number, qty=None) for number in range(500)], [numbered(499, qty=None), numbered(500)])
    found = broker.orders(since=NOW)
    assert [order.order_id for order in found] == ["o-500"]
    assert len(found.unread) == 500


def test_what_is_held_of_one_symbol_is_asked_for_that_symbol(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer(POSITION, Answer({"code": 40410000, "message": "position does not exist"}, 404))
    found = broker.position(Symbol("AAPL"))
    assert found is not None
    assert found.qty == 5
    assert broker.position(Symbol("BRK.B")) is None
    assert [asked.path for asked in server.asked] == ["/v2/positions/AAPL", "/v2/positions/BRK.B"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer({"message": "Not Found"}, 404), BrokerError),
        (Answer({"code": 40110000, "message": "request is not authorized"}, 401), BrokerError),
        (Answer({**POSITION, "qty": None}), ContractError),
        (Answer({**POSITION, "symbol": "MSFT"}), ContractError),
        (Answer([]), ContractError),
    ],
)
def test_what_does_not_say_what_is_held_never_says_nothing(
    server: ScriptedServer, broker: AlpacaBroker, answer: Answer, error: type[Exception]
) -> None:
    server.will_answer(answer)
    with pytest.raises(error):
        broker.position(Symbol("AAPL"))


def test_the_accounts_id_is_asked_for_once_in_a_process(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer(Answer({**ACCOUNT, "equity": "nonsense"}))
    assert [broker.account_id() for _ in range(3)] == [ACCOUNT["id"]] * 3
    assert len(server.asked) == 1


def test_who_has_seen_the_account_knows_its_id(server: ScriptedServer, broker: AlpacaBroker) -> None:
    server.will_answer(Answer(ACCOUNT))
    broker.account()
    assert broker.account_id() == ACCOUNT["id"]
    assert len(server.asked) == 1
